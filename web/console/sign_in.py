"""Sign-in, sign-up and sign-out, with the API's accounts and limits."""

from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlencode

import attrs
from aiohttp import web
from msgspec import Meta
from multidict import MultiDict

from rendertrust import money
from rendertrust.api.refusal_code import RefusalCode
from web.console.forms import FormErrors, TypedValues, refusal_of
from web.console.page_responses import SIGN_IN, frame_of, gone_to, html, own_path, redirect
from web.console.registry import ROOT, Pages
from web.console.second_step import SecondStep
from web.console.session import FOREIGN, forget, is_own, is_secure, visitor_of
from web.console.session_start import begun, is_signed_in, new_session, own_form, waiting
from web.console.view import Redirect
from web.gateway import Gateway
from web.http.converter import Email, structure_query
from web.http.endpoint import CLOSING, is_open
from web.http.json_document import mended
from web.http.problem import Fault, Problem, invalid, sentence, unavailable
from web.identity.invitation_tokens import TOKEN_MAX
from web.identity.roles import UserRole
from web.routes.auth import (
    DEACTIVATED,
    REGISTRATION_CLOSED,
    Name,
    Password,
    Registration,
    checked_password,
    grant_starter,
    open_account,
)

REFUSED: Final = "The e-mail address or the password is wrong, or the account is not active."
IS_DEACTIVATED: Final = "This account is deactivated. Ask an admin of this farm."
EMAIL_MAX: Final = 254
NOTHING_SAID: Final = FormErrors("", {}, TypedValues())
FIRST: Final = f"{ROOT}/jobs/new"  # where new users begin, unless they came for another page
ADD_MACHINE: Final = f"{ROOT}/fleet/add"  # where operators begin
# Refusals of new accounts as faults of the form's fields.
FAULTS: Final[Mapping[RefusalCode, Fault]] = {
    RefusalCode.EMAIL_REGISTERED: Fault("email", "duplicate", "already has an account"),
    RefusalCode.INVITATION_NEEDED: Fault("invitation", "missing", "is missing"),
    RefusalCode.INVITATION_INVALID: Fault(
        "invitation",
        "value",
        "is not valid: it was used or revoked, has expired, or is for another address",
    ),
}


@attrs.frozen
class SignInForm:
    email: Email
    password: Annotated[str, Meta(min_length=1, max_length=1024)] = attrs.field(repr=False)
    next: Annotated[str, Meta(max_length=2000)] = ROOT


@attrs.frozen
class SignUpForm:
    name: Name
    email: Email
    password: Password = attrs.field(repr=False)
    invitation: Annotated[str, Meta(max_length=TOKEN_MAX)] = attrs.field(default="", repr=False)
    next: Annotated[str, Meta(max_length=2000)] = ROOT


class SignIn:
    """The sign-in page and its form's handler."""

    def __init__(self, gateway: Gateway, pages: Pages, factor: SecondStep) -> None:
        self._gateway, self._pages, self._factor = gateway, pages, factor

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        """Show the page; a user who is signed in is redirected."""
        there = own_path(request.query.get("next", ROOT))
        if await is_signed_in(self._gateway, request):
            return redirect(there)
        return self._page(request, there)

    async def sign_in(self, request: web.Request) -> web.StreamResponse | Problem:
        """Start a session, in a cookie; or lead to the second factor."""
        fields = await own_form(request, self._gateway)
        if isinstance(fields, Problem):
            return fields
        read = structure_query(fields, SignInForm)
        if isinstance(read, list):
            there = own_path(fields.get("next", ROOT))
            return self._page(request, there, refused=REFUSED, status=401)
        return await self._checked(request, read)

    async def limited(self, request: web.Request, over: Problem) -> web.StreamResponse | Problem:
        """Show the form again, as it was sent, to an address that has sent it too often."""
        fields = await own_form(request, self._gateway)
        if isinstance(fields, Problem):
            return fields
        there, email = own_path(fields.get("next", ROOT)), mended(fields.get("email", ""))
        page = self._page(
            request, there, refused=waiting(over), email=email[:EMAIL_MAX], status=over.status
        )
        page.headers.update(over.headers)
        return page

    async def _checked(self, request: web.Request, given: SignInForm) -> web.StreamResponse:
        gateway, there = self._gateway, own_path(given.next)
        checked = await checked_password(gateway, given.email, given.password)
        if isinstance(checked, Problem):
            said = IS_DEACTIVATED if checked is DEACTIVATED else REFUSED
            return self._page(request, there, refused=said, email=given.email, status=401)
        step = await self._factor.needed(checked)
        if step is not None:
            return await self._factor.begin(request, checked, step, there)
        token, family = new_session(gateway, request, checked.user, UserRole(checked.role))
        if not await gateway.tables.sessions.open(checked, family, gateway.ports.clock.now()):
            return self._page(request, there, refused=REFUSED, email=given.email, status=401)
        await grant_starter(gateway, checked.user)
        return begun(gateway, request, redirect(there), token)

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
            "adds_machine": there == ADD_MACHINE,
            "email": email,
            "refused": refused,
            "out": "out" in request.query,
            "ended": "ended" in request.query,
            "over": "over" in request.query,
            "late": "late" in request.query,
            "closed": self._gateway.settings.accounts.registration == "closed",
            "providers": self._gateway.providers.settings,
        }
        return html(request, self._gateway, "sign_in.html", context, status)


