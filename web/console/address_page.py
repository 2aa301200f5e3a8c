"""The page "Verify your address", and the action that sends another link."""

from typing import Final

from aiohttp import web

from sql.link_tokens import VERIFICATION
from web.console.forms import FormErrors, form_of, refusal_of
from web.console.page_responses import frame_of, gone_to, html
from web.console.password_pages import UNUSABLE, typed
from web.console.registry import ROOT, Pages
from web.console.session import FOREIGN, is_own
from web.console.view import Redirect
from web.gateway import Gateway
from web.http.converter import structure_query
from web.http.problem import Problem, invalid
from web.http.refusal_code import RefusalCode
from web.routes.address_verifications import AddressVerification, verify_address

VERIFY: Final = VERIFICATION.page
SAID: Final = "Your e-mail address is verified."


class AddressPage:
    """The page and its form's handler. A link alone verifies nothing, as programs that look for
    viruses open the links in mails.
    """

    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        self._gateway, self._pages = gateway, pages

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        """Show the form; a script moves the token from the link into it."""
        return self._page(request, None, 200)

    async def verify(self, request: web.Request) -> web.StreamResponse | Problem:
        """Verify the address, and go to the console."""
        if not is_own(request, self._gateway):
            return FOREIGN
        fields = await form_of(request, self._gateway.settings.server.body_seconds)
        if isinstance(fields, Problem):
            return fields
        read = structure_query(fields, AddressVerification)
        made = invalid(read) if isinstance(read, list) else await self._verified(read)
        if made is None:
            return gone_to(request, self._gateway, Redirect(ROOT, SAID))
        if made.status >= 500:
            return made
        return self._page(request, refusal_of(made, typed(fields)), made.status)

    async def _verified(self, given: AddressVerification) -> Problem | None:
        made = await verify_address(self._gateway, given)
        if not isinstance(made, Problem):
            return None
        if made.code is RefusalCode.VERIFICATION_TOKEN_INVALID:
            return Problem(made.status, made.detail, (UNUSABLE,), code=made.code)
        return made

    def _page(self, request: web.Request, refusal: FormErrors | None, status: int) -> web.Response:
        frame = frame_of(request, self._pages, None, None)
        context = {"frame": frame, "title": "Verify your address", "refusal": refusal}
        return html(request, self._gateway, "verify_address.html", context, status)
