"""Earnings of operators, unit by unit, and payouts to credits or money."""

from typing import Final, Literal
from uuid import UUID

import attrs

from actors.ledger.effects import PayoutTake
from actors.ledger.messages import Commit, GuardFailed, IdempotencyKey, KeyConflict, Replayed
from rendertrust.api.earnings import Earnings, EarningTotals, Payout, Payouts, Share
from sql.operator_accounts import EarningTotals as RowTotals
from sql.operator_accounts import PayoutShown, ShareRow
from web.http.idempotency import OTHER_REQUEST, REPLAYED, key_of
from web.http.operations import Answer, Call, Operations, Scope
from web.http.pagination import NOT_THERE, Cursor, next_of, span_of
from web.http.problem import Problem
from web.http.refusal_code import RefusalCode
from web.http.responses import from_row
from web.identity.verified_address import address_refusal
from web.money.ledger_client import commit
from web.openapi.examples import earnings as examples

operations = Operations()
FINED: Final = "a fine: another result of this operator's nodes was invalid"
ShareState = Literal["pending", "payable", "paid", "reversed", "forfeited"]
ShareWork = Literal["render", "check"]
PayoutState = Literal["requested", "approved", "paid", "rejected"]
PayoutTo = Literal["credits", "money"]
NOTHING = Problem(
    409,
    "Nothing is payable: GET /operators/me/earnings lists future earnings with their dates",
    code=RefusalCode.NOTHING_PAYABLE,
)


@attrs.frozen
class ShareQuery(Cursor):
    state: ShareState | None = None


@attrs.frozen
class NewPayout:
    """A new payout.

    ``credits`` are booked at once; ``money`` is sent after an admin has approved the payout.
    """

    to: PayoutTo


@operations.get(
    "/api/v1/operators/me/earnings",
    scope=Scope.CREDITS_READ,
    example=examples.EARNINGS,
)
async def earnings(call: Call[None, ShareQuery]) -> Earnings | Problem:
    """List the earnings of your nodes, unit by unit, newest first."""
    page, kept = call.query, call.gateway.tables.operators
    state = None if page.state is None else page.state.upper()
    rows = await kept.earnings(call.caller, state, span_of(page))
    if rows is None:
        return NOT_THERE
    totals, counts = await kept.totals(call.caller)
    count = sum(counts.values()) if state is None else counts.get(state, 0)
    shares = tuple(share(row) for row in rows[: page.limit])
    return Earnings(shares, count, next_of(rows, page.limit), summed(totals))


@operations.get(
    "/api/v1/operators/me/payouts",
    scope=Scope.CREDITS_READ,
    example=examples.PAYOUTS,
)
async def payouts(call: Call[None, Cursor]) -> Payouts | Problem:
    """List your payouts, newest first."""
    page, kept = call.query, call.gateway.tables.operators
    rows = await kept.payouts(call.caller, None, span_of(page))
    if rows is None:
        return NOT_THERE
    count = await kept.payouts_count(call.caller, None)
    shown_rows = tuple(shown(row) for row in rows[: page.limit])
    return Payouts(shown_rows, count, next_of(rows, page.limit))


@operations.post(
    "/api/v1/operators/me/payouts",
    scope=Scope.CREDITS_WRITE,
    answers={200: Payout, 202: Payout},
    refusals={409: "Nothing is payable"},
    idempotency=True,
    request_example=examples.NEW_PAYOUT,
    example=examples.PAYOUT,
)
async def pay_out(call: Call[NewPayout]) -> Answer | Problem:
    """Pay out everything payable: as credits at once (200), or as money on request (202).

    A payout includes at most the 5,000 oldest earnings; repeat the request for more.
    """
    key = key_of(call)
    if isinstance(key, Problem):
        return key
    payout = call.gateway.ports.random.uuid()
    kind: Literal["CREDITS", "MONEY"] = "CREDITS" if call.body.to == "credits" else "MONEY"
    if (
        kind == "MONEY"
        and (refused := await address_refusal(call.gateway, call.caller)) is not None
    ):
        return refused
    kept = None if key is None else _kept(call.caller, key, payout)
    effect = PayoutTake(payout, call.caller, kind)
    outcome = await commit(call.gateway, Commit(effects=(effect,), idempotency=kept))
    if isinstance(outcome, KeyConflict):
        return OTHER_REQUEST
    if isinstance(outcome, GuardFailed):
        return NOTHING
    again = isinstance(outcome, Replayed) and outcome.answer is not None
    if isinstance(outcome, Replayed) and outcome.answer is not None:
        payout = UUID(outcome.answer["payout"])
    [row] = await call.gateway.tables.operators.payouts_by_id([payout])
    return begun(row, again=again)


def begun(row: PayoutShown, *, again: bool) -> Answer:
    """Return the payout as it was when requested, whatever the payout's state is now."""
    if row.kind == "MONEY":
        row = attrs.evolve(row, state="REQUESTED", batch_id=None, reference="", closed_at=None)
    return Answer(200 if row.kind == "CREDITS" else 202, shown(row), REPLAYED if again else {})


def share(row: ShareRow) -> Share:
    receipt = f"/api/v1/jobs/{row.job_id}/units/{row.unit}/receipt"
    entry = row.entry_id
    return from_row(
        Share,
        row,
        state=row.state.lower(),
        work="render",
        proof_path=None if entry is None else f"/api/v1/ledger/{entry}/proof",
        receipt_path=receipt if row.has_receipt else None,
        why=why_gone(row.state, row.decision),
    )


def why_gone(state: str, decision: str | None) -> str | None:
    """Return why the operator lost an earning; None if the earning was not lost."""
    if state == "FORFEITED":
        return FINED
    if decision is None:
        return None
    return decision or "a dispute by its creator was upheld"


def summed(totals: RowTotals) -> EarningTotals:
    """Return the totals as the API shows them."""
    return from_row(EarningTotals, totals)


def shown(row: PayoutShown) -> Payout:
    """Return the row as its operator sees it."""
    return from_row(Payout, row, to=row.kind.lower(), state=row.state.lower())


def _kept(user: UUID, key: tuple[str, bytes], payout: UUID) -> IdempotencyKey:
    """Return the idempotency key.

    The stored answer has only the payout's id, from which ``begun`` makes the first answer again.
    """
    return IdempotencyKey(user, *key, answer={"status": 200, "payout": str(payout)})
