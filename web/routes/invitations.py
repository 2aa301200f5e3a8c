"""Invitations to open an account, for admins. The token is shown once, and is used once."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from sql.invitations import InvitationRow, NewInvitation
from web.http.converter import Email
from web.http.operations import TOKEN_REFUSED, Audience, Call, Operations
from web.http.pagination import Window
from web.http.problem import Problem
from web.http.responses import from_row
from web.identity.acting_user import ActingUser
from web.identity.invitation_tokens import digest_of, link_of, make_token
from web.openapi.examples import reference as examples
from web.routes.admin import Because, Reason, doer_of
from web.routes.auth import Done

operations = Operations(audience=Audience.ADMIN)
INVITATION_NOT_FOUND: Final = Problem(
    404, "Invitation not found", code=RefusalCode.INVITATION_NOT_FOUND
)
TOO_MANY: Final = Problem(
    409,
    "There are too many open invitations: revoke some first",
    code=RefusalCode.TOO_MANY_INVITATIONS,
)


@attrs.frozen
class InvitationOrder:
    """An invitation to make. ``email``: only this address may use it; null: any address."""

    reason: Reason
    email: Email | None = None
    days: Annotated[int, Meta(ge=1, le=90)] = 7


@attrs.frozen
class AccountInvitation:
    """An open invitation. ``created_by``: the admin who made it."""

    id: str
    email: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime


@attrs.frozen
class CreatedInvitation(AccountInvitation):
    """An invitation with its token, and with the link to the page on which it is used. Both are
    shown only once.
    """

    token: str = attrs.field(repr=False, kw_only=True)
    link: str = attrs.field(repr=False, kw_only=True)


@attrs.frozen
class AccountInvitations:
    """A page of open invitations, newest first. ``count`` is the number of all open ones."""

    invitations: tuple[AccountInvitation, ...]
    count: int


@operations.post(
    "/api/v1/admin/invitations",
    answers={201: CreatedInvitation},
    refusals={409: "There are too many open invitations"},
    request_example=examples.INVITATION_ORDER,
    example=examples.CREATED_INVITATION,
)
async def create(call: Call[InvitationOrder]) -> CreatedInvitation | Problem:
    """Make an invitation to open an account.

    The token is shown in this answer and never again. It can be used once.
    """
    return await invite(doer_of(call), call.body, call.base)


@operations.get(
    "/api/v1/admin/invitations",
    example=examples.INVITATIONS,
)
async def index(call: Call[None, Window]) -> AccountInvitations:
    """List open invitations, newest first."""
    rows, now, window = call.gateway.tables.invitations, call.gateway.ports.clock.now(), call.query
    found = await rows.page(now, window.limit, window.offset)
    return AccountInvitations(tuple(map(shown, found)), await rows.count(now))


@operations.post(
    "/api/v1/admin/invitations/{invitation_id}/revoke",
    absent=INVITATION_NOT_FOUND,
    request_example=examples.BECAUSE,
    example=examples.INVITATION_REVOKED,
)
async def revoke(call: Call[Because]) -> Done | Problem:
    """Revoke an invitation that was not used."""
    return await revoke_invitation(doer_of(call), call.ids["invitation_id"], call.body.reason)


async def revoke_invitation(doer: ActingUser, id_: UUID, reason: str) -> Done | Problem:
    """Revoke an invitation on an admin's behalf."""
    act = await doer.act("user.revoke_invitation", target_of(id_), reason, {})
    if act is None:
        return TOKEN_REFUSED
    if not await doer.gateway.tables.invitations.revoke(id_, act):
        return INVITATION_NOT_FOUND
    return Done("The invitation was revoked")


async def invite(
    doer: ActingUser, order: InvitationOrder, base: str | None
) -> CreatedInvitation | Problem:
    """Make an invitation on an admin's behalf. ``base``: the gateway's address, as the admin sees
    it; None: the address in the settings.
    """
    gateway, random = doer.gateway, doer.gateway.ports.random
    token = make_token(random)
    new = invitation_of(order, token, random.uuid(), gateway.ports.clock.now())
    act = await doer.act("user.invite", target_of(new.id), order.reason, details_of(new))
    if act is None:
        return TOKEN_REFUSED
    row = await gateway.tables.invitations.insert(new, act)
    if row is None:
        return TOO_MANY
    link = link_of(base or gateway.url(), token, order.email)
    return CreatedInvitation(**attrs.asdict(shown(row)), token=token, link=link)


def invitation_of(order: InvitationOrder, token: str, id_: UUID, now: datetime) -> NewInvitation:
    """Return the row of a new invitation; it has only the token's hash."""
    expires_at = now + timedelta(days=order.days)
    return NewInvitation(id_, digest_of(token), order.email, expires_at)


def target_of(id_: UUID) -> str:
    """Return the target's name in the audit log."""
    return f"invitation:{id_}"


def details_of(new: NewInvitation) -> Mapping[str, str | None]:
    """Return the terms of the invitation for the audit log."""
    return {"email": new.email, "expires_at": new.expires_at.isoformat(timespec="seconds")}


def shown(row: InvitationRow) -> AccountInvitation:
    return from_row(AccountInvitation, row)
