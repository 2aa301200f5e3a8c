"""The console's responses: pages under a strict policy, error pages and their links back."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

import attrs
from aiohttp import hdrs, web
from markupsafe import Markup

from config.settings import UNNAMED, Settings
from rendertrust.api.refusal_code import RefusalCode, help_path
from rendertrust.money import credit_count, format_amount
from sql.users import UserRow
from web.console import template_rendering
from web.console.assets import STATIC
from web.console.forms import named
from web.console.registry import ROOT, ConsolePage, Pages
from web.console.session import (
    FOREIGN,
    SignedInVisitor,
    cookie_name,
    is_secure,
    is_trusted,
)
from web.console.value_markup import address
from web.console.view import Redirect
from web.gateway import GATEWAY, Gateway
from web.http.problem import Problem
from web.http.responses import REQUEST_ID

NONCE_BYTES: Final = 16
FLASH: Final = "rendertrust-said"
ONCE: Final = "rendertrust-once"
FLASH_CHARACTERS_MAX: Final = 300
ONCE_CHARACTERS_MAX: Final = 1_000
THEME: Final = "rendertrust-theme"
THEMES: Final = ("light", "dark")
NEW_JOB: Final = f"{ROOT}/jobs/new"
BOUGHT: Final = "Thank you. Credits that you paid for are added within seconds."
SIGN_IN: Final = f"{ROOT}/sign-in"
TITLES: Final = {
    400: "This cannot be done now",
    402: "This cannot be paid",
    403: "You may not do this",
    404: "Not found",
    409: "It was changed at the same time",
    422: "Some values are invalid",
    429: "Too many requests",
    503: "It may not have been done",
}
# Host in the form that policies allow; other hosts, which are rare, cannot be named in a policy.
_SOURCE: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]+)?")
MISSING: Final = "Something is missing"
HINTS: Final = {
    400: "It may have changed. Go back and check its present state.",
    402: "Try again once there are enough credits.",
    403: "If you need it, ask an admin of this farm.",
    404: "Check the address, or ask the person who sent it.",
    409: "Go back, check its present state, and try again.",
    422: "Go back and correct the values named above.",
    429: "Wait a minute, then load the page again.",
    500: "The error is in the gateway's log, under this request's id.",
    503: "Go back and check whether it was done; do it again if it was not.",
}
FROM_HERE: Final = "Open the console by its own address and do it there."
TOO_FEW: Final = "This needs {requested}; you have {available}."
VERIFY_FIRST: Final = "If you have no such mail, get another link on the page Verify your address."
TRYING: Final = "Trying again"
AGAIN: Final = (
    "The gateway is running, but a service it depends on does not answer. This page "
    "reloads by itself."
)


@attrs.frozen
class PageChrome:
    """The parts of a page around its content: the user, their menu, and a message about their last
    action.
    """

    user: UserRow | None
    menu: list[tuple[str, list[ConsolePage]]]  # groups and their pages
    current: str  # the path of the page
    theme: str
    said: str
    once: str = attrs.field(repr=False)  # a secret that is shown only now
    live: str  # the page's address for live updates; '' if it is not live
    unverified: bool = False  # the user's address must be verified
    sells: bool = True  # users can buy credits
    farm: str = UNNAMED  # the farm's name

    @property
    def section(self) -> str:
        """Return the path of the current menu entry: ``/console/jobs`` for ``/console/jobs/7…``."""
        return "/".join(self.current.split("/")[:3])


def frame_of(
    request: web.Request,
    pages: Pages,
    visitor: SignedInVisitor | None,
    user: UserRow | None,
    live: str = "",
) -> PageChrome:
    theme, settings = request.cookies.get(THEME, ""), request.app[GATEWAY].settings
    sells = settings.takes_payments
    return PageChrome(
        user=user,
        menu=[]
        if visitor is None or user is None
        else pages.menu(visitor.who.role, has_nodes=user.has_nodes, has_payments=sells),
        current=request.path,
        theme=theme if theme in THEMES else "",
        said=unquote(request.cookies.get(FLASH, ""))[:FLASH_CHARACTERS_MAX] or said_of(request),
        once=unquote(request.cookies.get(ONCE, ""))[:ONCE_CHARACTERS_MAX],
        live=live,
        unverified=is_unverified(request.app[GATEWAY], user),
        sells=sells,
        farm=settings.farm_name,
    )


def said_of(request: web.Request) -> str:
    """Return the message for a user who comes back from a payment to a page of the console; ''
    for others, and for the form of a new job, which says it itself.
    """
    is_back = request.query.get("bought") == "1" and request.path != NEW_JOB
    return BOUGHT if is_back else ""


def is_unverified(gateway: Gateway, user: UserRow | None) -> bool:
    """Return True if the user must still verify their address."""
    return bool(gateway.settings.mail.url) and user is not None and user.verified_at is None


def policy_of(request: web.Request, gateway: Gateway, nonce: str = "") -> str:
    """Return the Content-Security-Policy: nothing inline, nothing external but the object store.

    ``nonce``: the nonce of the page's own tags, if the policy cannot name the path of the assets.
    """
    pictures = urlsplit(gateway.settings.objects.public_url)
    store = f" {pictures.scheme}://{pictures.netloc}" if pictures.netloc else ""
    host = request.headers.get(hdrs.HOST, "")
    workers = assets = assets_source(host, gateway.settings)
    if nonce:
        assets = f"'nonce-{nonce}'"
    return (
        f"default-src 'none'; script-src {assets}; style-src {assets}; worker-src {workers}; "
        f"img-src 'self' data:{store}; media-src 'self'{store}; connect-src 'self'{store}; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def assets_source(host: str, settings: Settings, path: str = STATIC) -> str:
    """Return the only source of scripts and styles, below ``path``, in the form of a policy.

    If the gateway serves objects, uploaded files share the console's origin and must not run as
    scripts, so the source is the path of the assets. A policy accepts a path only with a host, and
    no IPv6 address; the scheme is the page's.
    """
    if settings.objects.public_url or not _SOURCE.fullmatch(host):
        return "'self'"
    public = urlsplit(settings.server.public_url).netloc
    hosts = {host, public} if _SOURCE.fullmatch(public) else {host}
    return " ".join(f"{one}{path}/" for one in sorted(hosts))


def _nonce(request: web.Request, gateway: Gateway) -> str:
    """Return a nonce if objects share the origin and ``assets_source`` cannot name the assets.

    Modules that a tag imports inherit its nonce. A worker has no tag, but browsers run only workers
    with a JavaScript type, which no object has.
    """
    host = request.headers.get(hdrs.HOST, "")
    if gateway.settings.objects.public_url or _SOURCE.fullmatch(host):
        return ""
    return gateway.ports.random.token(NONCE_BYTES).hex()


def _of_moment(request: web.Request, gateway: Gateway) -> Mapping[str, Any]:
    """Return the request's id, and the gateway's time in milliseconds: relative times on pages
    count from this time, as browsers' clocks may be wrong.
    """
    now = int(gateway.ports.clock.now().timestamp() * 1000)
    return {"request_id": request.get(REQUEST_ID, ""), "served_at": now}


def html(
    request: web.Request, gateway: Gateway, template: str, context: Mapping[str, Any], status: int
) -> web.Response:
    """Return a page that must not be cached, as it belongs to one user and one moment.

    A page whose context has ``is_secret`` shows a secret, and is not compressed.
    """
    nonce = _nonce(request, gateway)
    nonced = Markup(' nonce="{}"').format(nonce) if nonce else ""
    shown = {**context, **_of_moment(request, gateway), "nonced": nonced}
    answer = web.Response(
        text=template_rendering.page(template, shown),
        status=status,
        content_type="text/html",
    )
    answer.headers["Content-Security-Policy"] = policy_of(request, gateway, nonce)
    answer.headers["Cache-Control"] = "no-store"
    # without Origin, posts over plain http could not be attributed to a page
    answer.headers["Referrer-Policy"] = "same-origin"
    if is_trusted(request, gateway):  # elsewhere browsers ignore this header, with a warning
        answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    shown_once = [name for name in (FLASH, ONCE) if name in request.cookies]
    for name in shown_once:
        answer.del_cookie(name, **_flash_options(request, gateway))
    if shown_once or context.get("is_secret"):
        return answer
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        compress(answer)
    return answer


def compress(answer: web.Response) -> None:
    """Compress a page with gzip, to a fifth of its size.

    The size of a compressed page could reveal a secret in it to an eavesdropper who makes the user
    request pages with chosen words in their address (BREACH). Pages contain no secrets: there is no
    anti-forgery token, as forged requests are recognised by ``Sec-Fetch-Site`` and ``Origin``; and
    no page shows a cookie. A secret that is shown once, such as a webhook's, is in the message
    about the last action, and pages with such a message are not compressed, nor is the page that
    sets up an authenticator app. Live streams and pictures are separate responses.
    """
    answer.enable_compression(web.ContentCoding.gzip)
    answer.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING


@attrs.frozen
class ReturnLink:
    """The link from an error page back to the console; ``path`` includes ``/console``."""

    path: str
    label: str


HOME: Final = ReturnLink(ROOT, "To the console")
FIRST_PAGE: Final = ReturnLink("/", "To the first page")


def way_back(request: web.Request, pages: Pages, visitor: SignedInVisitor | None) -> ReturnLink:
    """Return a link to the nearest page above the requested one, with the filter and tab that the
    user last saw there; outside the console, to the farm's first page.
    """
    if not f"{request.path}/".startswith(f"{ROOT}/"):
        return FIRST_PAGE
    for path in _candidates(request):
        found = pages.at(path)
        if found is None or found[0].path == ROOT or not _may(visitor, found[0]):
            continue
        page = found[0]
        if path != request.path:
            return ReturnLink(path + _query_of(request, path), _label(page))
        if page.nav is not None:  # without the query, as the query may have caused the error
            return ReturnLink(path, _label(page))
    return HOME


def _candidates(request: web.Request) -> Iterator[str]:
    """Yield paths to try, the longest first."""
    path = request.path.rstrip("/")
    if request.method == "GET" and request.query_string:
        yield path
    while path := path.rpartition("/")[0]:
        yield path


def _may(visitor: SignedInVisitor | None, page: ConsolePage) -> bool:
    """Return True if the user may see the page, or if there is no session."""
    return visitor is None or visitor.who.role in page.who


def _label(page: ConsolePage) -> str:
    return f"Back to {page.title if page.nav else 'the ' + page.title.lower()}"


def _query_of(request: web.Request, path: str) -> str:
    """Return the filter and tab of the page at ``path``, if the browser came from that page."""
    came = _came(request)
    return f"?{came.query}" if came.path == path and came.query else ""


def came_from(request: web.Request, pages: Pages) -> str:
    """Return the page of the posted form, or the page above it if that was an error page."""
    came = _came(request)
    path = came.path
    while path and pages.at(path) is None:
        path = path.rpartition("/")[0]
    is_itself = path == came.path and came.query
    return f"{path}?{came.query}" if is_itself else path or ROOT


def _came(request: web.Request) -> SplitResult:
    """Return the referring page; empty if it is not one of ours."""
    with suppress(ValueError):
        came = urlsplit(request.headers.get(hdrs.REFERER, ""))
        if came.netloc == request.headers.get(hdrs.HOST):
            return came
    return urlsplit("")


def refused(
    request: web.Request, gateway: Gateway, problem: Problem, frame: PageChrome, back: ReturnLink
) -> web.Response:
    """Return an error page with a link ``back``, which does not send a form again."""
    again = problem.status == 503 and request.method == "GET"
    context = {
        "frame": frame,
        "status": problem.status,
        "title": TRYING if again else title_of(problem),
        "detail": problem.detail,
        "faults": [named(fault) for fault in problem.errors],
        "hint": AGAIN if again else hint_of(problem),
        "more": "" if again else help_path(problem.code.value),
        "again": again,
        "sent": request.method != "GET",
        "back": back,
        "buy": address_to_buy(problem, back) if problem.status == 402 else "",
    }
    answer = html(request, gateway, "error.html", context, problem.status)
    answer.headers.update(problem.headers)
    return answer


def hint_of(problem: Problem) -> str:
    """Return what the user can do."""
    if "requested" in problem.extra:
        needed, had = (str(problem.extra.get(name)) for name in ("requested", "available"))
        return TOO_FEW.format(requested=credit_count(needed), available=format_amount(had))
    if problem.code is RefusalCode.ADDRESS_UNVERIFIED:
        return VERIFY_FIRST
    return FROM_HERE if problem == FOREIGN else HINTS.get(problem.status, "")


def address_to_buy(problem: Problem, back: ReturnLink) -> str:
    """Return where the user buys the credits that they lack, and then goes back."""
    given = (problem.extra.get(name) for name in ("requested", "available"))
    requested, available = (Decimal(str(amount or 0)) for amount in given)
    need = max(0, math.ceil(requested - available))
    page = back.path if back.path.startswith(f"{ROOT}/") else None
    return address(f"{ROOT}/credits", {}, need=need or None, back=page)


def title_of(problem: Problem) -> str:
    """Return the title of the error page."""
    if problem.errors and all(fault.code == "missing" for fault in problem.errors):
        return MISSING
    return TITLES.get(problem.status, HTTPStatus(problem.status).phrase)


def redirect(path: str) -> web.Response:
    """Redirect the browser to one of our pages."""
    return web.Response(status=303, headers={hdrs.LOCATION: own_path(path)})


def gone_to(request: web.Request, gateway: Gateway, go: Redirect) -> web.Response:
    """Redirect after a change to the page that shows the change, with a message."""
    answer = redirect(go.to)
    for name, text in ((FLASH, go.said[:FLASH_CHARACTERS_MAX]), (ONCE, go.once)):
        if text:
            value = quote(text)
            answer.set_cookie(name, value, max_age=60, **_flash_options(request, gateway))
    return answer


def _flash_options(request: web.Request, gateway: Gateway) -> Any:
    """Return the flash cookie's options: Secure if the browser uses https."""
    secure = is_secure(request, gateway)
    return {"path": ROOT, "httponly": True, "secure": secure, "samesite": "Lax"}


