"""Credits of a user: balance, holds, history, usage, and deductions."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import attrs
from msgspec import Meta

from actors.ledger.effects import Transfer
from actors.ledger.messages import (
    Booked,
    Commit,
    ExistsWithOtherAmount,
    IdempotencyKey,
    InsufficientCredits,
    KeyConflict,
    Outcome,
    Posted,
    Replayed,
)
from rendertrust import money
from rendertrust.api.credits import Balance, DayOfUsage, Entry, History, Hold, Holds, Usage
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.value_types import Amount
from sql.account_names import ADJUSTMENTS, user_account
from sql.credits import AccountEntryRow, OpenHoldRow, UsageRow
from sql.page import Page
from web.http.idempotency import OTHER_REQUEST, REPLAYED, key_of
from web.http.operations import Answer, Call, Operations, Scope
from web.http.pagination import NOT_THERE, Cursor, Window, next_of, span_of
from web.http.problem import Problem
from web.http.responses import from_row
from web.money.ledger_client import commit, insufficient
from web.openapi.examples import reference as examples

operations = Operations()
DEDUCTION = "DEDUCTION"
# The API's ``source`` of an entry, where it differs from the kind of the transfer.
_SOURCES = {DEDUCTION: "ADJUSTMENT", "PAYOUT": "ADJUSTMENT"}
OTHER_AMOUNT = Problem(
    409, "The reference_id was used for another amount", code=RefusalCode.REFERENCE_USED
)


@attrs.frozen
class Deduction:
    """An amount to deduct, once per ``reference_id``."""

    amount: Amount
    reference_id: Annotated[str, Meta(min_length=1, max_length=255)]
    description: Annotated[str, Meta(max_length=500)] = ""


@attrs.frozen
class Days:
    days: Annotated[int, Meta(ge=1, le=366)] = 30


@operations.get(
    "/api/v1/credits/balance",
    scope=Scope.CREDITS_READ,
    example=examples.BALANCE,
)
async def balance(call: Call) -> Balance:
    """Get your balance."""
    found = await call.gateway.tables.credits.balance(call.caller)
    return Balance(
        balance=money.render(found.balance),
        user_id=str(call.caller),
        held=money.render(found.held),
        available=money.render(found.balance - found.held),
    )


@operations.get(
    "/api/v1/credits/history",
    scope=Scope.CREDITS_READ,
    example=examples.HISTORY,
)
async def history(call: Call[None, Cursor]) -> History | Problem:
    """List the entries of your account, newest first."""
    page, kept = call.query, call.gateway.tables.credits
    rows = await kept.page(call.caller, span_of(page))
    if rows is None:
        return NOT_THERE
    entries = tuple(map(shown, rows[: page.limit]))
    return History(entries, await kept.count(call.caller), next_of(rows, page.limit))


@operations.post(
    "/api/v1/credits/deduct",
    scope=Scope.CREDITS_WRITE,
    answers={200: Entry},
    refusals={402: "Insufficient credits", 409: "The reference_id was used for another amount"},
    idempotency=True,
    request_example=examples.DEDUCTION,
    example=examples.DEDUCTED,
)
async def deduct(call: Call[Deduction]) -> Answer | Problem:
    """Deduct an amount from your credits, once per ``reference_id``."""
    key = key_of(call)
    if isinstance(key, Problem):
        return key
    account, body = user_account(call.caller), call.body
    transfer = Transfer(
        debit=account,
        credit=ADJUSTMENTS,
        subject=account,
        amount=money.parse(body.amount),
        kind=DEDUCTION,
        reference=body.reference_id,
        description=body.description,
    )
    kept = None if key is None else _kept(call.caller, key, body.reference_id)
    return moved(await commit(call.gateway, Commit((transfer,), idempotency=kept)), OTHER_AMOUNT)


@operations.get(
    "/api/v1/credits/holds",
    scope=Scope.CREDITS_READ,
    example=examples.HOLDS,
)
async def holds(call: Call[None, Window]) -> Holds:
    """List the open holds on your credits, newest first."""
    window, kept = call.query, call.gateway.tables.credits
    rows = await kept.holds(call.caller, Page(window.limit, window.offset))
    held = (await kept.balance(call.caller)).held
    count = await kept.holds_count(call.caller)
    return Holds(tuple(map(_hold, rows)), count, money.render(held))


@operations.get(
    "/api/v1/credits/usage",
    scope=Scope.CREDITS_READ,
    example=examples.USAGE,
)
async def usage(call: Call[None, Days]) -> Usage:
    """List your charges for jobs, day by day."""
    today = call.gateway.ports.clock.now().date()
    first = today - timedelta(days=call.query.days - 1)
    return _usage(await call.gateway.tables.credits.usage(call.caller, first, today))


def moved(outcome: Outcome, otherwise: Problem) -> Answer | Problem:
    """Return the entry of a transfer as the API shows it.

    ``otherwise``: the answer if another amount was moved under the same reference.
    """
    if isinstance(outcome, Posted | Replayed) and outcome.entries:
        again = isinstance(outcome, Replayed) and outcome.answer is not None
        return Answer(200, booked(outcome.entries[0]), REPLAYED if again else {})
    if isinstance(outcome, InsufficientCredits):
        return insufficient(outcome)
    if isinstance(outcome, KeyConflict):
        return OTHER_REQUEST
    assert isinstance(outcome, ExistsWithOtherAmount), outcome
    return otherwise


def source_of(kind: str) -> str:
    """Return the API's ``source`` of an entry."""
    return _SOURCES.get(kind, kind)


def shown(row: AccountEntryRow) -> Entry:
    return Entry(
        id=str(row.id),
        entry_id=row.entry_id,
        amount=money.render(abs(row.amount)),
        direction="CREDIT" if row.amount > 0 else "DEBIT",
        source=source_of(row.kind),
        reference_id=row.reference,
        balance_after=money.render(row.after),
        description=row.description,
        created_at=row.created_at,
    )


def booked(entry: Booked) -> Entry:
    return shown(
        AccountEntryRow(
            id=entry.id,
            entry_id=entry.entry_id,
            amount=entry.amount,
            kind=entry.kind,
            reference=entry.reference,
            after=entry.balance_after,
            description=entry.description,
            created_at=entry.created_at,
        )
    )


def _kept(user: UUID, key: tuple[str, bytes], reference: str) -> IdempotencyKey:
    """Return the idempotency key.

    The stored answer names only the deduction's reference, by which the entry is found; entries
    never change.
    """
    return IdempotencyKey(user, *key, answer={"status": 200, "deduction": reference})


def _hold(row: OpenHoldRow) -> Hold:
    return from_row(Hold, row, reference_id=row.reference)


def _usage(rows: Sequence[UsageRow]) -> Usage:
    days = (from_row(DayOfUsage, row) for row in rows)
    return Usage(tuple(days), money.render(sum(row.charged for row in rows)))
