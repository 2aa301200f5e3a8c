"""What a job cost, line by line: set aside, charged, given back."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, Literal

import attrs

from sql.job_views import DeskEntry, DeskHold

WORDS: Final = {"USAGE": "Charged", "REFUND": "Refunded"}


@attrs.frozen
class MoneyLine:
    """``amount`` is units, below 0 what was taken; a hold takes nothing, and has no entry.

    ``of`` tells of which unit it is.
    """

    what: str
    amount: int
    at: datetime | None
    of: DeskHold | DeskEntry
    note: str = ""

    @property
    def entry(self) -> DeskEntry | None:
        """Where it stands in the books; None: credits were but set aside."""
        return self.of if isinstance(self.of, DeskEntry) else None


@attrs.frozen
class Bill:
    """What it came to, whatever was refunded of it. ``state``: held, charged, released or free."""

    state: Literal["held", "charged", "released", "free"]
    amount: int
    lines: Sequence[MoneyLine]


def bill_of(holds: Sequence[DeskHold], entries: Sequence[DeskEntry]) -> Bill:
    """All of it, in the order in which it happened."""
    lines = sorted(_lines(holds, entries), key=lambda line: (line.at is None, line.at))
    paid = -sum(entry.amount for entry in entries if entry.kind == "USAGE")
    if any(hold.state == "OPEN" for hold in holds):
        return Bill("held", sum(hold.amount for hold in holds if hold.state == "OPEN"), lines)
    if any(entry.kind == "USAGE" for entry in entries):
        return Bill("charged", paid, lines)
    return Bill("released" if holds else "free", 0, lines)


def _lines(holds: Sequence[DeskHold], entries: Sequence[DeskEntry]) -> Iterator[MoneyLine]:
    for hold in holds:
        yield MoneyLine("Held", hold.amount, hold.created_at, hold, "set aside, not taken")
        rest = hold.amount - hold.settled
        if hold.state != "OPEN" and rest:
            yield MoneyLine("Released", rest, hold.closed_at, hold, "may be spent again")
    for entry in entries:
        what = WORDS.get(entry.kind, entry.kind.capitalize())
        yield MoneyLine(what, entry.amount, entry.created_at, entry, entry.description)
