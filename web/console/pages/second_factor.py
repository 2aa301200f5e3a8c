"""Second factor page: the user's own authenticator app, passkeys and recovery codes."""

from typing import Annotated, Any, Final
from uuid import UUID

import attrs
from msgspec import Meta

from sql.passkeys import PASSKEYS_MAX, PasskeyTaken
from sql.second_factors import AppSetup, LastFactor
from web.console.app_setup import CODE_WRONG, CODES_SAID, qr_of
from web.console.confirmation import confirmation_of, password_refusal
from web.console.registry import Pages
from web.console.view import ACCOUNT_GONE, Redirect, Shown, View, session_of
from web.http.problem import Problem
from web.identity.passkeys import (
    ANSWER_MAX,
    PasskeyHolder,
    add_passkey,
    fits,
    new_passkey_options,
)
from web.identity.second_factor import (
    CODE_MAX,
    confirm_app,
    is_needed,
    recent_factor_refusal,
    setup_in_session,
    stale_refusal,
    start_app,
    unconfirmed_secret,
)
from web.identity.totp import RecoveryCodes, new_recovery_codes, text_of

pages = Pages()
PATH: Final = "/console/account/second-factor"
APP: Final = f"{PATH}/app"
HAS_APP: Final = "You have an app already. Remove it before you set up another one."
NEW_CODES_SAID: Final = (
    "Save these recovery codes now: they are not shown again, and your old ones no longer work."
)
WRONG: Final = Problem(422, CODE_WRONG.rstrip("."))
LAST: Final = Problem(409, "Admins of this farm need a second factor: add another one first")
NO_FACTOR: Final = Problem(409, "Set up a second factor first")
NOT_MADE: Final = Problem(422, "The passkey was not accepted. Try again")
TAKEN: Final = Problem(
    409, f"The passkey is registered already, or you have {PASSKEYS_MAX} of them"
)
NO_PASSKEY: Final = Problem(404, "There is no such passkey")


@attrs.frozen
class AppForm:
    """The wish for an app. ``password``: the user's password, if this is their first factor, so
    that nobody else who uses their browser locks them out, or sees the secret.
    """

    password: Annotated[str, Meta(max_length=1024)] = attrs.field(default="", repr=False)


@attrs.frozen
class ConfirmForm:
    """The first code of an app."""

    code: Annotated[str, Meta(min_length=1, max_length=CODE_MAX)] = attrs.field(repr=False)


@attrs.frozen
class PasskeyForm:
    """A new passkey: its name, and the browser's answer. ``password``: as in ``AppForm``."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    attestation: Annotated[str, Meta(max_length=ANSWER_MAX)] = attrs.field(default="", repr=False)
    password: Annotated[str, Meta(max_length=1024)] = attrs.field(default="", repr=False)


@attrs.frozen
class RenameForm:
    which: UUID
    name: Annotated[str, Meta(min_length=1, max_length=100)]


@attrs.frozen
class RemoveForm:
    which: UUID


@pages.page("/account/second-factor", "Second factor", "second_factor.html", own=True)
async def second_factor(view: View) -> Shown | Problem:
    """Return the user's own factors."""
    row = await view.gateway.tables.users.by_id(view.who.user)
    if row is None:
        return ACCOUNT_GONE
    state = await view.gateway.tables.second_factors.state(view.who.user)
    needed = is_needed(view.gateway, view.who.role.value)
    holder = holder_of(view)
    rows = await view.gateway.tables.passkeys.of(view.who.user)
    passkeys = [(row, fits(row, holder)) for row in rows]
    return {
        "state": state,
        "needed": needed,
        "passkeys": passkeys,
        "site": holder.site,
        "confirmation": await confirmation_of(view, row),
    }


@pages.page(
    "/account/second-factor/app/{id}", "Authenticator app", "second_factor_app.html", own=True
)
async def app(view: View) -> Shown | Problem | Redirect:
    """Return the QR code of the app that the user is setting up.

    Only the person who gave the password or a factor gets the path's id: with it, they see the
    secret again after a wrong code.
    """
    gateway, user = view.gateway, view.who.user
    refused = await recent_factor_refusal(gateway, user, session_of(view))
    if refused is not None:
        return refused
    row = await gateway.tables.users.by_id(user)
    if row is None:
        return ACCOUNT_GONE
    secret = await unconfirmed_secret(gateway, setup_of(view))
    if secret is None:
        return Redirect(PATH)
    return {
        "qr": qr_of(gateway, secret, row.email),
        "secret": text_of(secret),
        "id": view.ids["id"],
        "is_secret": True,
    }


@pages.action(
    "/account/second-factor/app",
    form_on="/account/second-factor",
    rate="login",
    on_own_account=True,
)
async def set_up_app(view: View[AppForm]) -> Redirect | Problem:
    """Give the user a new secret for an app."""
    gateway = view.gateway
    first = await is_first(view, view.query.password)
    if isinstance(first, Problem):
        return first
    which = gateway.ports.random.uuid()
    if not await start_app(gateway, setup_in_session(view.who.user, session_of(view), which)):
        return Problem(409, HAS_APP.rstrip("."))
    return Redirect(f"{APP}/{which}")


