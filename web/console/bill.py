"""A job's bill, line by line: held, charged, refunded."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, Literal

import attrs

from sql.jobs import ConsoleEntry, ConsoleHold

WORDS: Final = {"USAGE": "Charged", "REFUND": "Refunded"}


@attrs.frozen
class MoneyLine:
    """A line of a bill. ``amount`` is in 1/10,000 credit, and negative for a charge.

    ``of``: the hold or entry that the line is about.
    """

    what: str
    amount: int
    at: datetime | None
    of: ConsoleHold | ConsoleEntry
    note: str = ""

    @property
    def entry(self) -> ConsoleEntry | None:
        """Return the entry in the ledger; None for a hold."""
        return self.of if isinstance(self.of, ConsoleEntry) else None


@attrs.frozen
class Bill:
    """A job's bill: its lines, and their total: what is held, or was charged less refunds."""

    state: Literal["held", "charged", "released", "free"]
    amount: int
    lines: Sequence[MoneyLine]


def bill_of(holds: Sequence[ConsoleHold], entries: Sequence[ConsoleEntry]) -> Bill:
    """Return the bill with all lines, in chronological order."""
    lines = sorted(_lines(holds, entries), key=lambda line: (line.at is None, line.at))
    paid = -sum(entry.amount for entry in entries if entry.kind in WORDS)
    if any(hold.state == "OPEN" for hold in holds):
        return Bill("held", sum(hold.amount for hold in holds if hold.state == "OPEN"), lines)
    if any(entry.kind == "USAGE" for entry in entries):
        return Bill("charged", paid, lines)
    return Bill("released" if holds else "free", 0, lines)


def state_of(hold: ConsoleHold) -> str:
    """Return what became of a hold."""
    if hold.state == "OPEN":
        return "held, not charged"
    if not hold.settled:
        return "released"
    return "charged" if hold.settled == hold.amount else "partly charged"


def _lines(holds: Sequence[ConsoleHold], entries: Sequence[ConsoleEntry]) -> Iterator[MoneyLine]:
    for hold in holds:
        yield MoneyLine("Held", hold.amount, hold.created_at, hold, state_of(hold))
        rest = hold.amount - hold.settled
        if hold.state != "OPEN" and rest:
            yield MoneyLine("Released", rest, hold.closed_at, hold, "available again")
    for entry in entries:
        what = WORDS.get(entry.kind, entry.kind.capitalize())
        yield MoneyLine(what, entry.amount, entry.created_at, entry, entry.description)
