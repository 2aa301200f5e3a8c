"""Forms of the page "Your account" that lead to a provider: link an identity, or sign in again."""

from typing import Annotated, Final

import attrs
from aiohttp import web
from msgspec import Meta

from sql.identities import ProviderSignInRow
from web.console.confirmation import confirmation_refusal
from web.console.page_handler import FIELDS, ActionHandler
from web.console.page_responses import own_path
from web.console.pages.account import PATH
from web.console.provider_sign_in import LASTS, NO_PROVIDER, ProviderSignIn, Purpose
from web.console.registry import PageAction, Pages
from web.console.session import SignedInVisitor
from web.console.view import Redirect, View, session_of
from web.gateway import Gateway
from web.http.problem import Problem


@attrs.frozen
class LinkForm:
    """A provider of the settings. ``confirmation``: the password, if the user has no factor."""

    provider: Annotated[str, Meta(max_length=32)]
    confirmation: Annotated[str, Meta(max_length=1024)] = attrs.field(default="", repr=False)


@attrs.frozen
class AgainForm:
    """The provider at which the user signs in again, and the page to which they come back."""

    provider: Annotated[str, Meta(max_length=32)]
    next: Annotated[str, Meta(max_length=2000)] = PATH


async def may_link(view: View[LinkForm]) -> Redirect | Problem:
    """Confirm who the user is, and that there is such a provider."""
    gateway, form = view.gateway, view.query
    if gateway.providers.get(form.provider) is None:
        return NO_PROVIDER
    refused = await confirmation_refusal(
        gateway, view.who.user, session_of(view), form.confirmation, "confirmation"
    )
    return Redirect(PATH) if refused is None else refused


async def may_sign_in_again(view: View[AgainForm]) -> Redirect | Problem:
    """Return the page to which the user comes back."""
    if view.gateway.providers.get(view.query.provider) is None:
        return NO_PROVIDER
    return Redirect(own_path(view.query.next))


LINK: Final = PageAction(
    f"{PATH}/identities/link", may_link, form=LinkForm, rate="login", form_on="/account"
)
AGAIN: Final = PageAction(
    f"{PATH}/identities/again", may_sign_in_again, form=AgainForm, rate="login", form_on="/account"
)
PURPOSES: Final = {LINK.path: Purpose.LINK, AGAIN.path: Purpose.CONFIRM}


class ProviderFormHandler(ActionHandler):
    """Handler of a form that leads to a provider, for a purpose, in the user's session."""

    def __init__(
        self, gateway: Gateway, pages: Pages, action: PageAction, provided: ProviderSignIn
    ) -> None:
        super().__init__(gateway, pages, action)
        self._provided, self._purpose = provided, PURPOSES[action.path]

    async def _finished(
        self, request: web.Request, visitor: SignedInVisitor, done: Redirect
    ) -> web.StreamResponse:
        provider = self.gateway.providers.get(request[FIELDS].get("provider", ""))
        assert provider is not None, "the action has looked for it"
        row = ProviderSignInRow(
            issuer=provider.settings.issuer,
            purpose=self._purpose.value,
            redirect_uri="",
            next=done.to,
            expires_at=self.gateway.ports.clock.now() + LASTS,
            user_id=visitor.claims.subject,
            session=visitor.claims.family,
        )
        return await self._provided.lead(request, provider, row)
