"""An admin's forms for accounts of others: create, change the role, deactivate, mail a link."""

from typing import Annotated, Any, Final

import attrs
from msgspec import Meta

from web.console.pages.users import PATH, ROLES, ReasonForm
from web.console.registry import Pages
from web.console.view import ADMINS, Redirect, Shown, View, session_of
from web.http.problem import Fault, Problem, invalid
from web.identity.acting_user import ActingUser
from web.identity.second_factor import recent_factor_refusal
from web.routes.admin import USER_NOT_FOUND, NewRole, activity_set, role_set
from web.routes.auth import EMAIL_REGISTERED
from web.routes.new_users import UserToCreate, open_for
from web.routes.password_resets import mail_link

pages = Pages()
TAKEN: Final = invalid([Fault("email", "duplicate", "already has an account")])


@attrs.frozen
class NewUserQuery:
    """``email``: an address that the form begins with."""

    email: Annotated[str, Meta(max_length=254)] = ""


@pages.page("/users/new", "New user", "user_new.html", who=ADMINS)
async def new(view: View[NewUserQuery]) -> Shown:
    """Return the form for a new user."""
    mails = bool(view.gateway.settings.mail.url)
    return {"roles": ROLES, "mails": mails, "email": view.query.email}


@pages.action("/users/new", who=ADMINS, form_on="/users/new")
async def create(view: View[UserToCreate]) -> Redirect | Problem:
    """Create a user, and show the link for their password once, unless it is mailed."""
    refused = await _factor_refusal(view)
    if refused is not None:
        return refused
    made = await open_for(_doer(view), view.query, view.base)
    if isinstance(made, Problem):
        return TAKEN if made is EMAIL_REGISTERED else made
    there = f"{PATH}/{made.user.id}"
    if made.link is None:
        said = "The account is open. A link for the password is on its way to the user."
        return Redirect(there, said)
    said = "The account is open. Give this link to the user: it works once, for three days."
    return Redirect(there, said, made.link)


@pages.action("/users/{id}/role", who=ADMINS, absent=USER_NOT_FOUND, form_on="/users/{id}")
async def set_role(view: View[NewRole]) -> Redirect | Problem:
    """Set the user's role; their sessions end."""
    refused = await _factor_refusal(view)
    if refused is not None:
        return refused
    row = await role_set(_doer(view), view.ids["id"], view.query)
    if isinstance(row, Problem):
        return row
    said = "The new role counts from the next sign-in on. The user's sessions have ended."
    return Redirect(f"{PATH}/{row.id}", said)


@pages.action("/users/{id}/deactivate", who=ADMINS, absent=USER_NOT_FOUND, form_on="/users/{id}")
async def deactivate(view: View[ReasonForm]) -> Redirect | Problem:
    """Deactivate the user."""
    said = "The user is deactivated: their sessions have ended, and their keys are refused."
    return await _set_active(view, said, active=False)


@pages.action("/users/{id}/activate", who=ADMINS, absent=USER_NOT_FOUND, form_on="/users/{id}")
async def activate(view: View[ReasonForm]) -> Redirect | Problem:
    """Activate the user again."""
    return await _set_active(view, "The user is active again, and can sign in.", active=True)


async def _set_active(view: View[ReasonForm], said: str, *, active: bool) -> Redirect | Problem:
    refused = await _factor_refusal(view)
    if refused is not None:
        return refused
    id_, reason = view.ids["id"], view.query.reason
    row = await activity_set(_doer(view), id_, reason, active=active)
    return row if isinstance(row, Problem) else Redirect(f"{PATH}/{id_}", said)


@pages.action("/users/{id}/reset-mail", who=ADMINS, absent=USER_NOT_FOUND, form_on="/users/{id}")
async def send_reset(view: View[ReasonForm]) -> Redirect | Problem:
    """Have a link for a new password sent to the user by mail."""
    done = await mail_link(_doer(view), view.ids["id"], view.query.reason)
    if isinstance(done, Problem):
        return done
    return Redirect(f"{PATH}/{view.ids['id']}", f"{done.message}.")


async def _factor_refusal(view: View[Any]) -> Problem | None:
    return await recent_factor_refusal(view.gateway, view.who.user, session_of(view))


def _doer(view: View[Any]) -> ActingUser:
    return ActingUser(view.gateway, view.who.user, view.request_id)
