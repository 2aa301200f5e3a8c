"""Action of an admin: make a link with which a user chooses a new password."""

from web.console.pages.users import PATH, ReasonForm
from web.console.registry import Pages
from web.console.view import ADMINS, Redirect, View, session_of
from web.http.problem import Problem
from web.identity.second_factor import recent_factor_refusal
from web.routes.admin import USER_NOT_FOUND
from web.routes.password_resets import make_link

pages = Pages()


@pages.action("/users/{id}/reset-link", who=ADMINS, absent=USER_NOT_FOUND, form_on="/users/{id}")
async def reset_link(view: View[ReasonForm]) -> Redirect | Problem:
    """Make a link, and show it once."""
    refused = await recent_factor_refusal(view.gateway, view.who.user, session_of(view))
    if refused is not None:
        return refused
    made = await make_link(view.doer, view.ids["id"], view.query.reason, view.base)
    if isinstance(made, Problem):
        return made
    said = "Give this link to the user. It works once, for 30 minutes."
    return Redirect(f"{PATH}/{view.ids['id']}", said, once=made.link)
