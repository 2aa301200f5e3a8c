"""Pages of links in mails: "Verify your address", and "Stop a change of your payout account"."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import attrs
from aiohttp import web
from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from sql.link_tokens import PAYOUT_STOP, TOKEN_MAX, VERIFICATION
from web.console.forms import FormErrors, form_of, refusal_of
from web.console.page_responses import SIGN_IN, frame_of, gone_to, html
from web.console.password_pages import UNUSABLE, typed
from web.console.registry import ROOT, Pages
from web.console.session import FOREIGN, is_own
from web.console.view import Redirect
from web.gateway import Gateway
from web.http.converter import structure_query
from web.http.problem import Fault, Problem, invalid
from web.routes.address_verifications import AddressVerification, verify_address
from web.routes.auth import Done
from web.routes.payout_accounts import stop_by_link

NOTHING_STOPPED: Final = "The link is invalid, used or expired, or no change waits"
NO_STOP: Final = Fault(
    "token", "value", "is not valid: it was used, has expired or is incomplete, or no change waits"
)


@attrs.frozen
class LinkTokenForm:
    """Form with the token of a link."""

    token: Annotated[str, Meta(min_length=1, max_length=TOKEN_MAX)] = attrs.field(repr=False)


@attrs.frozen
class LinkPurpose:
    """The purpose of a page's links. ``use`` uses a token; ``then``: where the user goes."""

    path: str
    title: str
    template: str
    use: Callable[[Gateway, str], Awaitable[Done | Problem]]
    then: Redirect


class LinkPage:
    """The page of a link, and its form's handler. A link alone does nothing, as programs that look
    for viruses open the links in mails.
    """

    def __init__(self, gateway: Gateway, pages: Pages, purpose: LinkPurpose) -> None:
        self._gateway, self._pages, self._purpose = gateway, pages, purpose

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        """Show the form; a script moves the token from the link into it."""
        return self._page(request, None, 200)

    async def use(self, request: web.Request) -> web.StreamResponse | Problem:
        """Use the token of the form."""
        if not is_own(request, self._gateway):
            return FOREIGN
        fields = await form_of(request, self._gateway.settings.server.body_seconds)
        if isinstance(fields, Problem):
            return fields
        read = structure_query(fields, LinkTokenForm)
        if isinstance(read, list):
            made: Done | Problem = invalid(read)
        else:
            made = await self._purpose.use(self._gateway, read.token)
        if not isinstance(made, Problem):
            return gone_to(request, self._gateway, self._purpose.then)
        if made.status >= 500:
            return made
        return self._page(request, refusal_of(made, typed(fields)), made.status)

    def _page(self, request: web.Request, refusal: FormErrors | None, status: int) -> web.Response:
        frame = frame_of(request, self._pages, None, None)
        context = {"frame": frame, "title": self._purpose.title, "refusal": refusal}
        return html(request, self._gateway, self._purpose.template, context, status)


async def _verify(gateway: Gateway, token: str) -> Done | Problem:
    made = await verify_address(gateway, AddressVerification(token))
    if isinstance(made, Problem) and made.code is RefusalCode.VERIFICATION_TOKEN_INVALID:
        return attrs.evolve(made, errors=(UNUSABLE,))
    return made


async def _stop(gateway: Gateway, token: str) -> Done | Problem:
    return await stop_by_link(gateway, token) or Problem(403, NOTHING_STOPPED, (NO_STOP,))


PURPOSES: Final = (
    LinkPurpose(
        path=VERIFICATION.page,
        title="Verify your address",
        template="verify_address.html",
        use=_verify,
        then=Redirect(ROOT, "Your e-mail address is verified."),
    ),
    LinkPurpose(
        path=PAYOUT_STOP.page,
        title="Stop the change of your payout account",
        template="stop_payout_change.html",
        use=_stop,
        then=Redirect(
            SIGN_IN,
            "The change of your payout account is stopped. If it was not yours, choose another "
            "password now.",
        ),
    ),
)
