"""Organisations: people who render on each other's nodes for nothing; and whom somebody trusts."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Final, Literal

import attrs
from msgspec import Meta

from rendertrust.api.organisations import LentNode, Member, OrganisationPage
from sql.audit import Act
from sql.organisations import (
    INVITED_BY_USER_MOST,
    INVITED_MOST,
    MEMBERS_MOST,
    OF_USER_MOST,
    ChangeOutcome,
    Organisation,
)
from web.http.converter import Email
from web.http.operations import TOKEN_REFUSED, Call, Operations, Scope
from web.http.problem import Problem
from web.http.refusal_code import RefusalCode
from web.http.responses import REQUEST_ID, text_ids
from web.identity.admin_identity import AdminIdentity
from web.nodes.access_updates import tell_circles
from web.openapi.examples import circles as examples
from web.routes.auth import Done

operations = Operations()
ABSENT: Final = "Organisation not found"
ONLY_OWNERS: Final = "Only an owner of the organisation may"
NOT_FOUND: Final = Problem(404, ABSENT, code=RefusalCode.ORGANISATION_NOT_FOUND)
PROBLEMS: Final = {
    ChangeOutcome.ABSENT: NOT_FOUND,
    ChangeOutcome.NOT_OWNER: Problem(403, ONLY_OWNERS, code=RefusalCode.OWNER_ONLY),
    ChangeOutcome.LAST_OWNER: Problem(
        409, "It needs an owner: name another first, or end it", code=RefusalCode.LAST_OWNER
    ),
    ChangeOutcome.ALREADY: Problem(
        409, "This address was invited already, or is a member's", code=RefusalCode.ALREADY_INVITED
    ),
    ChangeOutcome.TOO_MANY: Problem(
        409,
        f"An organisation has at most {MEMBERS_MOST} members and {INVITED_MOST} open invitations,"
        f" and each inviter {INVITED_BY_USER_MOST} of these in all",
        code=RefusalCode.ORGANISATION_FULL,
    ),
}
REFUSALS: Final = {403: ONLY_OWNERS, 404: ABSENT}
INVITED: Final = "If somebody has this address here, they are invited"
MemberRole = Literal["owner", "member"]


@attrs.frozen
class NewOrganisation:
    name: Annotated[str, Meta(min_length=1, max_length=100)]


@attrs.frozen
class Organisations:
    """``joined`` is False where you are only invited."""

    organisations: list[Organisation]


@attrs.frozen
class Invitation:
    """The address of somebody's account here."""

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
    refusals={409: f"You are in {OF_USER_MOST} already"},
    rate="write",
    request_example=examples.NEW_ORGANISATION,
    example=examples.ORGANISATION,
)
async def found(call: Call[NewOrganisation]) -> Organisation | Problem:
    """Found an organisation; you are its first owner."""
    organisation = call.gateway.random.uuid()
    act = await act_of(call, "organisation.found", f"organisation:{organisation}", call.body.name)
    if act is None:
        return TOKEN_REFUSED
    made = await call.gateway.organisations.found(organisation, call.body.name, act)
    return made or Problem(
        409,
        f"You are in {OF_USER_MOST} organisations already; leave one first",
        code=RefusalCode.TOO_MANY_ORGANISATIONS,
    )


@operations.get(
    "/api/v1/organisations",
    scope=Scope.NODES_READ,
    answers={200: Organisations},
    rate="read",
    example=examples.ORGANISATIONS,
)
async def index(call: Call) -> Organisations:
    """Those that you are a member of, or invited to."""
    return Organisations(list(await call.gateway.organisations.of_user(call.caller)))


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
    """Its members and nodes, for its members."""
    kept, wanted = call.gateway.organisations, call.ids["organisation_id"]
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
    """End an organisation; its nodes are their owners' alone again."""
    kept, of = call.gateway.organisations, call.ids["organisation_id"]
    words = "The organisation is no more"
    return await done(call, "end", "by an owner", partial(kept.end, of), words)


