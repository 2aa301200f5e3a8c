"""Invitations on the users page: links with which people open an account."""

from typing import Annotated, Any, Final
from uuid import UUID

import attrs
from msgspec import Meta

from web.console.registry import Pages
from web.console.tables import Column, Table, table
from web.console.view import ADMINS, Redirect, View
from web.http.converter import structure
from web.http.problem import Problem, invalid
from web.routes.admin import Reason
from web.routes.invitations import (
    INVITATION_NOT_FOUND,
    InvitationOrder,
    invite,
    revoke_invitation,
)

pages = Pages()
PATH: Final = "/console/users"
LISTED_MOST: Final = 100
INVITATIONS: Final = (
    Column("For", "email"),
    Column("By", "created_by"),
    Column("Made", "created_at", "time"),
    Column("Expires", "expires_at", "time"),
)


@attrs.frozen
class NewInvitationForm:
    """A new invitation; an empty address means any address."""

    reason: Reason
    address: Annotated[str, Meta(max_length=254)] = ""
    days: Annotated[int, Meta(ge=1, le=90)] = 7


@attrs.frozen
class RevokedInvitationForm:
    which: UUID
    why: Reason


async def invitations_of(view: View[Any], sort: str) -> Table | None:
    """Return the open invitations; None if accounts are not opened by invitation."""
    gateway = view.gateway
    if gateway.settings.accounts.registration != "invite":
        return None
    rows = await gateway.tables.invitations.page(view.now, LISTED_MOST, 0)
    return table(rows, INVITATIONS, sort, "-created_at", "invitations")


@pages.action("/invitations", who=ADMINS, form_on="/users")
async def create(view: View[NewInvitationForm]) -> Redirect | Problem:
    """Make an invitation, whose link the next page shows once."""
    form = view.query
    given = {"reason": form.reason, "email": form.address.strip() or None, "days": form.days}
    order = structure(given, InvitationOrder)
    if isinstance(order, list):
        return invalid([attrs.evolve(fault, field="address") for fault in order])
    made = await invite(view.doer, order, view.base)
    if isinstance(made, Problem):
        return made
    said = "The invitation is made. Copy its link now: it is not shown again, and works once."
    return Redirect(PATH, said, made.link)


@pages.action("/invitations/revoke", who=ADMINS, absent=INVITATION_NOT_FOUND, form_on="/users")
async def revoke(view: View[RevokedInvitationForm]) -> Redirect | Problem:
    """Revoke an invitation that was not used."""
    done = await revoke_invitation(view.doer, view.query.which, view.query.why)
    return done if isinstance(done, Problem) else Redirect(PATH, "The invitation is revoked.")
