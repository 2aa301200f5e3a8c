"""Payouts of money, for admins: approve in batches, export, mark as paid, reject."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import attrs
from aiohttp import web
from msgspec import Meta

from actors.ledger.effects import PayoutApprove, PayoutPay, PayoutReject
from actors.ledger.messages import (
    Commit,
    GuardFailed,
    GuardReason,
    IdempotencyKey,
    KeyConflict,
    Posted,
    Replayed,
    RowState,
)
from rendertrust import money
from rendertrust.api.earnings import Payout, PayoutAccount
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.value_types import Credits, Id
from sql.operator_accounts import PayoutShown
from web.gateway import Gateway
from web.http import spreadsheet
from web.http.idempotency import OTHER_REQUEST, REPLAYED, key_of
from web.http.operations import TOKEN_REFUSED, Answer, Audience, Call, Operations
from web.http.pagination import NOT_THERE, Cursor, next_of, span_of
from web.http.problem import Fault, Problem, invalid
from web.http.responses import from_row
from web.identity.acting_user import ActingUser
from web.identity.roles import UserRole
from web.money.ledger_client import commit
from web.money.payout_accounts import accounts_of, masked
from web.openapi.examples import earnings as examples
from web.routes.admin import Reason, doer_of, factor_refusal
from web.routes.operators import PayoutState

operations = Operations(audience=Audience.ADMIN)
PAYOUT_NOT_FOUND: Final = Problem(404, "Payout not found", code=RefusalCode.PAYOUT_NOT_FOUND)
BATCH_NOT_FOUND: Final = Problem(404, "Batch not found", code=RefusalCode.BATCH_NOT_FOUND)
NAMED_MOST: Final = 3  # operators that a refusal names
SENDING_SECONDS: Final = 1.2  # of a request's two seconds; large batches need several requests
OWN: Final = Problem(
    409, "You cannot approve your own payout: ask another admin", code=RefusalCode.OWN_MATTER
)
ON_THE_WAY: Final = Problem(
    409,
    "The payout is approved and its money may be on the way. If it was not sent, or came "
    "back, set not_paid",
    code=RefusalCode.PAYOUT_APPROVED,
)
ALL_REJECTED: Final = Problem(
    409,
    "All payouts of the batch were rejected: there is nothing to send",
    code=RefusalCode.BATCH_REJECTED,
)
COLUMNS: Final = (
    *("payout_id", "operator_id", "email", "name", "amount", "units"),
    *("state", "requested_at", "reference"),
    *("method", "account", "currency", "account_changed_at"),
)


@attrs.frozen
class PayoutQuery(Cursor):
    state: PayoutState | None = None


@attrs.frozen
class OperatorsPayout(Payout):
    """A payout and its operator.

    ``account``: where the operator has money sent, now; null if they have not said so. Auditors see
    only the end of it.
    """

    operator_id: UUID
    email: str
    name: str
    account: PayoutAccount | None


@attrs.frozen
class OperatorsPayouts:
    """A page of payouts. ``count`` is the number of matching payouts, ``next`` the ``after`` of the
    next page.
    """

    payouts: list[OperatorsPayout]
    count: int
    next: Id | None


@attrs.frozen
class Approval:
    """Payouts to approve, all or none, and the reason."""

    payouts: Annotated[list[UUID], Meta(min_length=1, max_length=100)]
    reason: Reason


@attrs.frozen
class Sent:
    """The ``reference`` of the bank or payment provider."""

    reference: Annotated[str, Meta(min_length=1, max_length=255)]
    reason: Reason


@attrs.frozen
class Rejection:
    """A rejection. ``not_paid``: the payout was approved, but the money was not sent or came
    back.
    """

    reason: Reason
    not_paid: bool = False


@attrs.frozen
class Batch:
    """Payouts that were approved together. ``left``: how many are neither paid nor rejected."""

    batch_id: UUID
    amount: Credits
    left: int
    payouts: list[OperatorsPayout]


@attrs.frozen
class BatchQuery:
    format: Literal["json", "csv"] | None = None


@operations.get(
    "/api/v1/admin/payouts",
    example=examples.OPERATORS_PAYOUTS,
)
async def index(call: Call[None, PayoutQuery]) -> OperatorsPayouts | Problem:
    """List the payouts of all users, newest first."""
    page, kept = call.query, call.gateway.tables.operators
    state = None if page.state is None else page.state.upper()
    rows = await kept.payouts(None, state, span_of(page))
    if rows is None:
        return NOT_THERE
    count = await kept.payouts_count(None, state)
    payouts = await with_accounts(call.gateway, rows[: page.limit], whole=may_pay(call))
    return OperatorsPayouts(payouts, count, next_of(rows, page.limit))


@operations.post(
    "/api/v1/admin/payouts/approve",
    answers={200: Batch},
    refusals={
        403: "The second factor was not given in the last ten minutes",
        404: PAYOUT_NOT_FOUND.detail,
        409: "A payout is not waiting for approval, is your own, or its operator has no account"
        " that can be used",
    },
    idempotency=True,
    request_example=examples.APPROVAL,
    example=examples.BATCH,
)
async def approve(call: Call[Approval]) -> Answer | Problem:
    """Approve payouts of money as one batch, to be exported, sent and marked as paid.

    Their operators need payout accounts whose 72 hours are over.

    If you have a second factor, you must have given it in this session in the last ten minutes.
    """
    refused = await factor_refusal(call)
    if refused is not None:
        return refused
    key = key_of(call)
    if isinstance(key, Problem):
        return key
    ids = tuple(dict.fromkeys(call.body.payouts))
    if len(ids) != len(call.body.payouts):
        return invalid([Fault("payouts", "duplicate", "must name each payout once")])
    done = await approved(doer_of(call), ids, call.body.reason, key)
    if isinstance(done, Problem):
        return done
    rows = await call.gateway.tables.operators.payouts_by_id(batches=[done.batch])
    answer = await batch_of(call.gateway, done.batch, rows, whole=True)
    return Answer(200, answer, REPLAYED if done.again else {})


@attrs.frozen
class ApprovedBatch:
    """A batch of approved payouts; ``again``: the request was a repetition."""

    batch: UUID
    again: bool = False


async def approved(
    doer: ActingUser,
    ids: Sequence[UUID],
    reason: str,
    key: tuple[str, bytes] | None = None,
) -> ApprovedBatch | Problem:
    """Approve payouts as one batch, all or none. Raises AskFailed, Unavailable."""
    gateway = doer.gateway
    rows = await gateway.tables.operators.payouts_by_id(ids)
    if len(rows) != len(ids):
        return PAYOUT_NOT_FOUND
    if any(row.operator_id == doer.user for row in rows):
        return OWN
    lack = account_lack(rows, await accounts_of(gateway, [row.operator_id for row in rows]))
    if lack is not None:
        return Problem(409, lack, code=RefusalCode.PAYOUT_ACCOUNT_UNUSABLE)
    batch = gateway.ports.random.uuid()
    details = {"payouts": [str(id_) for id_ in ids], "amount": summed(rows)}
    act = await doer.act("payout.approve", f"batch:{batch}", reason, details)
    if act is None:
        return TOKEN_REFUSED
    effects = tuple(PayoutApprove(id_, batch) for id_ in ids)
    kept = None
    if key is not None:
        answer = {"status": 200, "batch": str(batch)}
        kept = IdempotencyKey(doer.user, *key, answer=answer)
    outcome = await commit(gateway, Commit(effects=effects, idempotency=kept, act=act))
    if isinstance(outcome, KeyConflict):
        return OTHER_REQUEST
    if isinstance(outcome, GuardFailed):
        return _not_that(outcome)
    if isinstance(outcome, Replayed) and outcome.answer is not None:
        return ApprovedBatch(UUID(outcome.answer["batch"]), again=True)
    return ApprovedBatch(batch)


@operations.post(
    "/api/v1/admin/payouts/{payout_id}/reject",
    refusals={409: "The payout was paid, or is approved and may be on the way"},
    absent=PAYOUT_NOT_FOUND,
    request_example=examples.REJECTION,
    example=examples.REJECTED_PAYOUT,
)
async def reject(call: Call[Rejection]) -> OperatorsPayout | Problem:
    """Reject a payout: its money is not sent, and its earnings are payable again.

    For an approved payout, which may already have been sent, ``not_paid`` confirms that the money
    was not paid.
    """
    body = call.body
    row = await rejected(doer_of(call), call.ids["payout_id"], body.reason, not_paid=body.not_paid)
    if isinstance(row, Problem):
        return row
    [payout] = await with_accounts(call.gateway, [row], whole=True)
    return payout


async def rejected(
    doer: ActingUser, id_: UUID, reason: str, *, not_paid: bool
) -> PayoutShown | Problem:
    """Reject a payout. Raises AskFailed, Unavailable."""
    details = {"not_paid": True} if not_paid else {}
    act = await doer.act("payout.reject", f"payout:{id_}", reason, details)
    if act is None:
        return TOKEN_REFUSED
    effects = (PayoutReject(id_, not_paid),)
    outcome = await commit(doer.gateway, Commit(effects=effects, act=act))
    if isinstance(outcome, GuardFailed) and outcome.found is RowState.APPROVED:
        return ON_THE_WAY
    if isinstance(outcome, GuardFailed):
        return _not_that(outcome)
    [row] = await doer.gateway.tables.operators.payouts_by_id([id_])
    return row


@operations.get(
    "/api/v1/admin/batches/{batch_id}",
    absent=BATCH_NOT_FOUND,
    also=(spreadsheet.MEDIA,),
    example=examples.BATCH,
)
async def batch(call: Call[None, BatchQuery]) -> Batch | Problem | web.Response:
    """Get a batch of approved payouts; as CSV (``format=csv``, or by Accept) for the bank.

    Auditors get only the ends of the accounts. Others who have a second factor must have given it
    in this session in the last ten minutes to get the CSV.
    """
    id_, whole = call.ids["batch_id"], may_pay(call)
    is_file = spreadsheet.wants_csv(call, call.query.format)
    refused = await factor_refusal(call) if is_file and whole else None
    if refused is not None:
        return refused
    rows = await call.gateway.tables.operators.payouts_by_id(batches=[id_])
    if not rows:
        return BATCH_NOT_FOUND
    if is_file:
        return await exported(call.gateway, id_, rows, whole=whole)
    return await batch_of(call.gateway, id_, rows, whole=whole)


@operations.post(
    "/api/v1/admin/batches/{batch_id}/paid",
    refusals={409: "The batch was sent under another reference, or rejected"},
    absent=BATCH_NOT_FOUND,
    request_example=examples.SENT,
    example=examples.PAID_BATCH,
)
async def paid(call: Call[Sent]) -> Batch | Problem:
    """Mark the payouts of a batch as paid.

    Repeat the request while ``left`` is not 0; each request marks further payouts. A batch is sent
    once, with one reference.
    """
    id_, body = call.ids["batch_id"], call.body
    rows = await paid_out(doer_of(call), id_, body.reference, body.reason)
    if isinstance(rows, Problem):
        return rows
    return await batch_of(call.gateway, id_, rows, whole=True)


async def paid_out(
    doer: ActingUser, id_: UUID, reference: str, reason: str
) -> Sequence[PayoutShown] | Problem:
    """Mark payouts of a batch as paid, as many as SENDING_SECONDS allow. Raises AskFailed,
    Unavailable.
    """
    operators, clock = doer.gateway.tables.operators, doer.gateway.ports.clock
    rows = await operators.payouts_by_id(batches=[id_])
    if not rows:
        return BATCH_NOT_FOUND
    if all(row.state == "REJECTED" for row in rows):
        return ALL_REJECTED
    other = sent_under(rows, reference)
    if other is not None:
        return Problem(409, other, code=RefusalCode.BATCH_REFERENCE_DIFFERS)
    until = clock.monotonic() + SENDING_SECONDS
    for row in rows:
        if row.state != "APPROVED":
            continue
        refused = await _sent(doer, row, reference, reason)
        if refused is not None:
            return refused
        if clock.monotonic() >= until:
            break
    return await operators.payouts_by_id(batches=[id_])


async def _sent(doer: ActingUser, row: PayoutShown, reference: str, reason: str) -> Problem | None:
    """Mark one payout as paid; skip it if it was rejected at the same time.

    All requests go through a batch in one order, so the request that marks the first payout also
    marks the rest.
    """
    details = {"reference": reference, "amount": money.render(row.amount)}
    act = await doer.act("payout.pay", f"payout:{row.id}", reason, details)
    if act is None:
        return TOKEN_REFUSED
    effects = (PayoutPay(row.id, reference),)
    outcome = await commit(doer.gateway, Commit(effects=effects, act=act))
    assert isinstance(outcome, Posted | Replayed | GuardFailed), outcome
    if isinstance(outcome, GuardFailed) and outcome.found is RowState.PAID:
        rows = await doer.gateway.tables.operators.payouts_by_id([row.id])
        return Problem(
            409, sent_under(rows, reference) or "", code=RefusalCode.BATCH_REFERENCE_DIFFERS
        )
    return None


def sent_under(rows: Sequence[PayoutShown], reference: str) -> str | None:
    """Return a message if some of the payouts were sent with another reference."""
    paid = (row.reference for row in rows if row.state == "PAID")
    other = next((each for each in paid if each != reference), None)
    if other is None:
        return None
    return f"The batch was marked as paid under {other!r}: a batch is sent once"


def account_lack(rows: Sequence[PayoutShown], accounts: Mapping[UUID, PayoutAccount]) -> str | None:
    """Return why payouts that wait for approval cannot be sent: their operators have no account
    that can be used now; None if all have one.
    """
    without = [
        row.email for row in rows if row.state == "REQUESTED" and row.operator_id not in accounts
    ]
    named = list(dict.fromkeys(without))
    if not named:
        return None
    who = ", ".join(named[:NAMED_MOST]) + (" and others" if len(named) > NAMED_MOST else "")
    return (
        f"There is no payout account that can be used now of {who}: a new account can be used "
        "after 72 hours; ask them to set one, or reject the payout"
    )


def _not_that(outcome: GuardFailed) -> Problem:
    if outcome.found is GuardReason.ABSENT:
        return PAYOUT_NOT_FOUND
    return Problem(
        409,
        f"A payout that is {outcome.found.lower()} cannot be changed",
        code=RefusalCode.PAYOUT_DECIDED,
    )


def shown(row: PayoutShown, account: PayoutAccount | None) -> OperatorsPayout:
    """Return the row as admins see it."""
    words = {"to": row.kind.lower(), "state": row.state.lower()}
    return from_row(OperatorsPayout, row, account=account, **words)


def may_pay(call: Call[Any, Any]) -> bool:
    """Return True if the caller approves and sends payouts, and so needs the whole accounts."""
    return call.claims is not None and call.claims.role is UserRole.ADMIN


async def with_accounts(
    gateway: Gateway, rows: Sequence[PayoutShown], *, whole: bool
) -> list[OperatorsPayout]:
    """Return the rows as admins see them, each with its operator's account, or the end of it."""
    accounts = await accounts_shown(gateway, rows, whole=whole)
    return [shown(row, accounts.get(row.operator_id)) for row in rows]


