"""Organisations: groups of users who render on each other's nodes for free."""

from collections.abc import Awaitable, Callable
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
from rendertrust.api.refusal_code import RefusalCode
from sql.audit_log import Act
from sql.organisations import (
    INVITED_BY_USER_MOST,
    INVITED_MOST,
    MEMBERS_MOST,
    OF_USER_MOST,
    ChangeOutcome,
)
from sql.organisations import Organisations as Rows
from web.http.converter import Email
from web.http.operations import TOKEN_REFUSED, Call, Operations, Scope
from web.http.problem import Problem
from web.http.responses import from_row
from web.identity.verified_address import address_refusal
from web.nodes.access_updates import announce_access_change
from web.openapi.examples import organisations as examples
from web.routes.admin import doer_of
from web.routes.auth import Done

ONLY_OWNERS: Final = "Only owners of the organisation may do this"
ORGANISATION_NOT_FOUND: Final = Problem(
    404, "Organisation not found", code=RefusalCode.ORGANISATION_NOT_FOUND
)
operations = Operations(absent=ORGANISATION_NOT_FOUND)
PROBLEMS: Final = {
    ChangeOutcome.ABSENT: ORGANISATION_NOT_FOUND,
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
REFUSALS: Final = {403: ONLY_OWNERS}
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
    answers={201: Organisation},
    refusals={409: f"You are already in {OF_USER_MOST} organisations"},
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
    return from_row(Organisation, made)


@operations.get(
    "/api/v1/organisations",
    scope=Scope.NODES_READ,
    example=examples.ORGANISATIONS,
)
async def index(call: Call) -> Organisations:
    """List the organisations that you belong to or are invited to."""
    rows = await call.gateway.tables.organisations.of_user(call.caller)
    return Organisations(tuple(from_row(Organisation, row) for row in rows))


@operations.get(
    "/api/v1/organisations/{organisation_id}",
    scope=Scope.NODES_READ,
    example=examples.WHOLE,
)
async def show(call: Call) -> OrganisationPage | Problem:
    """Get an organisation's members and nodes, as a member."""
    kept, wanted = call.gateway.tables.organisations, call.ids["organisation_id"]
    mine = [one for one in await kept.of_user(call.caller) if one.id == wanted and one.joined]
    if not mine:
        return ORGANISATION_NOT_FOUND
    return OrganisationPage(
        id=str(wanted),
        name=mine[0].name,
        created_at=mine[0].created_at,
        role=mine[0].role,
        members=tuple(from_row(Member, row) for row in await kept.members(wanted)),
        nodes=tuple(from_row(LentNode, row) for row in await kept.nodes(wanted)),
    )


@operations.delete(
    "/api/v1/organisations/{organisation_id}",
    scope=Scope.NODES_WRITE,
    refusals=REFUSALS,
    example=examples.DONE,
)
async def end(call: Call) -> Done | Problem:
    """End an organisation, and the loans of nodes to it."""
    return await changed(call, "end", Rows.end, "by an owner", "The organisation has ended")


@operations.post(
    "/api/v1/organisations/{organisation_id}/members",
    scope=Scope.NODES_WRITE,
    refusals={
        **REFUSALS,
        409: "The address was already invited, or there are too many members or invitations",
    },
    request_example=examples.INVITATION,
    example=examples.DONE,
)
async def invite(call: Call[Invitation]) -> Done | Problem:
    """Invite the user with this e-mail address; the user becomes a member by accepting.

    The answer is the same if the address has no account. A user who registers later must be invited
    again: remove the invitation first.
    """
    if (unverified := await address_refusal(call.gateway, call.caller)) is not None:
        return unverified
    email, role = call.body.email, call.body.role
    return await changed(call, "invite", Rows.invite, email, INVITED, email, role)


@operations.post(
    "/api/v1/organisations/{organisation_id}/accept",
    scope=Scope.NODES_WRITE,
    refusals={404: "You were not invited"},
    example=examples.DONE,
)
async def accept(call: Call) -> Done | Problem:
    """Accept an invitation."""
    return await changed(call, "join", Rows.join, "accepted", "You are now a member")


@operations.put(
    "/api/v1/organisations/{organisation_id}/members/{user_id}",
    scope=Scope.NODES_WRITE,
    refusals={**REFUSALS, 409: "The organisation needs an owner"},
    request_example=examples.ROLE,
    example=examples.DONE,
)
async def set_role(call: Call[Role]) -> Done | Problem:
    """Make a member an owner, or an owner a member."""
    user, role = call.ids["user_id"], call.body.role
    return await changed(call, "role", Rows.set_role, f"{user}: {role}", "Done", user, role)


@operations.delete(
    "/api/v1/organisations/{organisation_id}/members/{user_id}",
    scope=Scope.NODES_WRITE,
    refusals={**REFUSALS, 409: "The organisation needs an owner"},
    example=examples.DONE,
)
async def leave(call: Call) -> Done | Problem:
    """Leave the organisation, decline an invitation, or, as an owner, remove a member.

    Nodes that a user who leaves lent to the organisation are returned to that user.
    """
    user = call.ids["user_id"]
    return await changed(call, "leave", Rows.leave, str(user), "Done", user)


@operations.put(
    "/api/v1/organisations/{organisation_id}/nodes/{node_id}",
    scope=Scope.NODES_WRITE,
    refusals={404: "Not a node of yours, or not an organisation of yours"},
    example=examples.DONE,
)
async def lend(call: Call) -> Done | Problem:
    """Lend one of your nodes: members render on the lent node for free (``pool: mine``)."""
    node = call.ids["node_id"]
    return await changed(call, "lend", Rows.lend, str(node), "The node is lent", node)


@operations.delete(
    "/api/v1/organisations/{organisation_id}/nodes/{node_id}",
    scope=Scope.NODES_WRITE,
    refusals={404: "It is not lent to an organisation of yours, or is not your node"},
    example=examples.DONE,
)
async def unlend(call: Call) -> Done | Problem:
    """Take a lent node back, or, as an owner of the organisation, return the node."""
    node, said = call.ids["node_id"], "The node is no longer lent to the organisation"
    return await changed(call, "unlend", Rows.unlend, str(node), said, node)


# -- shared parts


async def act_of(call: Call[Any, Any], name: str, target: str, reason: str) -> Act | None:
    """Return the audit record of the caller's action; None if their account no longer exists."""
    return await doer_of(call).act(name, target, reason, {})


async def changed(
    call: Call[Any, Any],
    name: str,
    change: Callable[..., Awaitable[ChangeOutcome]],
    reason: str,
    said: str,
    *what: object,
) -> Done | Problem:
    """Change the organisation of the path, and record the change.

    ``change``: a method of ``sql.organisations.Organisations``; ``what``: its arguments. If the
    change was made, inform the Scheduler, and answer with ``said``.
    """
    organisation = call.ids["organisation_id"]
    act = await act_of(call, f"organisation.{name}", f"organisation:{organisation}", reason)
    if act is None:
        return TOKEN_REFUSED
    became = await change(call.gateway.tables.organisations, organisation, *what, act)
    if became is not ChangeOutcome.DONE:
        return PROBLEMS.get(became, ORGANISATION_NOT_FOUND)
    await announce_access_change(call.gateway)
    return Done(said)
