"""Whom somebody trusts: with his scenes (the pool ``trusted``), or on nodes without a sandbox."""

from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.organisations import TRUSTED_MOST, Said
from web.http.operations import TOKEN_REFUSED, Call, Operations, Scope
from web.http.problem import Problem
from web.openapi.examples import circles as examples
from web.routes.auth import Done
from web.routes.organisations import NO_USER, Email, act_of, outcome

operations = Operations()
NOT_TRUSTED: Final = Problem(404, "You do not trust him")


@attrs.frozen
class Trusted:
    user_id: UUID
    email: str
    name: str
    since: datetime


@attrs.frozen
class TrustedList:
    trusted: list[Trusted]


@attrs.frozen
class Somebody:
    """He has an account here."""

    email: Email


@operations.get(
    "/api/v1/trusted",
    scope=Scope.NODES_READ,
    answers={200: TrustedList},
    rate="read",
    example=examples.TRUSTED,
)
async def index(call: Call) -> TrustedList:
    """Whom you trust. Jobs of the pool ``trusted`` go to their nodes, besides your own.

    Your nodes without a sandbox take their jobs: trust counts for him who takes the risk.
    """
    rows = await call.gateway.organisations.trusted(call.caller)
    return TrustedList([Trusted(**attrs.asdict(row)) for row in rows])


@operations.post(
    "/api/v1/trusted",
    scope=Scope.NODES_WRITE,
    body=Somebody,
    answers={200: Done},
    refusals={404: "Nobody has this address here", 409: "You trust too many, or yourself"},
    rate="write",
    request_example=examples.SOMEBODY,
    example=examples.DONE,
)
async def trust(call: Call[Somebody]) -> Done | Problem:
    """Trust somebody."""
    user = await call.gateway.users.by_email(call.body.email)
    if user is None:
        return NO_USER
    if user.id == call.caller:
        return Problem(409, "You are yourself: your own nodes are always yours")
    act = await act_of(call, "trust.add", f"user:{user.id}", call.body.email)
    if act is None:
        return TOKEN_REFUSED
    said = await call.gateway.organisations.trust(user.id, act)
    if said is Said.ALREADY:
        if any(one.user_id == user.id for one in await _of(call)):
            return Done("You trust him already")
        return Problem(409, f"You trust {TRUSTED_MOST} people already")
    return await outcome(call, said, "You trust him")


@operations.delete(
    "/api/v1/trusted/{user_id}",
    scope=Scope.NODES_WRITE,
    answers={200: Done},
    refusals={404: "You do not trust him"},
    absent="You do not trust him",
    rate="write",
    example=examples.DONE,
)
async def distrust(call: Call) -> Done | Problem:
    """Trust somebody no more. What his nodes have of yours they finish."""
    user = call.ids["user_id"]
    act = await act_of(call, "trust.end", f"user:{user}", "no more")
    if act is None:
        return TOKEN_REFUSED
    said = await call.gateway.organisations.distrust(user, act)
    if said is Said.ABSENT:
        return NOT_TRUSTED
    return await outcome(call, said, "You trust him no more")


async def _of(call: Call[Somebody]) -> list[Trusted]:
    rows = await call.gateway.organisations.trusted(call.caller)
    return [Trusted(**attrs.asdict(row)) for row in rows]
