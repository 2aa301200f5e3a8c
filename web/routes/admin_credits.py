"""Admin operations on credits: grant, adjust, refund. Each has a reason and is recorded."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

import attrs
from msgspec import Meta

from actors.ledger.messages import (
    IdempotencyKey,
)
from rendertrust import money
from rendertrust.api.credits import Entry
from rendertrust.api.refusal_code import RefusalCode
from web.http.idempotency import key_of
from web.http.operations import Answer, Audience, Call, Handler, Operations
from web.http.problem import Fault, Problem, invalid
from web.identity.acting_user import ActingUser
from web.money.credit_adjustments import (
    ADJUST,
    GRANT,
    REFUND,
    CreditMovement,
    order_of,
    reference_of,
    refund_of,
)
from web.money.ledger_client import commit
from web.openapi.examples import reference as examples
from web.routes.admin import USER_NOT_FOUND, Reason, act_upon, doer_of
from web.routes.credits import moved

operations = Operations()
NO_UNIT = Problem(404, "The job has no such unit", code=RefusalCode.UNIT_NOT_FOUND)
NOT_CHARGED = Problem(409, "Nothing was charged for the unit", code=RefusalCode.NOT_CHARGED)
REFUNDED = Problem(
    409, "The unit was refunded before, with another amount", code=RefusalCode.REFUND_DIFFERS
)

# At most 9 digits, to limit the damage of a typing error.
GivenAmount = Annotated[
    str,
    Meta(
        pattern=r"^(?=.*[1-9])[0-9]{1,9}(\.[0-9]{1,4})?$",
        description="a decimal string above 0 with at most 9 digits and 4 decimals, like 10.5",
    ),
]
SignedAmount = Annotated[
    str,
    Meta(
        pattern=r"^(?=.*[1-9])-?[0-9]{1,9}(\.[0-9]{1,4})?$",
        description="a decimal string with at most 9 digits and 4 decimals, like 10.5 or -10.5",
    ),
]
Words = Annotated[str, Meta(max_length=500)]


@attrs.frozen
class Grant:
    """Credits to grant. ``reason`` is for the audit log, ``description`` for the user's history."""

    user_id: UUID
    amount: GivenAmount
    reason: Reason
    description: Words = ""


@attrs.frozen
class Adjustment:
    """A correction of a balance.

    ``amount`` below 0 removes credits. ``description`` is for the user's history.
    """

    user_id: UUID
    amount: SignedAmount
    reason: Reason
    description: Words = ""


@attrs.frozen
class Refund:
    """A refund of a unit of a job: of the whole charge, or of ``amount``."""

    job_id: UUID
    reason: Reason
    unit: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    amount: GivenAmount | None = None
    description: Words = ""


def _upon_credits(
    act: str,
    asked: examples.Example,
    entry: examples.Example,
    refusals: Mapping[int, str],
) -> Callable[[Handler], Handler]:
    """Register an action on a user's credits."""
    return operations.post(
        f"/api/v1/admin/credits/{act}",
        audience=Audience.ADMIN,
        request_example=asked,
        answers={200: Entry},
        refusals=refusals,
        idempotency=True,
        example=entry,
    )


@_upon_credits(
    "grant",
    examples.GRANT,
    examples.GRANTED,
    {404: "User not found", 409: "It is your own account"},
)
async def grant(call: Call[Grant]) -> Answer | Problem:
    """Grant credits to a user; the answer is the entry on their account."""
    return await _move(call, GRANT, money.parse(call.body.amount))


@_upon_credits(
    "adjust",
    examples.ADJUSTMENT,
    examples.ADJUSTED,
    {402: "Insufficient credits", 404: "User not found", 409: "It is your own account"},
)
async def adjust(call: Call[Adjustment]) -> Answer | Problem:
    """Adjust a user's balance up or down; credits held for jobs are not touched."""
    return await _move(call, ADJUST, signed(call.body.amount))


@_upon_credits(
    "refund",
    examples.REFUND,
    examples.REFUNDED,
    {
        404: "The job has no such unit",
        409: "Nothing was charged, another amount was refunded before, or it is your own account",
    },
)
async def refund(call: Call[Refund]) -> Answer | Problem:
    """Refund the charge of a unit, once; the operator who rendered it keeps the earning."""
    key, body = key_of(call), call.body
    if isinstance(key, Problem):
        return key
    units = None if body.amount is None else money.parse(body.amount)
    of = Refunded(body.job_id, body.unit, units, body.description)
    return await refund_unit(doer_of(call), of, body.reason, _kept(call.caller, key))


@attrs.frozen
class Refunded:
    """A unit to refund. ``units``: how much of its charge, in 1/10,000 credit; None: all of it.
    ``user``: the expected owner of the job, if known.
    """

    job: UUID
    unit: int
    units: int | None
    description: str = ""
    user: UUID | None = None


async def refund_unit(
    doer: ActingUser, of: Refunded, reason: str, key: IdempotencyKey | None = None
) -> Answer | Problem:
    """Refund a unit of a job, once."""
    unit = await doer.gateway.tables.credits.charged_unit(of.job, of.unit)
    if unit is None or of.user not in (None, unit.user_id):
        return NO_UNIT
    if unit.charged == 0:
        return NOT_CHARGED
    units = unit.charged if of.units is None else of.units
    if units > unit.charged:
        return too_much(unit.charged)
    act = await act_upon(doer, REFUND, unit.user_id, reason)
    if isinstance(act, Problem):
        return act
    order = refund_of(unit, units, of.description, act, key)
    return moved(await commit(doer.gateway, order), REFUNDED)


def signed(text: str) -> int:
    """Return an amount, which may be negative, in units of 1/10,000 credit."""
    return -money.parse(text[1:]) if text.startswith("-") else money.parse(text)


def too_much(charged: int) -> Problem:
    """Return 422 for a refund that is higher than the charge."""
    words = f"must not be higher than the charge: {money.format_amount(charged)}"
    return invalid([Fault("amount", "value", words)])


async def _move(call: Call[Any], name: str, units: int) -> Answer | Problem:
    key, body = key_of(call), call.body
    if isinstance(key, Problem):
        return key
    who = f"{name} {call.caller}"
    reference = reference_of(who, key and key[0], call.gateway.ports.random.uuid)
    movement = CreditMovement(name, body.user_id, units, reference, body.description)
    return await move(doer_of(call), movement, body.reason, _kept(call.caller, key))


async def move(
    doer: ActingUser, movement: CreditMovement, reason: str, key: IdempotencyKey | None = None
) -> Answer | Problem:
    """Grant or adjust credits, once per reference of the movement."""
    act = await act_upon(doer, movement.act, movement.user, reason)
    if isinstance(act, Problem):
        return act
    if await doer.gateway.tables.users.by_id(movement.user) is None:
        return USER_NOT_FOUND
    order = order_of(movement, act, key)
    return moved(await commit(doer.gateway, order), REFUNDED)


def _kept(admin: UUID, key: tuple[str, bytes] | None) -> IdempotencyKey | None:
    """Return the idempotency key.

    The stored answer is only a status; the entry is found by its reference, and never changes.
    """
    return None if key is None else IdempotencyKey(admin, *key, answer={"status": 200})
