"""Click groups that import commands when called, and suggest names for mistyped names."""

import difflib
import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from rendertrust.cli import catalogue

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EPILOG = "Also: --url URL names the gateway; --json prints JSON for programs."


class Group(click.Group):
    """A group that suggests similar names, and ends its help with the global options."""

    def __init__(self, *args: Any, **extra: Any) -> None:
        extra.setdefault("epilog", EPILOG)
        super().__init__(*args, **extra)
        self.command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand as click does, or fail with similar names."""
        is_name = bool(args) and not args[0].startswith("-") and not ctx.resilient_parsing
        if is_name and self.get_command(ctx, args[0]) is None:
            ctx.fail(unknown(args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


class Command(click.Command):
    """A command that ends its help with the global options."""

    def __init__(self, *args: Any, **extra: Any) -> None:
        extra.setdefault("epilog", EPILOG)
        super().__init__(*args, **extra)


class Root(Group):
    """The group ``rendertrust``: the commands of the catalogue, each imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all command names."""
        return list(catalogue.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; return None for an unknown name."""
        listed = catalogue.COMMANDS.get(cmd_name)
        if listed is None or not listed.module:
            return None
        command: click.Command = getattr(importlib.import_module(listed.module), cmd_name)
        return command

    def get_help(self, ctx: click.Context) -> str:
        """Return the overview, which imports no command."""
        return catalogue.overview()

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        """Return the commands that begin so, without importing them, or the options."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        entries = catalogue.COMMANDS.values()
        return [
            CompletionItem(entry.name, help=entry.summary)
            for entry in entries
            if entry.name.startswith(incomplete)
        ]


def paged(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--limit`` and ``--offset`` to a command that prints a list."""
    for option in (
        click.option(
            "--offset", type=click.IntRange(0), default=0, show_default=True, help="Skip this many."
        ),
        click.option(
            "--limit",
            type=click.IntRange(1, 100),
            default=20,
            show_default=True,
            help="Show at most this many rows.",
        ),
    ):
        command = option(command)
    return command


def unknown(name: str, known: Sequence[str]) -> str:
    """Return the message for a command that does not exist."""
    near = difflib.get_close_matches(name, known, n=2)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"There is no command '{name}'.{meant}"
