"""Account page: each user's own password, sessions and API keys, for users of every role."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import attrs

from rendertrust.api.refusal_code import RefusalCode
from sql.api_keys import LIVING_MAX
from sql.login_sessions import SessionRow
from web.console.confirmation import confirmation_of
from web.console.pages.share import SHARES, is_sharing, shares_of
from web.console.registry import Nav, Pages
from web.console.tables import Column, SortQuery, Table, order_by, table
from web.console.view import ACCOUNT_GONE, Redirect, Shown, View, session_of
from web.http.converter import structure
from web.http.problem import Fault, Problem, invalid
from web.identity.roles import Scope
from web.routes.account import mails_of
from web.routes.auth import PasswordChange, set_own_password
from web.routes.keys import KEY_NOT_FOUND, NewKey, create_key, revoke_key
from web.routes.sessions import SESSION_NOT_FOUND, end_other_sessions, end_session

pages = Pages()
PATH: Final = "/console/account"
SESSIONS_MOST: Final = 100
SESSIONS: Final = (
    Column("Device", "device"),
    Column("Since", "created_at", "time"),
    Column("Last used", "rotated_at", "time"),
)
KEYS: Final = (
    Column("Key", "name"),
    Column("Allows"),
    Column("Created", "created_at", "time"),
    Column("Expires", "expires_at", "time"),
    Column("Last used", "used_at", "time"),
)
SCOPES: Final = {
    Scope.JOBS_READ: "See jobs and results",
    Scope.JOBS_WRITE: "Submit and change jobs",
    Scope.UPLOADS_WRITE: "Upload files",
    Scope.CREDITS_READ: "See credits and earnings",
    Scope.CREDITS_WRITE: "Spend credits and request payouts",
    Scope.NODES_READ: "See nodes and organisations",
    Scope.NODES_WRITE: "Change nodes and organisations",
}
LIFETIMES: Final = (("", "Never"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"))
NO_SCOPE: Final = Fault("scope", "missing", "Choose at least one thing that the key allows")
# Names in User-Agent headers, each with the name that people know; the first match counts, as
# browsers also name those that they descend from.
BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("HeadlessChrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS: Final = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Android", "Android"),
    ("Linux", "Linux"),
)


@attrs.frozen
class AccountQuery(SortQuery):
    sort: Annotated[str, order_by(sessions=SESSIONS, keys=KEYS, shares=SHARES)] = ""


@attrs.frozen
class KeyForm:
    """A new key; its scopes are the repeated field ``scope``."""

    name: str
    expires: Literal["", "30", "90", "365"] = ""


@attrs.frozen
class OwnItemForm:
    """One of the user's sessions or keys, by its id."""

    which: UUID


@attrs.frozen
class DeviceSession:
    """A session with the name of its device. ``is_here``: the session of this browser."""

    sid: UUID
    device: str
    client: str
    created_at: Any
    rotated_at: Any
    is_here: bool


@pages.page(
    "/account",
    "Your account",
    "account.html",
    nav=Nav("Your account", "p", 65, "user"),
    own=True,
)
async def account(view: View[AccountQuery]) -> Shown | Problem:
    """Return the user's own account, for every role."""
    tables, user = view.gateway.tables, view.who.user
    row = await tables.users.by_id(user)
    if row is None:
        return ACCOUNT_GONE
    identities = await tables.identities.of(user)
    linked = {each.issuer for each in identities}
    return {
        "account": row,
        "confirmation": await confirmation_of(view, row),
        "identities": [(each, view.gateway.providers.named(each.issuer)) for each in identities],
        "linkable": [each for each in view.gateway.providers.settings if each.issuer not in linked],
        "balance": (await tables.credits.balance(user)).balance,
        "factors": await tables.second_factors.state(user),
        "sessions": await _sessions(view),
        "keys": table(
            await tables.api_keys.page(user, LIVING_MAX, 0),
            *(KEYS, view.query.sort, "-created_at", "keys"),
        ),
        "shares": await shares_of(view, view.query.sort),
        "may_share": is_sharing(view.gateway),
        "scopes": SCOPES,
        "labels": {scope.value: label.lower() for scope, label in SCOPES.items()},
        "lifetimes": LIFETIMES,
        "wanted_mails": mails_of(row),
        "sends_mail": bool(view.gateway.settings.mail.url),
    }


