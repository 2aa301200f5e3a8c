"""``rendertrust version`` with further words, such as --help or an invalid option."""

import click

from rendertrust import __version__
from rendertrust.cli import argv
from rendertrust.cli.command import Command
from rendertrust.cli.session import session_of


@click.command(cls=Command)
@click.pass_context
def version(context: click.Context) -> None:
    """Print the version."""
    output = session_of(context).output
    output.document(argv.version())
    output.say(f"rendertrust {__version__}")
