"""Organisations: groups of users who render on each other's nodes for free."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Final, Literal

import attrs
from msgspec import Meta

from rendertrust.api.organisations import (
    LentNode,
    Member,
    Organisation,
    OrganisationPage,
    Organisations,
)
from sql.audit import Act
from sql.organisations import (
    INVITED_BY_USER_MOST,
    INVITED_MOST,
    MEMBERS_MOST,
    OF_USER_MOST,
    ChangeOutcome,
)
from web.http.converter import Email
from web.http.operations import TOKEN_REFUSED, Call, Operations, Scope
from web.http.problem import Problem
from web.http.refusal_code import RefusalCode
from web.http.responses import REQUEST_ID, text_ids
from web.identity.admin_identity import AdminIdentity
from web.nodes.access_updates import tell_circles
from web.openapi.examples import organisations as examples
from web.routes.auth import Done

operations = Operations()
ABSENT: Final = "Organisation not found"
ONLY_OWNERS: Final = "Only owners of the organisation may do this"
NOT_FOUND: Final = Problem(404, ABSENT, code=RefusalCode.ORGANISATION_NOT_FOUND)
PROBLEMS: Final = {
    ChangeOutcome.ABSENT: NOT_FOUND,
    ChangeOutcome.NOT_OWNER: Problem(403, ONLY_OWNERS, code=RefusalCode.OWNER_ONLY),
    ChangeOutcome.LAST_OWNER: Problem(
        409,
        "The organisation needs an owner: make another member an owner first, or end it",
        code=RefusalCode.LAST_OWNER,
    ),
    ChangeOutcome.ALREADY: Problem(
        409, "This address was already invited, or is a member's", code=RefusalCode.ALREADY_INVITED
    ),
    ChangeOutcome.TOO_MANY: Problem(
        409,
        f"An organisation has at most {MEMBERS_MOST} members and {INVITED_MOST} open "
        f"invitations, and a user at most {INVITED_BY_USER_MOST} open invitations in total",
        code=RefusalCode.ORGANISATION_FULL,
    ),
}
REFUSALS: Final = {403: ONLY_OWNERS, 404: ABSENT}
INVITED: Final = "If there is an account with this address, its user is invited"
MemberRole = Literal["owner", "member"]


@attrs.frozen
class NewOrganisation:
    name: Annotated[str, Meta(min_length=1, max_length=100)]


@attrs.frozen
class Invitation:
    """The e-mail address of an account."""

    email: Email
    role: MemberRole = "member"


@attrs.frozen
class Role:
    role: MemberRole


@operations.post(
    "/api/v1/organisations",
    scope=Scope.NODES_WRITE,
    body=NewOrganisation,
    answers={201: Organisation},
    refusals={409: f"You are already in {OF_USER_MOST} organisations"},
    rate="write",
    request_example=examples.NEW_ORGANISATION,
    example=examples.ORGANISATION,
)
async def found(call: Call[NewOrganisation]) -> Organisation | Problem:
    """Found an organisation; you become an owner."""
    organisation = call.gateway.ports.random.uuid()
    act = await act_of(call, "organisation.found", f"organisation:{organisation}", call.body.name)
    if act is None:
        return TOKEN_REFUSED
    made = await call.gateway.tables.organisations.found(organisation, call.body.name, act)
    if made is None:
        return Problem(
            409,
            f"You are already in {OF_USER_MOST} organisations; leave one first",
            code=RefusalCode.TOO_MANY_ORGANISATIONS,
        )
    return Organisation(**text_ids(attrs.asdict(made)))


@operations.get(
    "/api/v1/organisations",
    scope=Scope.NODES_READ,
    answers={200: Organisations},
    rate="read",
    example=examples.ORGANISATIONS,
)
async def index(call: Call) -> Organisations:
    """List the organisations that you belong to or are invited to."""
    rows = await call.gateway.tables.organisations.of_user(call.caller)
    return Organisations(tuple(Organisation(**text_ids(attrs.asdict(row))) for row in rows))


@operations.get(
    "/api/v1/organisations/{organisation_id}",
    scope=Scope.NODES_READ,
    answers={200: OrganisationPage},
    refusals={404: ABSENT},
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="read",
    example=examples.WHOLE,
)
async def show(call: Call) -> OrganisationPage | Problem:
    """Get an organisation's members and nodes, as a member."""
    kept, wanted = call.gateway.tables.organisations, call.ids["organisation_id"]
    mine = [one for one in await kept.of_user(call.caller) if one.id == wanted and one.joined]
    if not mine:
        return NOT_FOUND
    return OrganisationPage(
        id=str(wanted),
        name=mine[0].name,
        created_at=mine[0].created_at,
        role=mine[0].role,
        members=tuple(Member(**text_ids(attrs.asdict(row))) for row in await kept.members(wanted)),
        nodes=tuple(LentNode(**text_ids(attrs.asdict(row))) for row in await kept.nodes(wanted)),
    )


@operations.delete(
    "/api/v1/organisations/{organisation_id}",
    scope=Scope.NODES_WRITE,
    answers={200: Done},
    refusals=REFUSALS,
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="write",
    example=examples.DONE,
)
async def end(call: Call) -> Done | Problem:
    """End an organisation; its nodes serve only their owners again."""
    kept, of = call.gateway.tables.organisations, call.ids["organisation_id"]
    words = "The organisation has ended"
    return await done(call, "end", "by an owner", partial(kept.end, of), words)


