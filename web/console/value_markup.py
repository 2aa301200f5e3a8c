"""Markup and texts of values on pages: numbers, times, money and ids."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from markupsafe import Markup, escape

from rendertrust import money

MINUTE, HOUR, DAY = 60, 3600, 86400
SCALES: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s"))
SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB")
NOTHING, MINUS = "\u2013", "\u2212"  # typographic dashes
TURNING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
SHORT: Final = 8  # characters of an id, enough to distinguish the ids of one page


def credits_(units: int | None) -> Markup:
    """Return an amount of money with its unit: ``12.5000 cr``."""
    if units is None:
        return Markup('<span class="none">{}</span>').format(NOTHING)
    text = money.render(units)
    whole, _, fraction = text.partition(".")
    return Markup(
        '<span class="money">{}<span class="fine">.{}</span> <span class="unit">cr</span></span>'
    ).format(grouped(whole), fraction)


def amount(units: int) -> str:
    """Return an amount as people type it: ``35``, ``10.5``."""
    whole, _, fraction = money.render(units).partition(".")
    return f"{whole}.{fraction}".rstrip("0").rstrip(".")


def grouped(whole: str) -> str:
    """Return digits grouped in threes by narrow spaces."""
    sign, digits = (MINUS, whole[1:]) if whole.startswith("-") else ("", whole)
    return sign + f"{int(digits):,}".replace(",", "\u202f")


def count(number: int | float | None) -> str:
    """Return a count, grouped in threes."""
    return NOTHING if number is None else grouped(str(round(number)))


def decimal(number: float | None, digits: int = 1) -> str:
    """Return a measured number with ``digits`` decimals, grouped in threes."""
    return NOTHING if number is None else f"{number:,.{digits}f}".replace(",", "\u202f")


def when(at: datetime | None) -> Markup:
    """Return a time as text; scripts turn it into ``3 min ago`` and keep the text as its title."""
    if at is None:
        return Markup('<span class="none">never</span>')
    at = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S} UTC", f"{at:%Y-%m-%d %H:%M} UTC"
    )


def span(seconds: float | None) -> str:
    """Return a duration: ``850 ms``, ``42 s``, ``3 min 5 s``, ``2 d 4 h``."""
    if seconds is None:
        return NOTHING
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < MINUTE:
        return f"{seconds:.3g} s"
    for (unit, name), (next_unit, next_name) in pairwise(SCALES):
        if seconds >= unit:
            rest = int(seconds % unit // next_unit)
            return f"{int(seconds // unit)} {name}" + (f" {rest} {next_name}" if rest else "")
    return f"{seconds:.0f} s"


def size(number: int | None) -> str:
    """Return a number of bytes with its unit: ``512 B``, ``1.5 MiB``."""
    if number is None:
        return NOTHING
    value = float(number)
    for name in SIZES[:-1]:
        if value < 1024:
            return f"{value:.0f} {name}" if name == "B" else f"{value:.1f} {name}"
        value /= 1024
    return f"{value:.1f} {SIZES[-1]}"


def short(identifier: UUID | str) -> Markup:
    """Return the beginning of an id, with the whole id as its title."""
    whole = str(identifier)
    return Markup('<code title="{}">{}</code>').format(whole, whole[:SHORT])


def address(path: str, params: Mapping[str, str], **changed: object) -> str:
    """Return an address with some parameters changed; None removes a parameter."""
    kept = {**params, **{name: str(value) for name, value in changed.items()}}
    kept = {k: v for k, v in kept.items() if changed.get(k, v) is not None and v != ""}
    return f"{path}?{urlencode(kept)}" if kept else path


def isolated(text: object) -> Markup:
    """Return foreign text, isolated so that its direction does not affect the surrounding text."""
    return Markup("<bdi>{}</bdi>").format(escape(marked(text)))


def marked(value: object) -> object:
    """Return text with a mark for each invisible character that changes text direction.

    With such characters a name could imitate another.
    """
    if not isinstance(value, str) or TURNING.search(value) is None:
        return value
    kind = type(value) if isinstance(value, Markup) else str  # the marks contain nothing to escape
    return kind(TURNING.sub(lambda found: f"\u2039U+{ord(found[0]):04X}\u203a", str(value)))