def sign_in_first(request: web.Request, pages: Pages) -> web.Response:
    """Redirect to the sign-in page, and from there to the requested page.

    A posted form is not sent again: a message says so, and the user returns to the form's page.
    Browsers drop the cookie of a session that runs out: if they send one, the session was ended.
    """
    if request.method == "GET":
        secure = is_secure(request, request.app[GATEWAY])
        over = {"over": 1} if cookie_name(secure=secure) in request.cookies else {}
        return redirect(f"{SIGN_IN}?{urlencode({'next': request.path_qs, **over})}")
    asked = {"next": came_from(request, pages), "ended": 1}
    return redirect(f"{SIGN_IN}?{urlencode(asked)}")


def own_path(text: str) -> str:
    """Return the path if it belongs to the console, otherwise the console's first page.

    Browsers treat a backslash as a slash and drop control characters; either could name another
    site. Browsers also resolve dot segments, even escaped ones, which could leave the console.
    """
    harmless = text.isascii() and text.isprintable() and "\\" not in text
    inside = text == ROOT or text.startswith((f"{ROOT}/", f"{ROOT}?"))
    path = re.split("[?#]", text, maxsplit=1)[0].lower().replace("%2e", ".")
    dotted = any(segment in (".", "..") for segment in path.split("/"))
    return text if harmless and inside and not dotted else ROOT
