"""The second step of sign-in: the second factor, on a separate page.

After the right password the browser has a cookie with a token that opens only these pages. The
session, with a new id, begins after the second factor.
"""

from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import attrs
from aiohttp import web
from msgspec import Meta

from sql.link_tokens import digest_of
from sql.login_sessions import LoginState
from sql.passkeys import PasskeyTaken
from sql.second_factors import AppSetup
from web.console.app_setup import CODE_WRONG, CODES_SAID, PASSKEY_WRONG, qr_of
from web.console.page_responses import SIGN_IN, frame_of, gone_to, html, own_path, redirect
from web.console.provided_role import with_given_role
from web.console.registry import ROOT, Pages
from web.console.session import HOST_PREFIX, is_secure, site_of
from web.console.session_start import begun, new_session, own_form, waiting
from web.console.view import Redirect
from web.gateway import Gateway
from web.http.converter import structure_query
from web.http.problem import Problem
from web.identity.passkeys import (
    ANSWER_MAX,
    PasskeyHolder,
    add_passkey,
    is_passkey_right,
    new_passkey_options,
    offered,
)
from web.identity.roles import UserRole
from web.identity.second_factor import (
    CODE_MAX,
    confirm_app,
    is_needed,
    is_right,
    start_app,
    unconfirmed_secret,
)
from web.identity.totp import RecoveryCodes, text_of
from web.routes.auth import grant_starter

GIVE: Final = f"{ROOT}/second-step"
SET_UP: Final = f"{ROOT}/set-up-factor"
COOKIE: Final = "rendertrust-second-step"
TOKEN_BYTES: Final = 16
LASTS: Final = timedelta(minutes=10)


class Step(Enum):
    """A step that is missing after the right password; the value is its page."""

    GIVE = GIVE
    SET_UP = SET_UP  # the user needs a factor and has none


@attrs.frozen
class CodeForm:
    """A code of an app, a recovery code, or the browser's answer with a passkey.

    ``attestation``: the browser's answer with a new passkey, which has a ``name``.
    """

    code: Annotated[str, Meta(max_length=CODE_MAX)] = attrs.field(default="", repr=False)
    assertion: Annotated[str, Meta(max_length=ANSWER_MAX)] = attrs.field(default="", repr=False)
    attestation: Annotated[str, Meta(max_length=ANSWER_MAX)] = attrs.field(default="", repr=False)
    name: Annotated[str, Meta(min_length=1, max_length=100)] = "Passkey"
    next: Annotated[str, Meta(max_length=2000)] = ROOT


@attrs.frozen
class Waiting:
    """A sign-in that waits, by its token's hash, and its user."""

    sha256: bytes = attrs.field(repr=False)
    checked: LoginState
    step: Step

    @property
    def setup(self) -> AppSetup:
        """Return the set-up of an app in this sign-in."""
        return AppSetup(self.checked.user, self.sha256)


