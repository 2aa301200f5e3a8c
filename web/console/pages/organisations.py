"""Organisations page: groups that share nodes, and the users you trust."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import attrs

from sql.audit_log import Act
from sql.nodes import NodeFilter, NodeViews
from sql.organisations import OF_USER_MOST, ChangeOutcome, Organisation
from web.console.pages.fleet import LATELY
from web.console.registry import FLEET, Nav, Pages
from web.console.tables import Column, SortQuery, order_by, table
from web.console.view import ACCOUNT_GONE, Redirect, Shown, View
from web.http.converter import Email
from web.http.problem import Problem
from web.identity.verified_address import address_refusal
from web.nodes.access_updates import announce_access_change
from web.routes.organisations import ORGANISATION_NOT_FOUND, PROBLEMS, NewOrganisation
from web.routes.trusted import NOT_TRUSTED, TRUSTED_FULL, YOURSELF, is_own

pages = Pages()
PATH: Final = "/console/organisations"
NODES_MOST: Final = 200
ORGANISATIONS: Final = (
    Column("Organisation", "name"),
    Column("Your role", "role"),
    Column("Members", "members", "number"),
    Column("Nodes", "nodes", "number"),
    Column("Since", "created_at", "time"),
)
TRUSTED: Final = (Column("User", "email"), Column("Since", "since", "time"))
MEMBERS: Final = (
    Column("Member", "email"),
    Column("Name", "name"),
    Column("Role", "role"),
    Column("Joined", "joined_at", "time"),
)
LENT: Final = (
    Column("Node", "name"),
    Column("Status", "status"),
    Column("Lent", "lent_at", "time"),
)
Change: TypeAlias = Callable[[Act], Awaitable[ChangeOutcome]]


@attrs.frozen
class MemberForm:
    email: Email


@attrs.frozen
class InvitationForm:
    email: Email
    role: Literal["owner", "member"] = "member"


@attrs.frozen
class RoleForm:
    role: Literal["owner", "member"]


@attrs.frozen
class MemberPath:
    user: UUID


@attrs.frozen
class NodeForm:
    node: UUID


@attrs.frozen
class OrganisationsQuery(SortQuery):
    sort: Annotated[str, order_by(of=ORGANISATIONS, trusted=TRUSTED)] = ""


@attrs.frozen
class OrganisationQuery(SortQuery):
    sort: Annotated[str, order_by(members=MEMBERS, nodes=LENT)] = ""


@pages.page(
    "/organisations",
    "Organisations",
    "organisations.html",
    nav=Nav("Organisations", "n", 55, "users", FLEET),
    live=("rows", "trusted"),
    own=True,
    every=10.0,
    rest=1.0,
)
async def organisations(view: View[OrganisationsQuery]) -> Shown:
    """Return the user's organisations, invitations and trusted users, whatever the user's role."""
    kept, user, sort = view.gateway.tables.organisations, view.who.user, view.query.sort
    return {
        "organisations": table(await kept.of_user(user), ORGANISATIONS, sort, "", "of"),
        "trusted": table(await kept.trusted(user), TRUSTED, sort, "email", "trusted"),
    }


@pages.page(
    "/organisations/{id}",
    "Organisation",
    "organisation.html",
    live=("members", "nodes"),
    own=True,
    every=10.0,
    rest=1.0,
    absent=ORGANISATION_NOT_FOUND,
    beginning="organisations_beginning",
)
async def organisation(view: View[OrganisationQuery]) -> Shown | Problem:
    """Return an organisation's members and lent nodes, for its members."""
    kept, id_, sort = view.gateway.tables.organisations, view.ids["id"], view.query.sort
    own = await _own(view)
    if own is None:
        return ORGANISATION_NOT_FOUND
    lent = await kept.nodes(id_)
    there = {row.node_id for row in lent}
    search, since = NodeFilter(sort="name"), view.now - LATELY
    nodes = await NodeViews(view.gateway.database).page(view.who.user, search, since, NODES_MOST, 0)
    return {
        "title": own.name,
        "own": own,
        "members": table(await kept.members(id_), MEMBERS, sort, "", "members"),
        "nodes": table(lent, LENT, sort, "", "nodes"),
        "to_lend": [row for row in nodes if row.id not in there],
        "is_owner": own.role == "owner" and view.may_change,
    }


async def _own(view: View[Any]) -> Organisation | None:
    """Return the organisation if the user is a member."""
    found = await view.gateway.tables.organisations.of_user(view.who.user)
    return next((each for each in found if each.id == view.ids["id"] and each.joined), None)


@pages.action("/organisations", form_on="/organisations")
async def found(view: View[NewOrganisation]) -> Redirect | Problem:
    """Found an organisation."""
    gateway, name = view.gateway, view.query.name
    new = gateway.ports.random.uuid()
    act = await view.doer.act("organisation.found", f"organisation:{new}", name, {})
    if act is None:
        return ACCOUNT_GONE
    if await gateway.tables.organisations.found(new, name, act) is None:
        return Problem(409, f"You are already in {OF_USER_MOST} organisations; leave one first")
    return Redirect(f"{PATH}/{new}", f"{name} is founded. Invite others and lend it nodes.")