@operations.post(
    "/api/v1/organisations/{organisation_id}/members",
    scope=Scope.NODES_WRITE,
    body=Invitation,
    answers={200: Done},
    refusals={**REFUSALS, 409: "The address was already invited, or there are too many"},
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="write",
    request_example=examples.INVITATION,
    example=examples.DONE,
)
async def invite(call: Call[Invitation]) -> Done | Problem:
    """Invite the user with this e-mail address; they become a member when they accept.

    The answer is the same if the address has no account. A user who registers later must be invited
    again: remove the invitation first.
    """
    kept, of, wish = call.gateway.tables.organisations, call.ids["organisation_id"], call.body
    invited = partial(kept.invite, of, wish.email, wish.role)
    return await done(call, "invite", wish.email, invited, INVITED)


@operations.post(
    "/api/v1/organisations/{organisation_id}/accept",
    scope=Scope.NODES_WRITE,
    answers={200: Done},
    refusals={404: "You were not invited"},
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="write",
    example=examples.DONE,
)
async def accept(call: Call) -> Done | Problem:
    """Accept an invitation."""
    kept, of = call.gateway.tables.organisations, call.ids["organisation_id"]
    return await done(call, "join", "accepted", partial(kept.join, of), "You are now a member")


@operations.put(
    "/api/v1/organisations/{organisation_id}/members/{user_id}",
    scope=Scope.NODES_WRITE,
    body=Role,
    answers={200: Done},
    refusals={**REFUSALS, 409: "The organisation needs an owner"},
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="write",
    request_example=examples.ROLE,
    example=examples.DONE,
)
async def set_role(call: Call[Role]) -> Done | Problem:
    """Make a member an owner, or an owner a member."""
    kept, of, user = (
        call.gateway.tables.organisations,
        call.ids["organisation_id"],
        call.ids["user_id"],
    )
    made = partial(kept.set_role, of, user, call.body.role)
    return await done(call, "role", f"{user}: {call.body.role}", made, "Done")


@operations.delete(
    "/api/v1/organisations/{organisation_id}/members/{user_id}",
    scope=Scope.NODES_WRITE,
    answers={200: Done},
    refusals={**REFUSALS, 409: "The organisation needs an owner"},
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="write",
    example=examples.DONE,
)
async def leave(call: Call) -> Done | Problem:
    """Leave, decline an invitation, or, as an owner, remove a member. Their nodes then serve
    only them.
    """
    kept, of, user = (
        call.gateway.tables.organisations,
        call.ids["organisation_id"],
        call.ids["user_id"],
    )
    return await done(call, "leave", str(user), partial(kept.leave, of, user), "Done")


@operations.put(
    "/api/v1/organisations/{organisation_id}/nodes/{node_id}",
    scope=Scope.NODES_WRITE,
    answers={200: Done},
    refusals={404: "Not a node of yours, or not an organisation of yours"},
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="write",
    example=examples.DONE,
)
async def lend(call: Call) -> Done | Problem:
    """Lend one of your nodes: members render on it for free (``pool: mine``)."""
    kept, of, node = (
        call.gateway.tables.organisations,
        call.ids["organisation_id"],
        call.ids["node_id"],
    )
    return await done(call, "lend", str(node), partial(kept.lend, of, node), "The node is lent")


@operations.delete(
    "/api/v1/organisations/{organisation_id}/nodes/{node_id}",
    scope=Scope.NODES_WRITE,
    answers={200: Done},
    refusals={404: "It is not lent to an organisation of yours, or is not your node"},
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="write",
    example=examples.DONE,
)
async def unlend(call: Call) -> Done | Problem:
    """Take a node back, or, as an owner of the organisation, return it."""
    kept, of, node = (
        call.gateway.tables.organisations,
        call.ids["organisation_id"],
        call.ids["node_id"],
    )
    words = "The node serves only its owner again"
    return await done(call, "unlend", str(node), partial(kept.unlend, of, node), words)


# -- shared parts


async def act_of(call: Call[Any, Any], name: str, target: str, reason: str) -> Act | None:
    """Return the record of the caller's action; None if the user no longer exists."""
    doer = AdminIdentity(call.gateway, call.caller, call.request[REQUEST_ID])
    return await doer.act(name, target, reason, {})


async def done(
    call: Call[Any, Any],
    name: str,
    reason: str,
    do: Callable[[Act], Awaitable[ChangeOutcome]],
    words: str,
) -> Done | Problem:
    """Perform the action with its record; answer ``words`` if it was done."""
    target = f"organisation:{call.ids['organisation_id']}"
    act = await act_of(call, f"organisation.{name}", target, reason)
    if act is None:
        return TOKEN_REFUSED
    return await outcome(call, await do(act), words)


async def outcome(call: Call[Any, Any], said: ChangeOutcome, words: str) -> Done | Problem:
    """Return the outcome as the API shows it, after informing the Scheduler."""
    if said is not ChangeOutcome.DONE:
        return PROBLEMS.get(said, NOT_FOUND)
    await tell_circles(call.gateway)
    return Done(words)
