"""Export and deletion of the user's own account."""

from typing import Annotated

import attrs
from msgspec import Meta

from web.console.page_responses import SIGN_IN
from web.console.registry import Pages
from web.console.view import Redirect, View
from web.http.problem import Fault, Problem, invalid
from web.http.refusal_code import RefusalCode
from web.routes import account
from web.routes.account import delete_account
from web.routes.auth import PasswordGuess

pages = Pages()
pages.call("/account/export.json", account.operations, account.export)


@attrs.frozen
class DeletionForm:
    """The user's password, and ``sure``, which a second thought must tick."""

    deletion_password: PasswordGuess = attrs.field(repr=False)
    sure: Annotated[str, Meta(max_length=10)] = ""


@pages.action("/account/delete", form_on="/account", rate="login", on_own_account=True)
async def delete(view: View[DeletionForm]) -> Redirect | Problem:
    """Delete the account, whose sessions end."""
    if not view.query.sure:
        return invalid([Fault("sure", "missing", "Tick this, if you are sure")])
    done = await delete_account(view.gateway, view.who.user, view.query.deletion_password)
    if not isinstance(done, Problem):
        return Redirect(SIGN_IN, "Your account is deleted.")
    if done.code is RefusalCode.PASSWORD_INCORRECT:
        return invalid([Fault("deletion_password", "value", "is incorrect")])
    return done
