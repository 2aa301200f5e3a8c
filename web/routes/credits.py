"""Credits: what there is, and how it came and went."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust import money
from sql.credits import EntryRow
from web.operations import Call, Operations, Scope

operations = Operations()


@attrs.frozen
class Balance:
    """``balance`` is booked; ``held`` of it is set aside for jobs; ``available`` is the rest."""

    balance: str
    user_id: UUID
    held: str
    available: str


@attrs.frozen
class Window:
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    offset: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0


@attrs.frozen
class Entry:
    """``amount`` is above 0, ``direction`` says which way; ``entry_id`` is the one in proofs."""

    id: UUID
    entry_id: int
    amount: str
    direction: Literal["CREDIT", "DEBIT"]
    source: str
    reference_id: str
    balance_after: str
    description: str
    created_at: datetime


@attrs.frozen
class History:
    """``count`` is how many there are, not how many are on this page."""

    entries: list[Entry]
    count: int


@operations.get(
    "/api/v1/credits/balance", scope=Scope.CREDITS_READ, rate="read", answers={200: Balance}
)
async def balance(call: Call) -> Balance:
    """What one has."""
    found = await call.gateway.credits.balance(call.caller)
    return Balance(
        balance=money.render(found.balance),
        user_id=call.caller,
        held=money.render(found.held),
        available=money.render(found.balance - found.held),
    )


@operations.get(
    "/api/v1/credits/history",
    scope=Scope.CREDITS_READ,
    query=Window,
    answers={200: History},
    rate="read",
)
async def history(call: Call[None, Window]) -> History:
    """One's entries, newest first."""
    window, kept = call.query, call.gateway.credits
    rows = await kept.page(call.caller, window.limit, window.offset)
    return History([shown(row) for row in rows], await kept.count(call.caller))


def shown(row: EntryRow) -> Entry:
    """The row as the API shows it."""
    return Entry(
        id=row.id,
        entry_id=row.entry_id,
        amount=money.render(abs(row.amount)),
        direction="CREDIT" if row.amount > 0 else "DEBIT",
        source=row.kind,
        reference_id=row.reference,
        balance_after=money.render(row.after),
        description=row.description,
        created_at=row.created_at,
    )
