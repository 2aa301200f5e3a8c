"""Texts of values for people: short, and safe to print on a terminal."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rendertrust.frame_rate import Rate

_STEPS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))
_SIZES: Final = ("B", "kB", "MB", "GB", "TB")


def harmless(text: str) -> str:
    """Return ``text`` in one line without terminal control characters.

    A node may have written ``text``.
    """
    flat = " ".join(text.split())
    return "".join("\N{REPLACEMENT CHARACTER}" if _steers(c) else c for c in flat)


def cut(text: str, most: int) -> str:
    """Return at most so many characters of a text, with … for those that are left out."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def lines(text: str) -> str:
    """Return ``text`` with its lines, without terminal control characters."""
    return "\n".join(map(harmless, text.splitlines()))


def _steers(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")


def duration(seconds: float) -> str:
    """Return ``8 s``, ``3 min 20 s``, ``2 h 5 min`` or ``3 d 4 h``."""
    if seconds < 60:
        return f"{max(0, round(seconds))} s"
    whole = round(seconds)
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next(i for i, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def clock(seconds: float, now: datetime | None = None) -> str:
    """Return the local time in so many seconds, rounded up: ``14:32``, or ``Tue 14:32``."""
    here = (now or datetime.now(UTC)).astimezone()
    at = here + timedelta(seconds=seconds)
    at += timedelta(seconds=-at.second % 60, microseconds=-at.microsecond)
    return at.strftime("%H:%M" if at.date() == here.date() else "%a %H:%M")


def ago(time: datetime, now: datetime | None = None) -> str:
    """Return ``just now``, ``5 min ago`` or ``3 d ago``."""
    seconds = ((now or datetime.now(UTC)) - time).total_seconds()
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def stamp(time: datetime) -> str:
    """Return the time in UTC, to the second: ``2026-03-13T12:00:00Z``."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def size(count: int) -> str:
    """Return ``812 B`` or ``1.4 MB``."""
    value, step = float(count), 0
    while value >= 999.5 and step < len(_SIZES) - 1:
        value, step = value / 1000, step + 1
    return f"{count} B" if step == 0 else f"{value:.1f} {_SIZES[step]}"


def short(identifier: str | None) -> str:
    """Return the first characters of an id, enough to recognise the id; return ``-`` for None."""
    return identifier.split("-")[0] if identifier else "-"


def rate(fps: int, base: float) -> str:
    """Return ``24`` or ``23.976``."""
    return str(Rate(fps, base or 1))


def percent(progress: float | None) -> str:
    """Return ``45 %``; return ``-`` for unknown progress."""
    return "-" if progress is None else f"{int(progress * 100)} %"


def evidence(before: str, now: str, kept: Sequence[Path] = ()) -> str:
    """Return two signed checkpoints that cannot both belong to one log, as a text to print."""
    where = f", in {kept[-1]}" if kept else ""
    first = f"Both checkpoints are kept{where}: they are evidence of what the gateway signed."
    lines = ["Before:", *before.splitlines(), "Now:", *now.splitlines()]
    last = "If you know the reason: rendertrust ledger checkpoint --accept follows the new log."
    return "\n".join([first, *(harmless(line) for line in lines if line), last])
