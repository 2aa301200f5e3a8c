"""Trusted users: whose nodes may render your scenes, and whose jobs your nodes accept.

Jobs with the pool ``trusted`` also go to nodes of users whom their creator trusts. A node without a
sandbox also accepts jobs of users whom its owner trusts.
"""

from typing import Final
from uuid import UUID

import attrs

from rendertrust.api.organisations import Trusted, TrustedPeople
from rendertrust.api.refusal_code import RefusalCode
from sql.organisations import TRUSTED_MOST, ChangeOutcome
from web.gateway import Gateway
from web.http.converter import Email
from web.http.operations import TOKEN_REFUSED, Call, Operations, Scope
from web.http.problem import Problem
from web.http.responses import from_row
from web.nodes.access_updates import announce_access_change
from web.openapi.examples import organisations as examples
from web.routes.auth import Done
from web.routes.organisations import act_of

operations = Operations()
NOT_TRUSTED: Final = Problem(404, "You do not trust this account", code=RefusalCode.NOT_TRUSTED)
YOURSELF: Final = Problem(
    409, "This is your own address: your own nodes are always trusted", code=RefusalCode.OWN_ACCOUNT
)
TRUSTED_FULL: Final = Problem(
    409, f"You already trust {TRUSTED_MOST} addresses", code=RefusalCode.TOO_MANY_TRUSTED
)


@attrs.frozen
class Somebody:
    """The e-mail address of an account."""

    email: Email


@operations.get(
    "/api/v1/trusted",
    scope=Scope.NODES_READ,
    example=examples.TRUSTED,
)
async def index(call: Call) -> TrustedPeople:
    """List the addresses of the users you trust.

    Your jobs with the pool ``trusted`` also go to the nodes of users you trust. Your nodes without
    a sandbox accept jobs of users you trust. Trust is not mutual.
    """
    rows = await call.gateway.tables.organisations.trusted(call.caller)
    return TrustedPeople(tuple(from_row(Trusted, row) for row in rows))


@operations.post(
    "/api/v1/trusted",
    scope=Scope.NODES_WRITE,
    refusals={409: "You trust too many addresses, or this address is your own"},
    request_example=examples.SOMEBODY,
    example=examples.DONE,
)
async def trust(call: Call[Somebody]) -> Done | Problem:
    """Trust the user who has an account with this address now.

    The answer is the same if the address has no account. An account created later is not trusted:
    remove the address and add it again.
    """
    gateway, email = call.gateway, call.body.email
    if await is_own(gateway, call.caller, email):
        return YOURSELF
    act = await act_of(call, "trust.add", f"address:{email}", email)
    if act is None:
        return TOKEN_REFUSED
    said = await gateway.tables.organisations.trust(email, act)
    if said is ChangeOutcome.TOO_MANY:
        return TRUSTED_FULL
    await announce_access_change(gateway)
    return Done("If there is an account with this address, you trust its user")


@operations.delete(
    "/api/v1/trusted/{user_id}",
    scope=Scope.NODES_WRITE,
    absent=NOT_TRUSTED,
    example=examples.DONE,
)
async def distrust(call: Call) -> Done | Problem:
    """Stop trusting a user. The user's nodes finish the units of yours that they run."""
    user = call.ids["user_id"]
    act = await act_of(call, "trust.end", f"user:{user}", "ended")
    if act is None:
        return TOKEN_REFUSED
    said = await call.gateway.tables.organisations.distrust(user, act)
    if said is ChangeOutcome.ABSENT:
        return NOT_TRUSTED
    await announce_access_change(call.gateway)
    return Done("You no longer trust this account")


async def is_own(gateway: Gateway, caller: UUID, email: str) -> bool:
    """Return whether this is the caller's own address."""
    user = await gateway.tables.users.by_email(email)
    return user is not None and user.id == caller
