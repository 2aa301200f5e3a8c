"""Option types for the frames and terms of a job, checked before anything is sent."""

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command_exit import CommandExit, Exit

if TYPE_CHECKING:
    from rendertrust.client import SceneFinding
    from rendertrust.preflight.findings import Finding


class IntegerParam(click.IntRange):
    """An integer within bounds; error messages call it a whole number."""

    name = "whole number"


class ParsedParam(click.ParamType[str]):
    """Text that ``parse`` of a module of ``rendertrust`` accepts, imported when a value is given.

    ``shows_value``: the module's refusals do not repeat the text.
    """

    def __init__(self, name: str, module: str, *, shows_value: bool = False) -> None:
        self.name, self._module, self._shows_value = name, module, shows_value

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text unchanged; raise a usage error that shows the syntax for invalid text."""
        try:
            import_module(f"rendertrust.{self._module}").parse(value)
        except ValueError as refused:
            self.fail(f"{value!r} {refused}" if self._shows_value else str(refused), param, ctx)
        return value


class TilesParam(click.ParamType[str]):
    """Tiles of a frame as COLUMNSxROWS."""

    name = "tiles"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text unchanged; raise a usage error that shows the syntax for invalid text."""
        columns, _, rows = value.partition("x")
        sides = [side for side in (columns, rows) if side.isascii() and side.isdecimal()]
        if len(sides) != 2 or not all(1 <= int(side) <= 99 for side in sides):
            self.fail(f"{value!r} is not COLUMNSxROWS; write tiles like 2x2", param, ctx)
        return value


class TimeParam(click.ParamType[datetime]):
    """A time in ISO 8601, in UTC unless the time has an offset."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the time in UTC; raise a usage error that shows the syntax for invalid text."""
        try:
            time = datetime.fromisoformat(value)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time; write a time like 2027-01-31T18:00Z", param, ctx)


TIME: Final = TimeParam()
RATE: Final = ParsedParam("rate", "frame_rate")
FRAMES: Final = ParsedParam("frames", "frame_range")
CREDITS: Final = ParsedParam("credits", "money", shows_value=True)
TILES: Final = TilesParam()


def require_tiles(findings: "Iterable[Finding | SceneFinding]", what: str) -> None:
    """End the command if the scene cannot be rendered in tiles.

    ``what`` ends the message, like ``nothing was sent``.
    """
    reason = next((one.setting for one in findings if one.code == "no_tiles"), None)
    if reason is None:
        return
    detail = f"The scene cannot be rendered in tiles ({value_text.harmless(reason)}); {what}"
    hint = "Leave out --tiles to render whole frames."
    raise CommandExit(Exit(exit_codes.FAILURE, "no_tiles", detail, hint))
