"""Option types for the frames and terms of a job, checked before anything is sent."""

from collections.abc import Iterable
from datetime import UTC, datetime
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


class FrameRangeParam(click.ParamType[str]):
    """A frame range, parsed by ``rendertrust.frame_range``."""

    name = "frames"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text unchanged; raise a usage error that shows the syntax for invalid text."""
        from rendertrust.frame_range import FrameRangeError, parse

        try:
            parse(value)
        except FrameRangeError as refused:
            self.fail(str(refused), param, ctx)
        return value


class CreditsParam(click.ParamType[str]):
    """An amount above 0 with at most four decimals."""

    name = "credits"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text unchanged; raise a usage error that shows the syntax for invalid text."""
        from rendertrust.money import parse

        try:
            parse(value)
        except ValueError as refused:
            self.fail(f"{value!r} {refused}", param, ctx)
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


class FrameRateParam(click.ParamType[str]):
    """Frames per second, parsed by ``rendertrust.frame_rate``."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text unchanged; raise a usage error that shows the syntax for invalid text."""
        from rendertrust.frame_rate import FrameRateError, parse

        try:
            parse(value)
        except FrameRateError as refused:
            self.fail(str(refused), param, ctx)
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
RATE: Final = FrameRateParam()
FRAMES: Final = FrameRangeParam()
CREDITS: Final = CreditsParam()
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
