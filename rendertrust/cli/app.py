"""Run a command, and turn its return value or its exception into an exit code."""

import os
import sys

import click

from rendertrust.cli import exit_codes
from rendertrust.cli.argv import Arguments
from rendertrust.cli.command import Root
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.output import Printer
from rendertrust.cli.session import CliSession

ROOT = Root("rendertrust")


def main(words: Arguments, command: click.Command = ROOT) -> int:
    """Run ``command`` with the typed arguments and return the exit code.

    A command ends by returning, by CommandExit, by an exception that ``error_exits`` maps, or by
    SystemExit.
    """
    output = Printer(words.json)
    session = CliSession(words.url, output)
    try:
        code = command.main(list(words.rest), "rendertrust", standalone_mode=False, obj=session)
    except Exception as error:
        ending = _ending(error, session)
        if ending is None:
            raise
        code = report(ending, output)
    except KeyboardInterrupt:
        code = report(INTERRUPTED, output)
    return code if isinstance(code, int) else exit_codes.OK


INTERRUPTED = Exit(
    exit_codes.INTERRUPTED,
    "interrupted",
    "Interrupted",
    "Run the command again when you like.",
)


def report(ending: Exit, output: Printer) -> int:
    """Print the message and hint of a failed command, and return its exit code."""
    output.document(ending.document())
    output.note(ending.text())
    return ending.code


def _ending(error: Exception, session: CliSession) -> Exit | None:
    if isinstance(error, CommandExit) and error.__cause__ is None:
        return error.ending
    if isinstance(error, click.Abort):
        return INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return Exit(exit_codes.USAGE, "usage", "", error.format_message())
    if isinstance(error, click.ClickException):
        return _clicked(error)
    if isinstance(error, BrokenPipeError):
        _silence()
        return Exit(
            exit_codes.FAILURE, "pipe", "The program that reads the output has closed the pipe", ""
        )
    from rendertrust.cli.error_exits import ending_of  # imports the client

    return ending_of(error, session.named)


def _clicked(error: click.ClickException) -> Exit:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context is not None else "rendertrust"
    detail = error.format_message()
    if not isinstance(error, click.UsageError):
        return Exit(error.exit_code, "failure", detail, "Fix this and try again.")
    return Exit(exit_codes.USAGE, "usage", detail, f"See: {command} --help")


def _silence() -> None:
    """Discard buffered output, or Python would raise BrokenPipeError again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
