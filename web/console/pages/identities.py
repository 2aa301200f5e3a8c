"""Identities of the user at providers of OpenID Connect: unlink one, and set a first password."""

from typing import Annotated, Final
from uuid import UUID

import attrs
import structlog
from msgspec import Meta

from sql.identities import LastIdentity
from web.console.confirmation import confirmation_refusal, password_refusal
from web.console.registry import Pages
from web.console.view import ACCOUNT_GONE, Redirect, View, session_of
from web.http.problem import Problem
from web.identity.second_factor import recent_factor_refusal
from web.routes.auth import Password, mail_id

pages = Pages()
log = structlog.get_logger("identities")
PATH: Final = "/console/account"
NO_IDENTITY: Final = Problem(404, "There is no such identity")
LAST: Final = Problem(409, "Set a password first: you could no longer sign in")
HAS_PASSWORD: Final = Problem(409, "You have a password already")
PASSWORD_SET: Final = "Your password is set. All other sessions have ended."  # noqa: S105 - a text


@attrs.frozen
class UnlinkForm:
    """An identity of the user. ``confirmation``: their password, if they have no factor."""

    which: UUID
    confirmation: Annotated[str, Meta(max_length=1024)] = attrs.field(default="", repr=False)


@attrs.frozen
class FirstPasswordForm:
    """The password of a user who has none."""

    new_password: Password = attrs.field(repr=False)


@pages.action(
    "/account/identities/unlink",
    form_on="/account",
    rate="login",
    absent=NO_IDENTITY,
    on_own_account=True,
)
async def unlink(view: View[UnlinkForm]) -> Redirect | Problem:
    """Unlink one of the user's identities, which no longer signs them in."""
    gateway, user, form = view.gateway, view.who.user, view.query
    refused = await confirmation_refusal(
        gateway, user, session_of(view), form.confirmation, "confirmation"
    )
    if refused is not None:
        return refused
    issuers = [each.issuer for each in gateway.providers.settings]
    try:
        if not await gateway.tables.identities.unlink(user, form.which, issuers):
            return NO_IDENTITY
    except LastIdentity:
        return LAST
    log.info("identity unlinked", user=str(user))
    return Redirect(PATH, "The identity is unlinked.")


@pages.action("/account/password/first", form_on="/account", rate="login", on_own_account=True)
async def set_first_password(view: View[FirstPasswordForm]) -> Redirect | Problem:
    """Set the password of a user who signs in at a provider; their other sessions end.

    They confirm it by their provider and, if they have one, by their second factor.
    """
    gateway, user, session = view.gateway, view.who.user, session_of(view)
    row = await gateway.tables.users.by_id(user)
    if row is None or row.password_hash is None:
        return ACCOUNT_GONE
    if row.has_password:
        return HAS_PASSWORD
    refused = await recent_factor_refusal(gateway, user, session) or await password_refusal(
        gateway, row, session, "", "new_password"
    )
    if refused is not None:
        return refused
    fresh = await gateway.identity.passwords.hash(view.query.new_password)
    ended = await gateway.tables.administration.change_password(
        *(user, row.password_hash, fresh, session, view.now), notice=mail_id(gateway)
    )
    if ended is None:
        return HAS_PASSWORD
    gateway.identity.revocations.add(*ended.sessions)
    log.info("password set", user=str(user), ended=len(ended.sessions))
    return Redirect(PATH, PASSWORD_SET)