class SignUp:
    """The sign-up page and its form's handler."""

    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        self._gateway, self._pages = gateway, pages
        self._mode = gateway.settings.accounts.registration

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        """Show the page; a user who is signed in is redirected."""
        there = own_path(request.query.get("next", FIRST))
        if await is_signed_in(self._gateway, request):
            return redirect(there)
        return self._page(request, there, None, 403 if self._mode == "closed" else 200)

    async def sign_up(self, request: web.Request) -> web.StreamResponse | Problem:
        """Open an account, and start its first session in a cookie."""
        fields = await own_form(request, self._gateway)
        if isinstance(fields, Problem):
            return fields
        if self._mode == "closed":
            return self._refused(request, fields, NOTHING_SAID, REGISTRATION_CLOSED)
        made = await self._opened(request, fields)
        if not isinstance(made, Problem) or made.status >= 500:
            return made
        return self._refused(request, fields, refusal_of(with_fault(made), typed(fields)), made)

    async def limited(self, request: web.Request, over: Problem) -> web.StreamResponse | Problem:
        """Show the form again, as it was sent, to an address that has sent it too often."""
        fields = await own_form(request, self._gateway)
        if isinstance(fields, Problem):
            return fields
        refusal = FormErrors(waiting(over).rstrip("."), {}, refusal_of(over, typed(fields)).values)
        return self._refused(request, fields, refusal, over)

    async def _opened(
        self, request: web.Request, fields: MultiDict[str]
    ) -> web.StreamResponse | Problem:
        gateway = self._gateway
        if not await is_open(gateway.registry):
            return CLOSING
        if (halt := await gateway.halts.now()) is not None:
            return unavailable(sentence(halt.text))
        read = structure_query(fields, SignUpForm)
        if isinstance(read, list):
            return invalid(read)
        user = gateway.ports.random.uuid()
        token, family = new_session(gateway, request, user, UserRole.USER)
        wanted = Registration(read.email, read.name, read.password, read.invitation or None)
        row = await open_account(gateway, wanted, user, family)
        if isinstance(row, Problem):
            return row
        starter = gateway.starter
        gift = f" You have {money.credit_count(starter)} to begin with." if starter else ""
        to = Redirect(own_path(read.next), f"Your account is open, and you are signed in.{gift}")
        return begun(gateway, request, gone_to(request, gateway, to), token)

    def _refused(
        self,
        request: web.Request,
        fields: MultiDict[str],
        refusal: FormErrors,
        problem: Problem,
    ) -> web.Response:
        there = own_path(fields.get("next", FIRST))
        page = self._page(request, there, refusal, problem.status)
        page.headers.update(problem.headers)
        return page

    def _page(
        self, request: web.Request, there: str, refusal: FormErrors | None, status: int = 200
    ) -> web.Response:
        context = {
            "frame": frame_of(request, self._pages, None, None),
            "title": "Sign up",
            "next": there,
            "adds_machine": there == ADD_MACHINE,
            "refusal": refusal,
            "email": mended(request.query.get("email", ""))[:EMAIL_MAX],  # in an invitation's link
            "mode": self._mode,
            "providers": self._gateway.providers.settings,
        }
        return html(request, self._gateway, "sign_up.html", context, status)


def with_fault(problem: Problem) -> Problem:
    """Return the problem with the fault of the field that it is about."""
    fault = FAULTS.get(problem.code)
    return problem if fault is None else attrs.evolve(problem, errors=(fault,))


def typed(fields: MultiDict[str]) -> dict[str, str]:
    """Return what the form shows again: all fields but the password."""
    return {name: mended(value) for name, value in fields.items() if name != "password"}
