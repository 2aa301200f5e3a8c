"""Markup and texts of values on pages: numbers, times, money and ids."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from markupsafe import Markup, escape

from rendertrust import money
from rendertrust.job_words import job_words
from rendertrust.money import CreditPrice

MINUTE, HOUR, DAY = 60, 3600, 86400
SCALES: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s"))
SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB")
NOTHING, MINUS = "\u2013", "\u2212"  # typographic dashes
TURNING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
CUT_FROM: Final = 100 * money.UNITS_PER_CREDIT
HUNDREDTH: Final = money.UNITS_PER_CREDIT // 100  # of a credit
SHORT: Final = 8  # characters of an id, enough to distinguish the ids of one page


def credits_(units: int | None) -> Markup:
    """Return an amount of money with its unit: ``12.5 cr``, ``1,234.56 cr``.

    The exact amount is its title if digits are cut.
    """
    shown = None if units is None else cut(units)
    return (
        exact(units) if shown == units else _marked(shown, f"{money.format_amount(units or 0)} cr")
    )


def exact(units: int | None) -> Markup:
    """Return an amount of money with all its digits: ``1,234.5678 cr``."""
    if units is None:
        return Markup('<span class="none">{}</span>').format(NOTHING)
    return _marked(units)


def _marked(units: int | None, title: str = "") -> Markup:
    whole, _, fraction = money.plain(units or 0).partition(".")
    fine = Markup('<span class="fine">.{}</span>').format(fraction) if fraction else ""
    about = Markup(' title="{}"').format(title) if title else ""
    return Markup('<span class="money"{}>{}{} <span class="unit">cr</span></span>').format(
        about, grouped(whole), fine
    )


def cut(units: int) -> int:
    """Return an amount as pages show it: from 100 credits on without the digits after the second
    decimal.

    They are cut, so that nobody reads more than they have.
    """
    if abs(units) < CUT_FROM:
        return units
    size = abs(units) // HUNDREDTH * HUNDREDTH
    return size if units > 0 else -size


def credit_count(units: int) -> str:
    """Return an amount of money in a sentence: ``1 credit``, ``12.5 credits``."""
    return money.credit_count(cut(units)).replace("-", MINUS)


def grouped(whole: str) -> str:
    """Return a whole number with commas between its thousands, and a typographic minus."""
    return money.grouped(whole).replace("-", MINUS)


def count(number: int | float | None) -> str:
    """Return a count with commas between its thousands."""
    return NOTHING if number is None else grouped(str(round(number)))


def decimal(number: float | None, digits: int = 1) -> str:
    """Return a measured number with ``digits`` decimals and commas between its thousands."""
    return NOTHING if number is None else f"{number:,.{digits}f}"


def price(amount: int, currency: str) -> str:
    """Return a price in money: ``1,000.00 USD``."""
    return money.format_price(amount, currency)


def in_money(units: int, sold: CreditPrice) -> str:
    """Return what some credits are worth: ``≈ 1,000.00 USD``, or ``under 0.01 USD``."""
    return sold.text(units).replace("-", MINUS)


def when(at: datetime | None) -> Markup:
    """Return a time as text; scripts turn it into ``3 min ago`` and keep the text as its title."""
    if at is None:
        return Markup('<span class="none">never</span>')
    at = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S} UTC", f"{at:%Y-%m-%d %H:%M} UTC"
    )


def moment(at: datetime) -> str:
    """Return a coming time with its day: ``2026-12-07 06:00 UTC``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def clock(at: datetime) -> Markup:
    """Return a coming time as text, rounded up to a minute: ``14:32 UTC``.

    Scripts turn it into the time of the reader's zone.
    """
    at = at.astimezone(UTC)
    at += timedelta(seconds=-at.second % MINUTE, microseconds=-at.microsecond)
    return Markup('<time class="clock" datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S} UTC", f"{at:%H:%M} UTC"
    )


def span(seconds: float | None) -> str:
    """Return a duration: ``850 ms``, ``42 s``, ``3 min 5 s``, ``2 d 4 h``."""
    if seconds is None:
        return NOTHING
    if not seconds:
        return "0 s"
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


def state(status: str) -> str:
    """Return the state of a job within a sentence."""
    return job_words(status, "").lower()


def isolated(text: object) -> Markup:
    """Return foreign text, isolated so that its direction does not affect the surrounding text.

    A mark replaces text without a visible character, which would be a link that nobody sees.
    """
    if isinstance(text, str) and text and not any(map(is_visible, text)):
        return Markup("<bdi>\u2039blank\u203a</bdi>")
    return Markup("<bdi>{}</bdi>").format(escape(marked(text)))


def is_visible(character: str) -> bool:
    """Return True if a character is neither a space nor invisible."""
    return character.isprintable() and not character.isspace()


def marked(value: object) -> object:
    """Return text with a mark for each invisible character that changes text direction.

    With such characters a name could imitate another.
    """
    if not isinstance(value, str) or TURNING.search(value) is None:
        return value
    kind = type(value) if isinstance(value, Markup) else str  # the marks contain nothing to escape
    return kind(TURNING.sub(lambda found: f"\u2039U+{ord(found[0]):04X}\u203a", str(value)))