@pages.action(
    "/account/second-factor/app/{id}/confirm",
    form_on="/account/second-factor/app/{id}",
    rate="login",
    on_own_account=True,
)
async def confirm(view: View[ConfirmForm]) -> Redirect | Problem:
    """Confirm the app by a code; the next page shows new recovery codes once."""
    gateway, user, session = view.gateway, view.who.user, session_of(view)
    state = await gateway.tables.second_factors.state(user)
    refused = await stale_refusal(gateway, user, session, state)
    if refused is not None:
        return refused
    first = not state.has_factor  # the set-up has asked for the password
    done = await confirm_app(gateway, setup_of(view), view.query.code, first=first)
    if done is False:
        return WRONG
    await gateway.tables.sessions.factor_given(session, user, view.now)
    if isinstance(done, RecoveryCodes):
        return Redirect(PATH, CODES_SAID, done.shown)
    return Redirect(PATH, "Your app is set up.")


@pages.action(
    "/account/second-factor/app/remove", form_on="/account/second-factor", on_own_account=True
)
async def remove_app(view: View) -> Redirect | Problem:
    """Remove the user's app."""
    gateway, user = view.gateway, view.who.user
    refused = await recent_factor_refusal(gateway, user, session_of(view))
    if refused is not None:
        return refused
    needed = is_needed(gateway, view.who.role.value)
    try:
        await gateway.tables.second_factors.remove_app(user, needs_one=needed)
    except LastFactor:
        return LAST
    return Redirect(PATH, "The app is removed.")


@pages.action("/account/second-factor/codes", form_on="/account/second-factor", on_own_account=True)
async def make_codes(view: View) -> Redirect | Problem:
    """Replace the user's recovery codes; the next page shows the new ones once."""
    gateway, user = view.gateway, view.who.user
    refused = await recent_factor_refusal(gateway, user, session_of(view))
    if refused is not None:
        return refused
    codes = new_recovery_codes(gateway.ports.random)
    if not await gateway.tables.second_factors.replace_codes(user, codes.hashes, view.now):
        return NO_FACTOR
    return Redirect(PATH, NEW_CODES_SAID, codes.shown)


@pages.page(
    "/account/second-factor/passkeys/new", "Passkey", "second_factor_passkey.html", own=True
)
async def passkey(view: View) -> Shown | Problem | Redirect:
    """Return the options with which the user's browser makes a passkey."""
    gateway, user = view.gateway, view.who.user
    refused = await recent_factor_refusal(gateway, user, session_of(view))
    if refused is not None:
        return refused
    row = await gateway.tables.users.by_id(user)
    if row is None:
        return ACCOUNT_GONE
    options = await new_passkey_options(gateway, holder_of(view), row.email)
    if not options:
        return Redirect(PATH)
    state = await gateway.tables.second_factors.state(user)
    return {
        "options": options,
        "is_first": not state.has_factor,
        "confirmation": await confirmation_of(view, row),
    }


@pages.action(
    "/account/second-factor/passkeys",
    form_on="/account/second-factor/passkeys/new",
    rate="login",
    on_own_account=True,
)
async def register_passkey(view: View[PasskeyForm]) -> Redirect | Problem:
    """Register the passkey that the browser has made."""
    form, session = view.query, session_of(view)
    first = await is_first(view, form.password)
    if isinstance(first, Problem):
        return first
    made = form.name, form.attestation
    try:
        done = await add_passkey(view.gateway, holder_of(view), *made, first=first)
    except PasskeyTaken:
        return TAKEN
    if done is False:
        return NOT_MADE
    await view.gateway.tables.sessions.factor_given(session, view.who.user, view.now)
    if isinstance(done, RecoveryCodes):
        return Redirect(PATH, CODES_SAID, done.shown)
    return Redirect(PATH, "The passkey is registered.")


@pages.action(
    "/account/second-factor/passkeys/rename",
    form_on="/account/second-factor",
    on_own_account=True,
)
async def rename_passkey(view: View[RenameForm]) -> Redirect | Problem:
    """Give one of the user's passkeys another name."""
    passkeys, form = view.gateway.tables.passkeys, view.query
    if not await passkeys.rename(view.who.user, form.which, form.name):
        return NO_PASSKEY
    return Redirect(PATH, "The passkey is renamed.")


@pages.action(
    "/account/second-factor/passkeys/remove",
    form_on="/account/second-factor",
    on_own_account=True,
)
async def remove_passkey(view: View[RemoveForm]) -> Redirect | Problem:
    """Remove one of the user's passkeys."""
    gateway, user = view.gateway, view.who.user
    refused = await recent_factor_refusal(gateway, user, session_of(view))
    if refused is not None:
        return refused
    needed = is_needed(gateway, view.who.role.value)
    try:
        gone = await gateway.tables.passkeys.remove(user, view.query.which, needs_one=needed)
    except LastFactor:
        return LAST
    return Redirect(PATH, "The passkey is removed.") if gone else NO_PASSKEY


def holder_of(view: View[Any]) -> PasskeyHolder:
    """Return the user as holder of passkeys."""
    assert view.passkeys is not None, "the request has a session"
    return view.passkeys


def setup_of(view: View[Any]) -> AppSetup:
    """Return the set-up of the path's id."""
    return setup_in_session(view.who.user, session_of(view), view.ids["id"])


async def is_first(view: View[Any], password: str) -> bool | Problem:
    """Return True if the factor that the user adds is their first one, or why they may not add one:
    the first one needs their password, further ones a recent use of a factor.
    """
    gateway, user = view.gateway, view.who.user
    state = await gateway.tables.second_factors.state(user)
    if state.has_factor:
        return await stale_refusal(gateway, user, session_of(view), state) or False
    row = await gateway.tables.users.by_id(user)
    refused = await password_refusal(gateway, row, session_of(view), password, "password")
    return True if refused is None else refused
