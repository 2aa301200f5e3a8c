"""Sign-in and sign-out, with the API's accounts and limits."""

from typing import Annotated, Final
from urllib.parse import urlencode

import attrs
from aiohttp import web
from msgspec import Meta

from sql.login_sessions import TokenFamily
from web.console.forms import form_of
from web.console.page_responses import SIGN_IN, frame_of, html, own_path, redirect
from web.console.registry import ROOT, Pages
from web.console.session import (
    FOREIGN,
    forget,
    is_own,
    is_secure,
    issue,
    keep,
    visitor_of,
)
from web.gateway import Gateway
from web.http.converter import Email, structure_query
from web.http.problem import Problem
from web.identity.roles import UserRole
from web.identity.tokens import CONSOLE_HOURS
from web.routes.auth import checked_password, client_of, grant_starter

REFUSED: Final = "The e-mail address or the password is wrong, or the account is not active."


@attrs.frozen
class SignInForm:
    email: Email
    password: Annotated[str, Meta(min_length=1, max_length=1024)] = attrs.field(repr=False)
    next: Annotated[str, Meta(max_length=2000)] = ROOT


class SignIn:
    """The sign-in page and its form's handler."""

    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        self._gateway, self._pages = gateway, pages

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        """Show the page; a user who is signed in is redirected."""
        there = own_path(request.query.get("next", ROOT))
        visitor = await visitor_of(self._gateway, request)
        if visitor is not None and not isinstance(visitor, Problem):
            return redirect(there)
        return self._page(request, there)

    async def sign_in(self, request: web.Request) -> web.StreamResponse | Problem:
        """Start a session, in a cookie."""
        if not is_own(request, self._gateway):
            return FOREIGN
        fields = await form_of(request, self._gateway.settings.server.body_seconds)
        if isinstance(fields, Problem):
            return fields
        read = structure_query(fields, SignInForm)
        if isinstance(read, list):
            there = own_path(fields.get("next", ROOT))
            return self._page(request, there, refused=REFUSED, status=401)
        return await self._checked(request, read)

    async def _checked(self, request: web.Request, given: SignInForm) -> web.StreamResponse:
        gateway, there = self._gateway, own_path(given.next)
        checked = await checked_password(gateway, given.email, given.password)
        if checked is None:
            return self._page(request, there, refused=REFUSED, email=given.email, status=401)
        sid, now = gateway.ports.random.uuid(), gateway.ports.clock.now()
        token, claims = issue(gateway, checked.user, sid, UserRole(checked.role))
        family = TokenFamily(sid, claims.identity, claims.expires, client_of(request))
        if not await gateway.tables.sessions.open(checked, family, now):
            return self._page(request, there, refused=REFUSED, email=given.email, status=401)
        await grant_starter(gateway, checked.user)
        answer = redirect(there)
        keep(
            answer,
            token,
            secure=is_secure(request, gateway),
            seconds=CONSOLE_HOURS * 3600,
        )
        return answer

    async def sign_out(self, request: web.Request) -> web.StreamResponse | Problem:
        """End the session, wherever else it is used."""
        if not is_own(request, self._gateway):
            return FOREIGN
        gateway = self._gateway
        visitor = await visitor_of(gateway, request)
        if visitor is not None and not isinstance(visitor, Problem):
            family, user = visitor.claims.family, visitor.claims.subject
            await gateway.tables.sessions.end(family, user, gateway.ports.clock.now())
            gateway.identity.revocations.add(family)
        answer = redirect(f"{SIGN_IN}?{urlencode({'out': '1'})}")
        forget(answer, secure=is_secure(request, gateway))
        return answer

    def _page(
        self,
        request: web.Request,
        there: str,
        *,
        refused: str = "",
        email: str = "",
        status: int = 200,
    ) -> web.Response:
        context = {
            "frame": frame_of(request, self._pages, None, None),
            "title": "Sign in",
            "next": there,
            "email": email,
            "refused": refused,
            "out": "out" in request.query,
            "ended": "ended" in request.query,
        }
        return html(request, self._gateway, "sign_in.html", context, status)
