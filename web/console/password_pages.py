"""The pages for a forgotten password: "Forgot your password?" and "Choose a new password"."""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from multidict import MultiDict

from rendertrust.api.refusal_code import RefusalCode
from sql.link_tokens import RESET as RESET_LINK
from web.console.forms import FormErrors, form_of, refusal_of
from web.console.page_responses import SIGN_IN, frame_of, gone_to, html
from web.console.registry import ROOT, Pages
from web.console.session import FOREIGN, is_own
from web.console.view import Redirect
from web.gateway import Gateway
from web.http.converter import structure_query
from web.http.json_document import mended
from web.http.problem import Fault, Problem, invalid
from web.routes.password_resets import (
    ForgottenPassword,
    PasswordReset,
    choose_password,
    request_link,
)

FORGOT: Final = f"{ROOT}/forgot-password"
RESET: Final = RESET_LINK.page
SECRETS: Final = frozenset({"new_password"})  # fields that are never shown again
UNUSABLE: Final = Fault(
    "token", "value", "is not valid: it was used, has expired, or is incomplete"
)
SAID: Final = (
    "Your password is changed, and all sessions have ended. Sign in with the new password."
)

FIRST_SAID: Final = "Your password is set. Sign in with it."


class PasswordPages:
    """The two pages and the handlers of their forms; all work without scripts."""

    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        self._gateway, self._pages = gateway, pages

    async def show_forgot(self, request: web.Request) -> web.StreamResponse | Problem:
        """Ask for the address, or say that an admin makes links."""
        return self._forgot(request, None)

    async def ask(self, request: web.Request) -> web.StreamResponse | Problem:
        """Have a link sent. The page says the same for every address."""
        fields = await self._form(request)
        if isinstance(fields, Problem):
            return fields
        read = structure_query(fields, ForgottenPassword)
        done = invalid(read) if isinstance(read, list) else None
        if not isinstance(read, list):
            made = await request_link(self._gateway, read.email)
            done = made if isinstance(made, Problem) else None
        if done is None:
            return self._forgot(request, None, sent_to=fields.get("email", ""), status=202)
        if done.status >= 500:
            return done
        return self._forgot(request, refusal_of(done, typed(fields)), status=done.status)

    async def show_reset(self, request: web.Request) -> web.StreamResponse | Problem:
        """Ask for the new password; a script moves the token from the link into the form."""
        return self._reset(request, None)

    async def choose(self, request: web.Request) -> web.StreamResponse | Problem:
        """Set the password, and go to the sign-in page."""
        fields = await self._form(request)
        if isinstance(fields, Problem):
            return fields
        read = structure_query(fields, PasswordReset)
        made = invalid(read) if isinstance(read, list) else await self._chosen(read)
        if not isinstance(made, Problem):
            return gone_to(
                request, self._gateway, Redirect(SIGN_IN, FIRST_SAID if is_first(request) else SAID)
            )
        if made.status >= 500:
            return made
        return self._reset(request, refusal_of(made, typed(fields)), status=made.status)

    async def _chosen(self, wanted: PasswordReset) -> Problem | None:
        made = await choose_password(self._gateway, wanted)
        if not isinstance(made, Problem):
            return None
        if made.code is RefusalCode.RESET_TOKEN_INVALID:
            return Problem(made.status, made.detail, (UNUSABLE,), code=made.code)
        return made

    async def _form(self, request: web.Request) -> MultiDict[str] | Problem:
        if not is_own(request, self._gateway):
            return FOREIGN
        return await form_of(request, self._gateway.settings.server.body_seconds)

    def _forgot(
        self,
        request: web.Request,
        refusal: FormErrors | None,
        *,
        sent_to: str = "",
        status: int = 200,
    ) -> web.Response:
        mails = bool(self._gateway.settings.mail.url)
        more = {"refusal": refusal, "sent_to": sent_to, "mails": mails}
        return self._page(request, "forgot_password.html", "Forgot your password?", more, status)

    def _reset(
        self, request: web.Request, refusal: FormErrors | None, *, status: int = 200
    ) -> web.Response:
        more = {"refusal": refusal, "is_first": is_first(request)}
        title = "Choose your password" if is_first(request) else "Choose a new password"
        return self._page(request, "reset_password.html", title, more, status)

    def _page(
        self,
        request: web.Request,
        template: str,
        title: str,
        more: Mapping[str, Any],
        status: int,
    ) -> web.Response:
        frame = frame_of(request, self._pages, None, None)
        return html(
            request, self._gateway, template, {"frame": frame, "title": title, **more}, status
        )


def is_first(request: web.Request) -> bool:
    """Return True if the link is for the first password of an account."""
    return request.query.get("first") == "1"


def typed(fields: MultiDict[str]) -> dict[str, str]:
    """Return what the page may show again: everything but passwords."""
    shown = ((name, mended(text)) for name, text in fields.items() if name not in SECRETS)
    return dict(shown)
