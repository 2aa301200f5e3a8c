"""Action of the account page: choose the mails that the user gets."""

from typing import Final

from web.console.registry import Pages
from web.console.view import Redirect, View
from web.http.problem import Fault, Problem, invalid
from web.routes.account import NOTICES, choose_mails

pages = Pages()
PATH: Final = "/console/account"
UNKNOWN: Final = Fault("mail", "value", "is not a kind of mail")


@pages.action("/account/mails", form_on="/account", on_own_account=True)
async def choose(view: View) -> Redirect | Problem:
    """Choose the mails that the user gets: the repeated field ``mail``."""
    wanted = view.fields.getall("mail", [])
    if not set(wanted) <= set(NOTICES):
        return invalid([UNKNOWN])
    await choose_mails(view.gateway, view.who.user, wanted)
    return Redirect(PATH, "Your choice of mails is saved.")