async def _sessions(view: View[AccountQuery]) -> Table:
    rows = await view.gateway.tables.sessions.page(view.who.user, view.now, SESSIONS_MOST, 0)
    found = [_shown(row, is_here=row.sid == view.session) for row in rows]
    return table(found, SESSIONS, view.query.sort, "-rotated_at", "sessions")


def _shown(row: SessionRow, *, is_here: bool) -> DeviceSession:
    device = device_of(row.client)
    return DeviceSession(row.sid, device, row.client, row.created_at, row.rotated_at, is_here)


def device_of(client: str) -> str:
    """Return a device as people know it, from a User-Agent: ``Chrome on Linux``.

    Other programs are called by their first word.
    """
    if not client.startswith("Mozilla/"):
        return re.split(r"[\s/]", client, maxsplit=1)[0] or "Unknown"
    browser = next((name for word, name in BROWSERS if f"{word}/" in client), "A browser")
    system = next((name for word, name in SYSTEMS if word in client), "")
    return f"{browser} on {system}" if system else browser


@pages.action("/account/password", form_on="/account", rate="login", on_own_account=True)
async def change_password(view: View[PasswordChange]) -> Redirect | Problem:
    """Change the user's password; all their other sessions end."""
    done = await set_own_password(view.gateway, view.who.user, session_of(view), view.query)
    if not isinstance(done, Problem):
        return Redirect(PATH, "Your password is changed. All other sessions have ended.")
    if done.code is RefusalCode.PASSWORD_INCORRECT:
        return invalid([Fault("old_password", "value", "is incorrect")])
    return done


@pages.action("/account/sessions", absent=SESSION_NOT_FOUND, on_own_account=True)
async def end_one(view: View[OwnItemForm]) -> Redirect | Problem:
    """End one of the user's sessions."""
    done = await end_session(view.gateway, view.who.user, view.query.which)
    return done if isinstance(done, Problem) else Redirect(PATH, "The session has ended.")


@pages.action("/account/sessions/others", on_own_account=True)
async def end_others(view: View) -> Redirect | Problem:
    """End all sessions of the user but this one."""
    number = await end_other_sessions(view.gateway, view.who.user, session_of(view))
    return Redirect(PATH, f"{number} other session{' has' if number == 1 else 's have'} ended.")


@pages.action("/account/keys", form_on="/account", on_own_account=True)
async def make_key(view: View[KeyForm]) -> Redirect | Problem:
    """Create an API key, which the next page shows once."""
    form, scopes = view.query, list(dict.fromkeys(view.fields.getall("scope", [])))
    if not scopes:
        return invalid([NO_SCOPE])
    expires = view.now + timedelta(days=int(form.expires)) if form.expires else None
    given = {"name": form.name, "scopes": scopes}
    if expires is not None:
        given["expires_at"] = expires.isoformat()
    wanted = structure(given, NewKey)
    if isinstance(wanted, list):
        return invalid(wanted)
    made = await create_key(view.gateway, view.who.user, session_of(view), wanted)
    if isinstance(made, Problem):
        return made
    return Redirect(PATH, "The key is created. Save it now: it is not shown again.", made.key)


@pages.action("/account/keys/revoke", absent=KEY_NOT_FOUND, on_own_account=True)
async def end_key(view: View[OwnItemForm]) -> Redirect | Problem:
    """Revoke one of the user's keys."""
    done = await revoke_key(view.gateway, view.who.user, view.query.which)
    return done if isinstance(done, Problem) else Redirect(PATH, "The key is revoked.")
