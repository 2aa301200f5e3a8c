"""What admins do to credits: grant, adjust, refund. Each act has a reason, and a record."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

import attrs
from msgspec import Meta

from actors.ledger.messages import (
    IdempotencyKey,
)
from rendertrust import money
from web.http.idempotency import key_of
from web.http.operations import Answer, Audience, Call, Handler, Operations
from web.http.problem import Fault, Problem, invalid
from web.http.refusal_code import RefusalCode
from web.identity.admin_identity import AdminIdentity
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
from web.routes.admin import NOT_FOUND, Reason, act_upon, doer_of
from web.routes.credits import Entry, moved

operations = Operations()
NO_UNIT = Problem(404, "The job has no such unit", code=RefusalCode.UNIT_NOT_FOUND)
NOT_CHARGED = Problem(409, "Nothing was charged for it", code=RefusalCode.NOT_CHARGED)
REFUNDED = Problem(409, "Another amount of it was refunded before", code=RefusalCode.REFUND_DIFFERS)

# A slip of the hand shall not make a fortune.
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
    """``reason`` is for the audit, ``description`` for the user's history."""

    user_id: UUID
    amount: GivenAmount
    reason: Reason
    description: Words = ""


@attrs.frozen
class Adjustment:
    """``amount`` below 0 takes credits away. ``description`` is for the user's history."""

    user_id: UUID
    amount: SignedAmount
    reason: Reason
    description: Words = ""


@attrs.frozen
class Refund:
    """Of a unit of a job: all that was charged for it, or ``amount`` of that."""

    job_id: UUID
    reason: Reason
    unit: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    amount: GivenAmount | None = None
    description: Words = ""


def _upon_credits(
    act: str,
    body: type[Any],
    asked: examples.Example,
    entry: examples.Example,
    refusals: Mapping[int, str],
) -> Callable[[Handler], Handler]:
    """Something that is done to somebody's credits."""
    return operations.post(
        f"/api/v1/admin/credits/{act}",
        audience=Audience.ADMIN,
        body=body,
        request_example=asked,
        answers={200: Entry},
        refusals=refusals,
        rate="write",
        idempotency=True,
        example=entry,
    )


@_upon_credits(
    "grant",
    Grant,
    examples.GRANT,
    examples.GRANTED,
    {404: "User not found", 409: "It would be oneself"},
)
async def grant(call: Call[Grant]) -> Answer | Problem:
    """Give somebody credits; the answer is the entry of his account."""
    return await _move(call, GRANT, money.parse(call.body.amount))


@_upon_credits(
    "adjust",
    Adjustment,
    examples.ADJUSTMENT,
    examples.ADJUSTED,
    {402: "Insufficient credits", 404: "User not found", 409: "It would be oneself"},
)
async def adjust(call: Call[Adjustment]) -> Answer | Problem:
    """Put somebody's credits right, up or down; what is held for jobs is not taken."""
    return await _move(call, ADJUST, signed(call.body.amount))


@_upon_credits(
    "refund",
    Refund,
    examples.REFUND,
    examples.REFUNDED,
    {
        404: "The job has no such unit",
        409: "Nothing was charged, another amount was refunded before, or it would be oneself",
    },
)
async def refund(call: Call[Refund]) -> Answer | Problem:
    """Give back what was charged for a unit of work, once; who did the work keeps his share."""
    key, body = key_of(call), call.body
    if isinstance(key, Problem):
        return key
    units = None if body.amount is None else money.parse(body.amount)
    of = Refunded(body.job_id, body.unit, units, body.description)
    return await give_back(doer_of(call), of, body.reason, _kept(call.caller, key))


@attrs.frozen
class Refunded:
    """A unit of work, and how much of what was charged for it; None: all of it.

    ``user``: whose it must be, if that is known.
    """

    job: UUID
    unit: int
    units: int | None
    description: str = ""
    user: UUID | None = None


async def give_back(
    doer: AdminIdentity, of: Refunded, reason: str, key: IdempotencyKey | None = None
) -> Answer | Problem:
    """Refund it, once."""
    unit = await doer.gateway.credits.charged_unit(of.job, of.unit)
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
    """Units of an amount that may be below 0."""
    return -money.parse(text[1:]) if text.startswith("-") else money.parse(text)


def too_much(charged: int) -> Problem:
    """422: there is less to give back."""
    words = f"must not be above what was charged: {money.render(charged)}"
    return invalid([Fault("amount", "value", words)])


async def _move(call: Call[Any], name: str, units: int) -> Answer | Problem:
    key, body = key_of(call), call.body
    if isinstance(key, Problem):
        return key
    who = f"{name} {call.caller}"
    reference = reference_of(who, key and key[0], call.gateway.random.uuid)
    movement = CreditMovement(name, body.user_id, units, reference, body.description)
    return await move(doer_of(call), movement, body.reason, _kept(call.caller, key))


async def move(
    doer: AdminIdentity, movement: CreditMovement, reason: str, key: IdempotencyKey | None = None
) -> Answer | Problem:
    """Grant or adjust, once under the movement's reference."""
    act = await act_upon(doer, movement.act, movement.user, reason)
    if isinstance(act, Problem):
        return act
    if await doer.gateway.users.by_id(movement.user) is None:
        return NOT_FOUND
    order = order_of(movement, act, key)
    return moved(await commit(doer.gateway, order), REFUNDED)


def _kept(admin: UUID, key: tuple[str, bytes] | None) -> IdempotencyKey | None:
    """Its answer is the entry, which is found by its reference and never changes."""
    return None if key is None else IdempotencyKey(admin, *key, answer={"status": 200})
