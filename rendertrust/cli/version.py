"""``rendertrust version`` with more words, such as --help or an invalid option."""

import click

from rendertrust import __version__
from rendertrust.cli import argv
from rendertrust.cli.command import Command
from rendertrust.cli.session import CliSession, pass_session


@click.command(cls=Command)
@pass_session
def version(session: CliSession) -> None:
    """Print the version."""
    output = session.output
    output.document(argv.version())
    output.say(f"rendertrust {__version__}")