class SecondStep:
    """The pages of the second step and the handlers of their forms."""

    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        self._gateway, self._pages = gateway, pages

    async def needed(self, checked: LoginState) -> Step | None:
        """Return what is missing after the right password, or the sign-in at a provider."""
        state = await self._gateway.tables.second_factors.state(checked.user)
        if state.has_factor:
            return Step.GIVE
        role = checked.given_role or checked.role
        return Step.SET_UP if is_needed(self._gateway, role) else None

    async def begin(
        self, request: web.Request, checked: LoginState, step: Step, there: str
    ) -> web.Response:
        """Start the second step, in a separate cookie."""
        gateway, now = self._gateway, self._gateway.ports.clock.now()
        token = gateway.ports.random.token(TOKEN_BYTES).hex()
        rows = gateway.tables.pending_sign_ins
        if not await rows.insert(digest_of(token), checked, now + LASTS, now):
            return again(there)
        if step is Step.SET_UP:
            await start_app(gateway, AppSetup(checked.user, digest_of(token)))
        answer = redirect(f"{step.value}?{urlencode({'next': there})}")
        options = self._options(request)
        answer.set_cookie(value=token, max_age=int(LASTS.total_seconds()), **options)
        return answer

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        """Show the page of the step that is missing."""
        there = own_path(request.query.get("next", ROOT))
        found = await self._waiting(request)
        if found is None:
            return again(there)
        if request.path != found.step.value:
            return redirect(f"{found.step.value}?{urlencode({'next': there})}")
        return await self._page(request, found, there)

    async def take(self, request: web.Request) -> web.StreamResponse | Problem:
        """Check the second factor, and start a session."""
        fields = await own_form(request, self._gateway)
        if isinstance(fields, Problem):
            return fields
        there = own_path(fields.get("next", ROOT))
        found = await self._waiting(request)
        if found is None:
            return again(there)
        read = structure_query(fields, CodeForm)
        if isinstance(read, list):
            return await self._page(request, found, there, refused=CODE_WRONG, status=401)
        done = await self._accepted(request, found, read)
        if done is False:
            said = PASSKEY_WRONG if read.assertion or read.attestation else CODE_WRONG
            return await self._page(request, found, there, refused=said, status=401)
        to = Redirect(there)
        if isinstance(done, RecoveryCodes):
            to = Redirect(there, CODES_SAID, done.shown)
        return await self._opened(request, found, to)

    async def limited(self, request: web.Request, over: Problem) -> web.StreamResponse | Problem:
        """Show the form again to an address that has sent it too often."""
        fields = await own_form(request, self._gateway)
        if isinstance(fields, Problem):
            return fields
        there = own_path(fields.get("next", ROOT))
        found = await self._waiting(request)
        if found is None:
            return over
        said = waiting(over)
        page = await self._page(request, found, there, refused=said, status=over.status)
        page.headers.update(over.headers)
        return page

    async def _accepted(
        self, request: web.Request, found: Waiting, given: CodeForm
    ) -> RecoveryCodes | bool:
        gateway, user = self._gateway, found.checked.user
        holder = self._holder(request, found)
        if found.step is Step.SET_UP and given.attestation:
            try:
                return await add_passkey(gateway, holder, given.name, given.attestation, first=True)
            except PasskeyTaken:
                return False
        if found.step is Step.SET_UP:
            return await confirm_app(gateway, found.setup, given.code, first=True)
        if given.assertion:
            return await is_passkey_right(gateway, holder, given.assertion)
        return await is_right(gateway, user, given.code)

    def _holder(self, request: web.Request, found: Waiting) -> PasskeyHolder:
        site = site_of(request, self._gateway)
        return PasskeyHolder(found.checked.user, found.sha256, site)

    async def _opened(
        self, request: web.Request, found: Waiting, to: Redirect
    ) -> web.StreamResponse:
        """End the waiting sign-in, and start the session."""
        gateway = self._gateway
        checked = await with_given_role(gateway, found.checked)
        token, family = new_session(gateway, request, checked.user, UserRole(checked.role))
        rows, now = gateway.tables.pending_sign_ins, gateway.ports.clock.now()
        if not await rows.finish(found.sha256, checked, family, now):
            return again(to.to)
        await grant_starter(gateway, checked.user)
        answer = begun(gateway, request, gone_to(request, gateway, to), token)
        answer.del_cookie(**self._options(request))
        return answer

    async def _waiting(self, request: web.Request) -> Waiting | None:
        """Return the sign-in of the browser's cookie; None if it has ended or was never there."""
        token = request.cookies.get(self._name(request))
        if not token:
            return None
        digest, now = digest_of(token), self._gateway.ports.clock.now()
        checked = await self._gateway.tables.pending_sign_ins.user(digest, now)
        step = None if checked is None else await self.needed(checked)
        return None if checked is None or step is None else Waiting(digest, checked, step)

    async def _page(
        self,
        request: web.Request,
        found: Waiting,
        there: str,
        *,
        refused: str = "",
        status: int = 200,
    ) -> web.Response:
        gateway, user = self._gateway, found.checked.user
        row = await gateway.tables.users.by_id(user)
        email = "" if row is None else row.email
        context = {
            "frame": frame_of(request, self._pages, None, None),
            "next": there,
            "email": email,
            "refused": refused,
        }
        if found.step is Step.GIVE:
            state = await gateway.tables.second_factors.state(user)
            context |= {
                "title": "Second factor",
                "has_app": state.app_since is not None,
                "options": await offered(gateway, self._holder(request, found)),
            }
            return html(request, gateway, "second_step.html", context, status)
        secret = await unconfirmed_secret(gateway, found.setup)
        if secret is None:
            return again(there)
        context |= {
            "title": "Set up a second factor",
            "options": await new_passkey_options(gateway, self._holder(request, found), email),
            "qr": qr_of(gateway, secret, email),
            "secret": text_of(secret),
            "is_secret": True,
        }
        return html(request, gateway, "set_up_factor.html", context, status)

    def _name(self, request: web.Request) -> str:
        return HOST_PREFIX + COOKIE if is_secure(request, self._gateway) else COOKIE

    def _options(self, request: web.Request) -> Any:
        """Return the options of the cookie."""
        secure = is_secure(request, self._gateway)
        return {
            "name": self._name(request),
            "path": "/",
            "httponly": True,
            "secure": secure,
            "samesite": "Lax",
        }


def again(there: str) -> web.Response:
    """Return to the sign-in page, as the sign-in has ended."""
    return redirect(f"{SIGN_IN}?{urlencode({'next': there, 'late': '1'})}")