@pages.action(
    "/organisations/{id}/invite",
    absent=ORGANISATION_NOT_FOUND,
    form_on="/organisations/{id}",
)
async def invite(view: View[InvitationForm]) -> Redirect | Problem:
    """Invite a user."""
    if (unverified := await address_refusal(view.gateway, view.who.user)) is not None:
        return unverified
    kept, form, id_ = view.gateway.tables.organisations, view.query, view.ids["id"]
    return await _changed(
        view,
        ("organisation.invite", form.email),
        lambda act: kept.invite(id_, form.email, form.role, act),
        f"If there is an account with the address {form.email}, its user is invited.",
    )


@pages.action("/organisations/{id}/accept", absent=ORGANISATION_NOT_FOUND)
async def accept(view: View) -> Redirect | Problem:
    """Accept an invitation."""
    kept, id_ = view.gateway.tables.organisations, view.ids["id"]
    about = ("organisation.join", "accepted")
    return await _changed(view, about, lambda act: kept.join(id_, act), "You are now a member.")


@pages.action("/organisations/{id}/leave", absent=ORGANISATION_NOT_FOUND)
async def leave(view: View) -> Redirect | Problem:
    """Leave an organisation or decline an invitation."""
    kept, user, id_ = view.gateway.tables.organisations, view.who.user, view.ids["id"]
    about = ("organisation.leave", str(user))
    said = "You and your nodes have left the organisation."
    return await _changed(view, about, lambda act: kept.leave(id_, user, act), said, PATH)


@pages.action("/organisations/{id}/remove", absent=ORGANISATION_NOT_FOUND)
async def remove(view: View[MemberPath]) -> Redirect | Problem:
    """Remove a member, as an owner."""
    kept, user, id_ = view.gateway.tables.organisations, view.query.user, view.ids["id"]
    about = ("organisation.leave", str(user))
    return await _changed(
        view, about, lambda act: kept.leave(id_, user, act), "The member is removed."
    )


@pages.action("/organisations/{id}/members/{user}/role", absent=ORGANISATION_NOT_FOUND)
async def set_role(view: View[RoleForm]) -> Redirect | Problem:
    """Make a member an owner, or an owner a member."""
    kept, user, role = view.gateway.tables.organisations, view.ids["user"], view.query.role
    id_, about = view.ids["id"], ("organisation.role", f"{user}: {role}")
    said = f"The member is now {'an owner' if role == 'owner' else 'a member'}."
    return await _changed(view, about, lambda act: kept.set_role(id_, user, role, act), said)


@pages.action("/organisations/{id}/end", absent=ORGANISATION_NOT_FOUND)
async def end(view: View) -> Redirect | Problem:
    """End an organisation."""
    kept, id_ = view.gateway.tables.organisations, view.ids["id"]
    said = "The organisation has ended; nodes are no longer lent to it."
    about = ("organisation.end", "by an owner")
    return await _changed(view, about, lambda act: kept.end(id_, act), said, PATH)


@pages.action("/organisations/{id}/lend", absent=ORGANISATION_NOT_FOUND)
async def lend(view: View[NodeForm]) -> Redirect | Problem:
    """Lend a node to the organisation."""
    kept, node, id_ = view.gateway.tables.organisations, view.query.node, view.ids["id"]
    about = ("organisation.lend", str(node))
    return await _changed(view, about, lambda act: kept.lend(id_, node, act), "The node is lent.")


@pages.action("/organisations/{id}/take-back", absent=ORGANISATION_NOT_FOUND)
async def take_back(view: View[NodeForm]) -> Redirect | Problem:
    """End the loan of a node."""
    kept, node, id_ = view.gateway.tables.organisations, view.query.node, view.ids["id"]
    about, said = ("organisation.unlend", str(node)), "The node is no longer lent."
    return await _changed(view, about, lambda act: kept.unlend(id_, node, act), said)


@pages.action("/trusted", form_on="/organisations")
async def trust(view: View[MemberForm]) -> Redirect | Problem:
    """Trust a user."""
    kept, email = view.gateway.tables.organisations, view.query.email
    if await is_own(view.gateway, view.who.user, email):
        return YOURSELF
    act = await view.doer.act("trust.add", f"address:{email}", email, {})
    if act is None:
        return ACCOUNT_GONE
    if await kept.trust(email, act) is ChangeOutcome.TOO_MANY:
        return TRUSTED_FULL
    await announce_access_change(view.gateway)
    return Redirect(PATH, f"If there is an account with the address {email}, you trust its user.")


@pages.action("/trusted/{user}/end", absent=NOT_TRUSTED)
async def distrust(view: View) -> Redirect | Problem:
    """Stop trusting a user."""
    user = view.ids["user"]
    act = await view.doer.act("trust.end", f"user:{user}", "ended", {})
    if act is None:
        return ACCOUNT_GONE
    if await view.gateway.tables.organisations.distrust(user, act) is ChangeOutcome.ABSENT:
        return NOT_TRUSTED
    await announce_access_change(view.gateway)
    return Redirect(PATH, "You no longer trust this account. Its nodes finish your running units.")


async def _changed(
    view: View[Any], about: tuple[str, str], change: Change, said: str, to: str = ""
) -> Redirect | Problem:
    """Change an organisation. ``about``: name and reason of the audit record."""
    id_ = view.ids["id"]
    act = await view.doer.act(about[0], f"organisation:{id_}", about[1], {})
    if act is None:
        return ACCOUNT_GONE
    became = await change(act)
    if became is not ChangeOutcome.DONE:
        return PROBLEMS.get(became, ORGANISATION_NOT_FOUND)
    await announce_access_change(view.gateway)
    return Redirect(to or f"{PATH}/{id_}", said)
