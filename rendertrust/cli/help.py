"""``rendertrust help``: prints the same as ``--help`` of the named command."""

import click

from rendertrust.cli import catalogue, exit_codes
from rendertrust.cli.command import Command
from rendertrust.cli.session import CliSession, pass_session


@click.command("help", cls=Command)
@click.argument("topic", nargs=-1)
@pass_session
@click.pass_context
def help(  # noqa: A001 - the name of the command is part of the interface
    context: click.Context, session: CliSession, topic: tuple[str, ...]
) -> None:
    """Explain a command (`help jobs list`), or list the exit codes (`help exit-codes`)."""
    if topic[:1] == ("exit-codes",):
        session.output.document(exit_codes.TABLE)
        session.output.say(exit_codes.text())
        return
    explained(context.find_root(), topic)


def explained(root: click.Context, topic: tuple[str, ...]) -> None:
    """Print the help of the command that ``topic`` names."""
    if not topic:
        click.echo(catalogue.overview())
        return
    root.command.main([*topic, "--help"], "rendertrust", standalone_mode=False)
