"""Commands and groups as this program has them: loaded when called, with a hint when mistyped."""

import difflib
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import click

from rendertrust.cli import catalogue

EPILOG = "With every command: --url URL names the gateway, --json prints for programs."


class Group(click.Group):
    """A group that says what may have been meant, and ends its help as all commands do."""

    def __init__(self, *args: Any, **extra: Any) -> None:
        extra.setdefault("epilog", EPILOG)
        super().__init__(*args, **extra)
        self.command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with a suggestion."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(unknown(args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


class Command(click.Command):
    """A command whose help ends as all do."""

    def __init__(self, *args: Any, **extra: Any) -> None:
        extra.setdefault("epilog", EPILOG)
        super().__init__(*args, **extra)


class Root(Group):
    """``rendertrust`` itself: the commands of the catalogue, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return list(catalogue.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, from its module; None when there is none."""
        listed = catalogue.COMMANDS.get(cmd_name)
        if listed is None or not listed.module:
            return None
        command: click.Command = getattr(importlib.import_module(listed.module), cmd_name)
        return command

    def get_help(self, ctx: click.Context) -> str:
        """The overview, which needs none of the modules."""
        return catalogue.overview()


def paged(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--limit --offset``, of every command that lists."""
    for option in (
        click.option("--offset", type=click.IntRange(0), default=0, help="Skip that many."),
        click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True),
    ):
        command = option(command)
    return command


def unknown(name: str, known: Sequence[str]) -> str:
    """What to say of a command that does not exist."""
    near = difflib.get_close_matches(name, known, n=2)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"There is no command '{name}'.{meant}"
