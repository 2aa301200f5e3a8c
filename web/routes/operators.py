"""Earnings of operators, unit by unit, and payouts to credits or money."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

import attrs
from msgspec import Meta

from actors.ledger.effects import PayoutTake
from actors.ledger.messages import (
    Commit,
    GuardFailed,
    GuardReason,
    IdempotencyKey,
    KeyConflict,
    Replayed,
)
from actors.ports import ObjectInfo
from rendertrust import money
from rendertrust.api.earnings import (
    Earnings,
    EarningSum,
    EarningSums,
    EarningTotals,
    Payout,
    Payouts,
    Share,
    UnpaidResult,
    UnpaidResults,
)
from rendertrust.api.jobs import ResultUrl
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.relay_frames import SHEET_BYTES_MAX
from sql.earning_figures import DeviceSum
from sql.earning_figures import EarningSum as RowSum
from sql.earning_figures import UnpaidResult as UnpaidRow
from sql.operator_accounts import EarningTotals as RowTotals
from sql.operator_accounts import PayoutShown, ShareRow
from sql.payout_rules import least_units
from web.gateway import Gateway
from web.http.idempotency import OTHER_REQUEST, REPLAYED, key_of
from web.http.operations import Answer, Call, Operations, Scope
from web.http.pagination import NOT_THERE, Cursor, next_of, span_of
from web.http.problem import Problem
from web.http.responses import from_row
from web.identity.verified_address import address_refusal
from web.jobs.job_control import UNIT_NOT_FOUND
from web.jobs.job_view import URL_SECONDS
from web.money.ledger_client import commit
from web.money.periods import Day, period_of
from web.money.unpaid_reason import has_comparison, unpaid_code, why_unpaid
from web.openapi.examples import earnings as examples
from web.openapi.examples import jobs
from web.routes.admin import factor_refusal
from web.routes.disputes import UnitOfJob
from web.routes.units import NUMBER_MAX

operations = Operations()
FINED: Final = "a fine: another result of this operator's nodes was invalid"
ShareState = Literal["pending", "payable", "paid", "reversed", "forfeited"]
ShareWork = Literal["render", "check"]
PayoutState = Literal["requested", "approved", "paid", "rejected"]
PayoutTo = Literal["credits", "money"]
NOTHING = Problem(
    409,
    "Nothing is payable yet",
    code=RefusalCode.NOTHING_PAYABLE,
)

NO_COMPARISON: Final = Problem(
    404,
    "There is no comparison picture: it has expired, or its verifier could not draw it",
    code=RefusalCode.PICTURE_NOT_FOUND,
)
NO_MONEY: Final = Problem(
    404,
    "This farm pays out no money: take your earnings as credits",
    code=RefusalCode.PAYMENTS_OFF,
)


@attrs.frozen
class ShareQuery(Cursor):
    state: ShareState | None = None


@attrs.frozen
class EarningSumsQuery:
    """Query. ``from`` and ``to``: the first and the last day, in UTC; by default the last 30
    days.
    """

    by: Literal["day", "node", "device"] = "day"
    from_: Day = ""
    to: Day = ""


@attrs.frozen
class UnpaidQuery:
    """Query. ``from`` and ``to``: the first and the last day, in UTC; by default the last 30
    days. ``node``: only the results of this node.
    """

    from_: Day = ""
    to: Day = ""
    node: UUID | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50


@attrs.frozen
class AttemptQuery:
    """Query. ``attempt``: by default the newest one that has a picture."""

    attempt: Annotated[int, Meta(ge=1, le=NUMBER_MAX)] | None = None


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
    "/api/v1/operators/me/earnings/sums",
    scope=Scope.CREDITS_READ,
    example=examples.EARNING_SUMS,
)
async def earning_sums(call: Call[None, EarningSumsQuery]) -> EarningSums | Problem:
    """Get what your nodes earned in a period of at most 366 days, by day, node or device."""
    query = call.query
    period = period_of(query.from_, query.to, call.gateway.ports.clock.now().date())
    if isinstance(period, Problem):
        return period
    kept = call.gateway.tables.earning_figures
    found = await kept.sums(call.caller, period.first, period.last)
    rows = found.days if query.by == "day" else found.nodes
    sums = tuple(map(sum_shown, rows))
    if query.by == "device":
        devices = await kept.devices(call.caller, period.first, period.last)
        sums = tuple(map(device_shown, devices))
    return EarningSums(
        first=str(period.first),
        last=str(period.last),
        by=query.by,
        sums=sums,
        nodes=found.total.nodes,
        total=sum_shown(found.total),
    )


@operations.get(
    "/api/v1/operators/me/earnings/unpaid",
    scope=Scope.CREDITS_READ,
    example=examples.UNPAID_RESULTS,
)
async def unpaid(call: Call[None, UnpaidQuery]) -> UnpaidResults | Problem:
    """List results of your nodes that were not paid, newest first, and why.

    The period has at most 366 days.
    """
    query, gateway = call.query, call.gateway
    period = period_of(query.from_, query.to, gateway.ports.clock.now().date())
    if isinstance(period, Problem):
        return period
    share_now = gateway.settings.earnings.share_percent
    wanted = call.caller, period.first, period.last, query.limit + 1, share_now
    rows = await gateway.tables.earning_figures.unpaid(*wanted, node=query.node)
    return UnpaidResults(
        first=str(period.first),
        last=str(period.last),
        results=tuple(map(unpaid_shown, rows[: query.limit])),
        has_more=len(rows) > query.limit,
    )


@operations.get(
    "/api/v1/jobs/{job_id}/units/{unit}/check/picture",
    scope=Scope.CREDITS_READ,
    words=UnitOfJob,
    refusals={404: "No such result of your nodes, or no verifier made a picture of it"},
    absent=UNIT_NOT_FOUND,
    example=jobs.RESULT,
)
async def comparison(call: Call[None, AttemptQuery]) -> ResultUrl | Problem:
    """Get the download address of the comparison picture of an invalid result of your node.

    The PNG shows the delivered frame, the verifier's own render, and their difference. It exists if
    a verifier has rendered the whole frame, and is kept as long as the result.
    """
    job, unit = call.ids["job_id"], int(call.words["unit"])
    found = await sheet_of(call.gateway, call.caller, job, unit, call.query.attempt)
    if found is None:
        return NO_COMPARISON
    url = await call.gateway.ports.objects.presign_get(
        found.key, within=URL_SECONDS, base=call.base
    )
    sha256 = None if found.sha256 is None else found.sha256.hex()
    return ResultUrl(str(job), url, URL_SECONDS, found.size, sha256)


async def sheet_of(
    gateway: Gateway, operator: UUID, job: UUID, unit: int, attempt: int | None
) -> ObjectInfo | None:
    """Return the comparison sheet of an invalid result of the operator's nodes, if there is one.

    ``attempt``: None means the newest attempt. Raises ObjectsUnavailable.
    """
    figures = gateway.tables.earning_figures
    key = await figures.comparison_key(operator, job, unit, attempt)
    found = None if key is None else await gateway.ports.objects.head(key)
    return None if found is None or found.size > SHEET_BYTES_MAX else found


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
    refusals={
        403: "The second factor was not given in the last ten minutes, or your address is not"
        " verified",
        404: "Payout of money from a farm that takes no payments",
        409: "Nothing is payable, or less than the minimum",
    },
    idempotency=True,
    request_example=examples.NEW_PAYOUT,
    example=examples.PAYOUT,
)
async def pay_out(call: Call[NewPayout]) -> Answer | Problem:
    """Pay out everything payable: as credits at once (200), or as money on request (202).

    A payout includes at most the 5,000 oldest earnings; repeat the request for more. Credits can
    be spent at once: if you have a second factor, you must have given it in this session in the
    last ten minutes. API keys need none.
    """
    refused = await spending_refusal(call) if call.body.to == "credits" else None
    if refused is not None:
        return refused
    key = key_of(call)
    if isinstance(key, Problem):
        return key
    return await paid_out(call.gateway, call.caller, call.body.to, key)


async def paid_out(
    gateway: Gateway, operator: UUID, to: PayoutTo, key: tuple[str, bytes] | None = None
) -> Answer | Problem:
    """Pay out what is payable to an operator. Raises AskFailed, Unavailable."""
    refused = await money_refusal(gateway, operator) if to == "money" else None
    if refused is not None:
        return refused
    payout = gateway.ports.random.uuid()
    kind: Literal["CREDITS", "MONEY"] = "CREDITS" if to == "credits" else "MONEY"
    least = 0 if kind == "CREDITS" else await least_money(gateway, operator)
    kept = None if key is None else _kept(operator, key, payout)
    effect = PayoutTake(payout, operator, kind, least)
    outcome = await commit(gateway, Commit(effects=(effect,), idempotency=kept))
    if isinstance(outcome, KeyConflict):
        return OTHER_REQUEST
    if isinstance(outcome, GuardFailed):
        is_low = outcome.found is GuardReason.BELOW_MINIMUM
        return below_minimum(least) if is_low else NOTHING
    again = isinstance(outcome, Replayed) and outcome.answer is not None
    if isinstance(outcome, Replayed) and outcome.answer is not None:
        payout = UUID(outcome.answer["payout"])
    [row] = await gateway.tables.operators.payouts_by_id([payout])
    return begun(row, again=again)


async def spending_refusal(call: Call[Any, Any]) -> Problem | None:
    """Refuse a session that could spend earnings as credits without a recent second factor; API
    keys were made with one.
    """
    is_key = call.claims is not None and call.claims.scopes is not None
    return None if is_key else await factor_refusal(call)


async def money_refusal(gateway: Gateway, operator: UUID) -> Problem | None:
    """Return why an operator cannot be paid out in money; None if they can."""
    if not gateway.settings.takes_payments:
        return NO_MONEY
    return await address_refusal(gateway, operator)


async def least_money(gateway: Gateway, operator: UUID) -> int:
    """Return what a payout of money to an operator has at least, in units of money."""
    rule = attrs.evolve(await gateway.tables.payout_rules.of(operator), kind="MONEY")
    return rule.least(least_units(gateway.settings.earnings.payout_minimum))


def below_minimum(least: int) -> Problem:
    """Return the refusal of a payout that has less than its minimum."""
    return Problem(
        409,
        f"Less than {money.credit_count(least)} is payable, which a payout has at least",
        code=RefusalCode.PAYOUT_BELOW_MINIMUM,
    )


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


def sum_shown(row: RowSum) -> EarningSum:
    """Return the sum as the API shows it."""
    return from_row(
        EarningSum,
        row,
        day=None if row.day is None else str(row.day),
        node_name=row.node,
        seconds=round(row.seconds, 3),
        per_hour=None if row.per_hour is None else money.render(row.per_hour),
        device_class=None,
        speed=None,
    )


def device_shown(row: DeviceSum) -> EarningSum:
    """Return the sum of a kind of device as the API shows it."""
    per_hour, speed = row.per_hour, row.speed
    return EarningSum(
        day=None,
        node_id=None,
        node_name=None,
        earned=money.render(row.earned),
        lost=money.render(row.lost),
        units=row.units,
        frames=row.frames,
        seconds=round(row.seconds, 3),
        per_hour=None if per_hour is None else money.render(per_hour),
        device_class=row.device_class,
        speed=None if speed is None else round(speed, 3),
    )


def unpaid_shown(row: UnpaidRow) -> UnpaidResult:
    """Return the result as the API shows it."""
    unit = f"/api/v1/jobs/{row.job_id}/units/{row.unit}"
    drawn = f"{unit}/check/picture?attempt={row.attempt}"
    return from_row(
        UnpaidResult,
        row,
        node_name=row.node,
        reason=unpaid_code(row),
        why=why_unpaid(row),
        dispute_id=None if row.dispute is None else str(row.dispute),
        picture_path=f"{unit}/dispute/picture" if row.has_picture else None,
        comparison_path=drawn if has_comparison(row) else None,
    )


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