@operations.post(
    "/api/v1/organisations/{organisation_id}/members",
    scope=Scope.NODES_WRITE,
    body=Invitation,
    answers={200: Done},
    refusals={**REFUSALS, 409: "The address was invited already, or there are too many"},
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="write",
    request_example=examples.INVITATION,
    example=examples.DONE,
)
async def invite(call: Call[Invitation]) -> Done | Problem:
    """Invite somebody by the address of their account; they are a member once they accept.

    The answer is the same where nobody has the address. Somebody who registers later must be
    invited anew: remove the invitation first.
    """
    kept, of, wish = call.gateway.organisations, call.ids["organisation_id"], call.body
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
    kept, of = call.gateway.organisations, call.ids["organisation_id"]
    return await done(call, "join", "accepted", partial(kept.join, of), "You are a member")


@operations.put(
    "/api/v1/organisations/{organisation_id}/members/{user_id}",
    scope=Scope.NODES_WRITE,
    body=Role,
    answers={200: Done},
    refusals={**REFUSALS, 409: "It needs an owner"},
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="write",
    request_example=examples.ROLE,
    example=examples.DONE,
)
async def set_role(call: Call[Role]) -> Done | Problem:
    """Make a member an owner, or an owner a member."""
    kept, of, user = call.gateway.organisations, call.ids["organisation_id"], call.ids["user_id"]
    made = partial(kept.set_role, of, user, call.body.role)
    return await done(call, "role", f"{user}: {call.body.role}", made, "Done")


@operations.delete(
    "/api/v1/organisations/{organisation_id}/members/{user_id}",
    scope=Scope.NODES_WRITE,
    answers={200: Done},
    refusals={**REFUSALS, 409: "It needs an owner"},
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="write",
    example=examples.DONE,
)
async def leave(call: Call) -> Done | Problem:
    """Leave, decline, or, as an owner, remove somebody. His nodes are his alone again."""
    kept, of, user = call.gateway.organisations, call.ids["organisation_id"], call.ids["user_id"]
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
    """Lend a node of yours: members render on it for nothing (``pool: mine``)."""
    kept, of, node = call.gateway.organisations, call.ids["organisation_id"], call.ids["node_id"]
    return await done(call, "lend", str(node), partial(kept.lend, of, node), "The node is lent")


@operations.delete(
    "/api/v1/organisations/{organisation_id}/nodes/{node_id}",
    scope=Scope.NODES_WRITE,
    answers={200: Done},
    refusals={404: "It is not lent to an organisation of yours, or not by you"},
    absent=ABSENT,
    absent_code=RefusalCode.ORGANISATION_NOT_FOUND,
    rate="write",
    example=examples.DONE,
)
async def unlend(call: Call) -> Done | Problem:
    """Take a node back, or, as an owner, give it back."""
    kept, of, node = call.gateway.organisations, call.ids["organisation_id"], call.ids["node_id"]
    words = "The node is its owner's alone"
    return await done(call, "unlend", str(node), partial(kept.unlend, of, node), words)


# -- what all of them do


async def act_of(call: Call[Any, Any], name: str, target: str, reason: str) -> Act | None:
    """The record of what the caller does; None: there is no such user any more."""
    doer = AdminIdentity(call.gateway, call.caller, call.request[REQUEST_ID])
    return await doer.act(name, target, reason, {})


async def done(
    call: Call[Any, Any],
    name: str,
    reason: str,
    do: Callable[[Act], Awaitable[ChangeOutcome]],
    words: str,
) -> Done | Problem:
    """Do it, with its record; ``words`` where it was done."""
    target = f"organisation:{call.ids['organisation_id']}"
    act = await act_of(call, f"organisation.{name}", target, reason)
    if act is None:
        return TOKEN_REFUSED
    return await outcome(call, await do(act), words)


async def outcome(call: Call[Any, Any], said: ChangeOutcome, words: str) -> Done | Problem:
    """What became of it, as the API says it, once the Scheduler goes by it."""
    if said is not ChangeOutcome.DONE:
        return PROBLEMS.get(said, NOT_FOUND)
    await tell_circles(call.gateway)
    return Done(words)
