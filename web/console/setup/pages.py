"""Pages of the first run: an assistant whose answers take effect on its last page."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import attrs
from aiohttp import hdrs, web
from multidict import MultiDict

from actors.ports.mail import MailAccepted, OutgoingMail
from config.mail_server import mail_server
from config.redaction import hide
from supervisors.engines.smtp import SmtpTransport
from web.console.forms import FormErrors, refusal_of
from web.console.page_responses import frame_of, html
from web.console.registry import Pages
from web.console.session import is_secure
from web.console.session_start import own_form
from web.console.setup.answers import (
    KINDS,
    SECRETS,
    AdminForm,
    FarmForm,
    FirstAdmin,
    ServicesForm,
    farm_of,
    mail_faults,
    public_address,
    services_of,
)
from web.console.setup.finish import SetupFinish
from web.console.setup.offer import LASTS, PATH, OpenOffer
from web.gateway import Gateway
from web.http.caller import CALLER
from web.http.converter import structure_query
from web.http.json_document import mended
from web.http.problem import Fault, Problem, invalid
from web.http.rate_limits import admit

COOKIE: Final = "rendertrust-setup"
TOKEN_MAX: Final = 100
# The pages and their titles, in order.
STEPS: Final[Mapping[str, str]] = {
    "farm": "Farm",
    "admin": "Admin",
    "services": "Services",
    "check": "Check",
}
NO_STEP: Final = Problem(404, "There is no such page")
TEST_SECONDS: Final = 15.0
HIDDEN: Final = frozenset({*SECRETS, "password"})  # fields that no page shows again


@attrs.frozen
class MailTest:
    """Outcome of a test mail, in words."""

    sent: bool
    said: str


class SetupPages:
    """The pages and the handlers of their forms; all work without scripts."""

    def __init__(self, gateway: Gateway, pages: Pages, finish: SetupFinish) -> None:
        self._gateway, self._pages, self._finish = gateway, pages, finish

    async def enter(self, request: web.Request) -> web.StreamResponse | Problem:
        """Exchange the token of the address for a cookie, so that no later address has it.

        Tokens in addresses count as logins, right ones too.
        """
        token = request.query.get("token")
        if token is None:
            found = await self._offer(request)
            return gone_to_step("farm") if isinstance(found, OpenOffer) else found
        over = await self._counted(request)
        if over is not None:
            return over
        if await self._opened(token) is None:
            return self._dead(request)
        answer = gone_to_step("farm")
        answer.set_cookie(
            COOKIE,
            token,
            max_age=int(LASTS.total_seconds()),
            path=PATH,
            httponly=True,
            secure=is_secure(request, self._gateway),
            samesite="Lax",
        )
        return answer

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        """Show a page; a page that needs earlier answers leads to the first missing one."""
        found = await self._offer(request)
        if not isinstance(found, OpenOffer):
            return found
        step = request.match_info["step"]
        if step not in STEPS:
            return NO_STEP
        ahead = missing(found, step)
        return gone_to_step(ahead) if ahead else await self._page(request, found, step)

    async def take(self, request: web.Request) -> web.StreamResponse | Problem:
        """Take the answers of a page, and go to the next one."""
        found = await self._offer(request)
        if not isinstance(found, OpenOffer):
            return found
        step = request.match_info["step"]
        if step not in STEPS:
            return NO_STEP
        fields = await own_form(request, self._gateway)
        if isinstance(fields, Problem):
            return fields
        ahead = missing(found, step)
        if ahead:
            return gone_to_step(ahead)
        if step == "check":
            return await self._finished(request, found)
        if step == "services" and fields.get("do") == "test":
            return await self._tested(request, found, fields)
        faults = await self._noted(found, step, fields)
        if faults:
            return await self._page(request, found, step, self._refusal(faults, fields), 422)
        return gone_to_step(after(step))

    async def _offer(self, request: web.Request) -> OpenOffer | web.Response | Problem:
        """Return the offer of the browser's cookie, or the page that says how to get one."""
        token = request.cookies.get(COOKIE, "")
        found = await self._opened(token) if token else None
        if found is not None:
            return found
        over = await self._counted(request) if token else None
        return self._dead(request) if over is None else over

    async def _opened(self, token: str) -> OpenOffer | None:
        """Return the offer that the token opens; it ends once there is an admin."""
        offer = self._gateway.console.setup
        plain = token.isascii() and len(token) <= TOKEN_MAX
        found = offer.of(token) if plain else None
        if found is not None and await self._gateway.tables.administration.has_admin():
            offer.close()
            return None
        return found

    async def _counted(self, request: web.Request) -> Problem | None:
        """Count the request as a login; return a refusal if there were too many."""
        return await admit(self._gateway.rates, request, "login", request[CALLER].subject)

    async def _noted(
        self, found: OpenOffer, step: str, fields: MultiDict[str]
    ) -> list[Fault] | None:
        """Keep the answers of a page; return their faults instead if there are some."""
        if step == "farm":
            farm = structure_query(fields, FarmForm)
            farm = farm if isinstance(farm, list) else farm_of(farm)
            if isinstance(farm, list):
                return farm
            found.answers.farm = farm
            return None
        if step == "admin":
            return await self._admin_noted(found, fields)
        services = structure_query(fields, ServicesForm)
        if not isinstance(services, list):
            services = await asyncio.to_thread(services_of, services, found.answers.services)
        if isinstance(services, list):
            return services
        hide(*(getattr(services, name) for name in SECRETS))
        found.answers.services = services
        return None

    async def _admin_noted(self, found: OpenOffer, fields: MultiDict[str]) -> list[Fault] | None:
        """Keep the first admin. A password that was given before may be left out."""
        before, given = found.answers.admin, fields.copy()
        keeps = before is not None and not given.get("password")
        if keeps:
            given["password"] = "x" * 8  # satisfies the form; the hash given before is kept
        read = structure_query(given, AdminForm)
        if isinstance(read, list):
            return read
        name = read.name.strip()
        if not name or not name.isprintable():
            return [Fault("name", "value", "must be one line without control characters")]
        if keeps and before is not None:
            kept = before.password_hash
        else:
            kept = await self._gateway.identity.passwords.hash(read.password)
        found.answers.admin = FirstAdmin(name, read.email, kept)
        return None

    async def _tested(
        self, request: web.Request, found: OpenOffer, fields: MultiDict[str]
    ) -> web.StreamResponse | Problem:
        """Send a test mail to the admin's address, and show the page with the outcome."""
        over = await self._counted(request)
        if over is not None:
            return over
        faults = await self._noted(found, "services", fields)
        if faults:
            return await self._page(request, found, "services", self._refusal(faults, fields), 422)
        services = found.answers.services
        assert services is not None, "they were just kept"
        if services.mail == "none" or mail_faults(services):
            test = MailTest(False, "Choose a mail server first.")
        else:
            test = await self._sent(found, services)
        return await self._page(request, found, "services", test=test)

    async def _sent(self, found: OpenOffer, services: ServicesForm) -> MailTest:
        admin, farm = found.answers.admin, found.answers.farm
        assert admin is not None, "the second page was answered"
        assert farm is not None, "the first page was answered"
        server = mail_server(services.mail_url)
        transport = SmtpTransport(
            server, services.mail_sender, seconds=TEST_SECONDS, name=farm.name
        )
        ports, said = self._gateway.ports, "The mail server of your render farm works."
        mail = OutgoingMail(
            id=ports.random.uuid(),
            to=admin.email,
            subject="Test mail of your render farm",
            text=f"{said}\n",
            html=f"<p>{said}</p>",
            at=ports.clock.now(),
        )
        outcome = await transport.send(mail)
        if isinstance(outcome, MailAccepted):
            return MailTest(True, f"{server.host} has accepted a mail to {admin.email}.")
        return MailTest(False, f"{server.host}, port {server.port}: {outcome.reason}.")

    async def _finished(
        self, request: web.Request, found: OpenOffer
    ) -> web.StreamResponse | Problem:
        """Apply the answers. Of two requests at once, one does; the other finds no offer."""
        async with found.lock:
            still = await self._offer(request)
            if still is not found:
                return self._dead(request) if isinstance(still, OpenOffer) else still
            done = await self._finish.apply(request, found)
        if isinstance(done, list):
            step = "admin" if done[0].field == "email" else "check"
            said = "" if done[0].field else done[0].message
            values = self._values(request, found, step)
            faults = attrs.evolve(refusal_of(invalid(done), values), said=said)
            refusal = attrs.evolve(faults, faults={}) if said else faults
            return await self._page(request, found, step, refusal, 409)
        frame = frame_of(request, self._pages, None, None)
        title = "Your farm is set up"
        context = {"title": title, "frame": frame, "done": done, "is_secret": True}
        page = html(request, self._gateway, "setup_done.html", context, 200)
        page.del_cookie(COOKIE, path=PATH)
        for name, morsel in done.cookies.items():
            page.cookies[name] = morsel
        return page

    def _refusal(self, faults: list[Fault], fields: MultiDict[str]) -> FormErrors:
        shown = {n: mended(text) for n, text in fields.items() if n not in HIDDEN}
        return refusal_of(invalid(faults), shown)

    async def _page(
        self,
        request: web.Request,
        found: OpenOffer,
        step: str,
        refusal: FormErrors | None = None,
        status: int = 200,
        *,
        test: MailTest | None = None,
    ) -> web.Response:
        context = {
            "title": STEPS[step],
            "frame": frame_of(request, self._pages, None, None),
            "steps": [
                (name, title, not missing(found, name), name == step)
                for name, title in STEPS.items()
            ],
            "values": self._values(request, found, step) if refusal is None else refusal.values,
            "refusal": refusal,
            "answers": found.answers,
            "kinds": KINDS,
            "test": test,
            "review": await self._finish.review(found) if step == "check" else None,
        }
        return html(request, self._gateway, f"setup_{step}.html", context, status)

    def _values(self, request: web.Request, found: OpenOffer, step: str) -> dict[str, str]:
        """Return the values of a page's form: the answers given before, without secrets.

        The public address begins as the one at which the browser reached the page.
        """
        answers = found.answers
        given: Any = {
            "farm": answers.farm,
            "admin": answers.admin,
            "services": answers.services,
        }.get(step)
        if given is not None:
            return {n: v for n, v in attrs.asdict(given).items() if n not in HIDDEN}
        sells = answers.farm is not None and answers.farm.farm_kind.payments == "stripe"
        return {
            **dict.fromkeys(("name", "email", "mail_sender", "backup", "chain_id"), ""),
            "address": address_of(request),
            "kind": "studio",
            "mail": "none",
            "chain": "none",
            "payments": "stripe" if sells else "none",
        }

    def _dead(self, request: web.Request) -> web.Response:
        """Return the page of a token that is wrong or has ended."""
        frame = frame_of(request, self._pages, None, None)
        context = {"title": "This link does not work", "frame": frame}
        return html(request, self._gateway, "setup_dead.html", context, 403)


def address_of(request: web.Request) -> str:
    """Return the address at which the browser reached the page; '' if its Host makes none."""
    return public_address(f"{request[CALLER].scheme}://{request.headers.get(hdrs.HOST, '')}") or ""


def missing(found: OpenOffer, step: str) -> str:
    """Return the first page before ``step`` that was not answered; '' if there is none."""
    answers = found.answers
    given = {"farm": answers.farm, "admin": answers.admin, "services": answers.services}
    for name in STEPS:
        if name == step:
            return ""
        if given.get(name) is None:
            return name
    return ""


def after(step: str) -> str:
    """Return the page after ``step``."""
    names = list(STEPS)
    return names[names.index(step) + 1]


def gone_to_step(step: str) -> web.Response:
    """Redirect to a page of the assistant."""
    return web.Response(status=303, headers={"Location": f"{PATH}/{step}"})