async def accounts_shown(
    gateway: Gateway, rows: Sequence[PayoutShown], *, whole: bool
) -> Mapping[UUID, PayoutAccount]:
    """Return the accounts that payouts use now, or the ends of them, by operator."""
    found = await accounts_of(gateway, [row.operator_id for row in rows])
    return found if whole else {user: masked(account) for user, account in found.items()}


async def batch_of(
    gateway: Gateway, batch: UUID, rows: Sequence[PayoutShown], *, whole: bool
) -> Batch:
    """Return a batch as admins see it; rejected payouts are not part of its amount."""
    left = sum(row.state == "APPROVED" for row in rows)
    return Batch(batch, summed(rows), left, await with_accounts(gateway, rows, whole=whole))


def summed(rows: Sequence[PayoutShown]) -> str:
    """Return the sum of the payouts that were not rejected."""
    return money.render(sum(row.amount for row in rows if row.state != "REJECTED"))


async def exported(
    gateway: Gateway, batch: UUID, rows: Sequence[PayoutShown], *, whole: bool
) -> web.Response:
    """Return a batch as a CSV file, for the person who sends the money."""
    accounts = await accounts_shown(gateway, rows, whole=whole)
    text = spreadsheet.lines([COLUMNS, *(cells(row, accounts) for row in rows)])
    return spreadsheet.attachment(f"rendertrust-payouts-{batch}.csv", text)


def cells(row: PayoutShown, accounts: Mapping[UUID, PayoutAccount]) -> tuple[object, ...]:
    """Return the payout's line in the CSV file; without an account, its cells are empty."""
    name, email = spreadsheet.harmless(row.name), spreadsheet.harmless(row.email)
    amounts = (money.render(row.amount), row.units, row.state.lower())
    first = (row.id, row.operator_id, email, name, *amounts, utc(row.requested_at), row.reference)
    account = accounts.get(row.operator_id)
    if account is None:
        return (*first, "", "", "", "")
    texts = (spreadsheet.harmless(text) for text in (account.method, account.account))
    return (*first, *texts, account.currency.upper(), utc(account.changed_at))


def utc(at: datetime) -> str:
    """Return a time as the CSV file has it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
