"""The part of Stripe's API that a gateway uses, and the stand-in's pages."""

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from aiohttp import web

from supervisors.engines.stripe_stand_in.pages import STYLE, pay_page, stripe_page
from supervisors.engines.stripe_stand_in.stripe_state import Json, StripeRefusal, StripeState

BYTES_MAX: Final = 64 * 1024
POLICY: Final = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
HEADERS: Final = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
# Actions of the buttons on the pages.
ACTS: Final[Mapping[str, Callable[[StripeState, str], Json]]] = {
    "sessions/expire": lambda stripe, id_: stripe.expire(id_),
    "sessions/succeed": lambda stripe, id_: stripe.arrive(id_, paid=True),
    "sessions/fail": lambda stripe, id_: stripe.arrive(id_, paid=False),
    "charges/dispute": lambda stripe, id_: stripe.dispute(id_),
    "refunds/fail": lambda stripe, id_: stripe.fail_refund(id_),
    "disputes/win": lambda stripe, id_: stripe.close_dispute(id_, won=True),
    "disputes/lose": lambda stripe, id_: stripe.close_dispute(id_, won=False),
}
Save: TypeAlias = Callable[[], Awaitable[None]]
_PART = re.compile(r"\[([^\[\]]*)\]")
DEPTH_MAX: Final = 8


class StripeApi:
    """The API of the stand-in.

    ``save`` stores changes and sends events. It runs before each answer to a request that changes
    something.
    """

    def __init__(self, stripe: StripeState, key: str, page: str, save: Save) -> None:
        self._stripe, self._key, self._page, self._save = stripe, key, page, save

    def site(self) -> web.Application:
        """Create the web application."""
        site = web.Application(middlewares=[with_refusals], client_max_size=BYTES_MAX)
        site.add_routes(
            [
                web.post("/v1/checkout/sessions", self.open),
                web.get("/v1/checkout/sessions/{id}", self.show),
                web.post("/v1/checkout/sessions/{id}/expire", self.expire),
                web.get("/v1/events/{id}", self.event),
                web.post("/v1/refunds", self.refund),
                web.get("/", self.payments),
                web.get("/style.css", style),
                web.get("/pay/{id}", self.pay_page),
                web.post("/pay/{id}/{how}", self.pay),
                web.post("/charges/{id}/refund", self.refund_button),
                web.post("/{what}/{id}/{act}", self.act),
            ]
        )
        return site

    # ── the API ──────────────────────────────────────────────────────────────────────────────────

    async def open(self, request: web.Request) -> web.Response:
        self._admit(request)
        key = request.headers.get("Idempotency-Key", "")
        session, again = self._stripe.open(await form_of(request), key, self._page)
        await self._save()
        return web.json_response(session, headers={"Idempotent-Replayed": "true"} if again else {})

    async def show(self, request: web.Request) -> web.Response:
        self._admit(request)
        return web.json_response(self._stripe.session(request.match_info["id"]))

    async def expire(self, request: web.Request) -> web.Response:
        self._admit(request)
        session = self._stripe.expire(request.match_info["id"])
        await self._save()
        return web.json_response(session)

    async def event(self, request: web.Request) -> web.Response:
        self._admit(request)
        return web.json_response(self._stripe.event(request.match_info["id"]))

    async def refund(self, request: web.Request) -> web.Response:
        self._admit(request)
        asked = await form_of(request)
        charges = [*self._stripe.charges.values()]
        found = [c["id"] for c in charges if c["payment_intent"] == asked.get("payment_intent")]
        charge = str(asked.get("charge") or (found or [""])[0])
        refund = self._stripe.refund(charge, amount_of(asked))
        await self._save()
        return web.json_response(refund)

    def _admit(self, request: web.Request) -> None:
        said = request.headers.get("Authorization", "").encode()
        if not secrets.compare_digest(said, f"Bearer {self._key}".encode()):
            raise StripeRefusal("Invalid API Key provided", "api_key_invalid", 401)

    # ── the pages ────────────────────────────────────────────────────────────────────────────────

    async def payments(self, request: web.Request) -> web.Response:
        return html(stripe_page(self._stripe))

    async def pay_page(self, request: web.Request) -> web.Response:
        return html(pay_page(self._stripe.session(request.match_info["id"])))

    async def pay(self, request: web.Request) -> web.Response:
        """Pay or cancel, then redirect to the page that the buyer returns to."""
        id_, how = request.match_info["id"], request.match_info["how"]
        session = self._stripe.session(id_)
        if how == "cancel":
            return back(session["cancel_url"])
        if how not in ("card", "transfer"):
            raise StripeRefusal("Unknown payment method", "resource_missing", 404)
        self._stripe.pay(id_, later=how == "transfer")
        await self._save()
        return back(session["success_url"])

    async def refund_button(self, request: web.Request) -> web.Response:
        self._stripe.refund(request.match_info["id"], amount_of(await form_of(request)))
        await self._save()
        return back("/")

    async def act(self, request: web.Request) -> web.Response:
        match = request.match_info
        act = ACTS.get(f"{match['what']}/{match['act']}")
        if act is None:
            raise StripeRefusal("Unknown action", "resource_missing", 404)
        act(self._stripe, match["id"])
        await self._save()
        return back("/")


@web.middleware
async def with_refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer a request that raises a refusal with an error in Stripe's format."""
    try:
        answer: web.StreamResponse = await handler(request)
    except StripeRefusal as wrong:
        kind = "idempotency_error" if "idempotency" in wrong.code else "invalid_request_error"
        error = {"type": kind, "code": wrong.code, "message": str(wrong)}
        return web.json_response({"error": error}, status=wrong.status)
    return answer


async def form_of(request: web.Request) -> Json:
    form = await request.post()
    try:
        return nested((name, str(value)) for name, value in form.items())
    except ValueError as error:
        raise StripeRefusal(str(error)) from error


def amount_of(asked: Json) -> int | None:
    text = asked.get("amount")
    if text is None:
        return None
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 12):
        raise StripeRefusal("The amount must be a whole number of the smallest unit")
    return int(text)


async def style(request: web.Request) -> web.Response:
    return web.Response(text=STYLE, content_type="text/css", headers=HEADERS)


def html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers=HEADERS)


def back(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url})


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Parse a form in the encoding of Stripe's clients into nested objects.

    ``line_items[0][price_data][currency]=usd``: list indices are keys, too. Raises ValueError for
    names that contradict each other or are too deep.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        path = [name.partition("[")[0], *_PART.findall(name)]
        if len(path) > DEPTH_MAX:
            raise ValueError(f"{name} is too deep")
        place = found
        for part in path[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ValueError(f"{name} is both a value and an object")
        place[path[-1]] = value
    return found
