"""Export and deletion of the user's own account."""

from typing import Annotated, Any, Final

import attrs
from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from web.console.confirmation import password_refusal
from web.console.page_responses import SIGN_IN
from web.console.registry import Pages
from web.console.view import ACCOUNT_GONE, Redirect, View, session_of
from web.http.problem import Fault, Problem, invalid
from web.identity.second_factor import recent_factor_refusal
from web.routes import account
from web.routes.account import erase_account

pages = Pages()
EXPORT: Final = "/account/export.json"
pages.call(EXPORT, account.operations, account.export)


@attrs.frozen
class DeletionForm:
    """The user's password, if they have one, and ``sure``, which a second thought must tick."""

    deletion_password: Annotated[str, Meta(max_length=1024)] = attrs.field(default="", repr=False)
    sure: Annotated[str, Meta(max_length=10)] = ""


@pages.action("/account/export", form_on="/account", on_own_account=True)
async def export(view: View) -> Redirect | Problem:
    """Redirect to the export, which the browser saves, once the second factor was given."""
    return await _factor_refusal(view) or Redirect(f"/console{EXPORT}")


@pages.action("/account/delete", form_on="/account", rate="login", on_own_account=True)
async def delete(view: View[DeletionForm]) -> Redirect | Problem:
    """Delete the account, whose sessions end."""
    if not view.query.sure:
        return invalid([Fault("sure", "missing", "Tick this, if you are sure")])
    refused = await _factor_refusal(view)
    if refused is not None:
        return refused
    row = await view.gateway.tables.users.by_id(view.who.user)
    refused = await password_refusal(
        view.gateway, row, session_of(view), view.query.deletion_password, "deletion_password"
    )
    if refused is not None or row is None or row.password_hash is None:
        return refused or ACCOUNT_GONE
    done = await erase_account(view.gateway, row.id, row.password_hash)
    if not isinstance(done, Problem):
        return Redirect(SIGN_IN, "Your account is deleted.")
    if done.code is RefusalCode.PASSWORD_INCORRECT:
        return invalid([Fault("deletion_password", "value", "is incorrect")])
    return done


async def _factor_refusal(view: View[Any]) -> Problem | None:
    return await recent_factor_refusal(view.gateway, view.who.user, session_of(view))
