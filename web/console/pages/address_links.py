"""Action that sends the user another link to verify their address."""

from web.console.registry import ROOT, Pages
from web.console.view import Redirect, View
from web.http.problem import Problem
from web.routes.address_verifications import send_verification

pages = Pages()


@pages.action("/account/verification", on_own_account=True)
async def send(view: View) -> Redirect | Problem:
    """Send a link to the address of the user who asks."""
    made = await send_verification(view.gateway, view.who.user)
    if isinstance(made, Problem):
        return made
    return Redirect(ROOT, "A link is on its way to your address. It works once, for 24 hours.")
