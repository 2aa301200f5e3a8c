"""The console's answers: pages under a strict policy, and refusals that are pages too."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

import attrs
from aiohttp import hdrs, web
from markupsafe import Markup

from config.settings import Settings
from sql.users import UserRow
from web.console import render
from web.console.assets import STATIC
from web.console.form_errors import named
from web.console.registry import ROOT, ConsolePage, Pages
from web.console.return_link import ReturnLink, came_from
from web.console.session import FOREIGN, SignedInVisitor, is_secure, is_trusted
from web.console.view import Redirect
from web.gateway import Gateway
from web.http.problem import Problem
from web.http.responses import REQUEST_ID

NONCE_BYTES: Final = 16
FLASH: Final = "rendertrust-said"
FLASH_CHARACTERS_MAX: Final = 300
THEME: Final = "rendertrust-theme"
THEMES: Final = ("light", "dark")
SIGN_IN: Final = f"{ROOT}/sign-in"
TITLES: Final = {
    400: "This cannot be done now",
    402: "This cannot be paid",
    403: "You may not do this",
    404: "Not found",
    409: "Something changed meanwhile",
    422: "Something is not right",
    429: "Too many requests",
    503: "It may not have been done",
}
# As the grammar of policies has a host; others, which are rare, cannot be named.
_SOURCE: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]+)?")
MISSING: Final = "Something is missing"
HINTS: Final = {
    400: "It may have changed meanwhile. Go back and look at how it is now.",
    402: "Who has credits again can try again.",
    403: "Your role does not reach this far. Who has the role admin can change that.",
    404: "It may have been removed, or the address has a mistake in it.",
    409: "Go back, look at how it is now, and try again.",
    422: "Go back and correct what is said above.",
    429: "Wait a minute, then load the page again.",
    500: "It was noted in the gateway's log, under the name of this request.",
    503: "Go back and look whether it was done; do it again if it was not.",
}
FROM_HERE: Final = "Open the console by its own address, and do it there."
TOO_FEW: Final = "It takes {requested} credits, and {available} are there."
TRYING: Final = "Trying again"
AGAIN: Final = (
    "The gateway works, and what it needs does not answer. This page loads again by itself."
)


@attrs.frozen
class PageChrome:
    """What surrounds a page: who looks, what he may look at, and what was done just now."""

    user: UserRow | None
    menu: list[ConsolePage]
    current: str  # the path of the page
    theme: str
    said: str
    live: str  # its address, under which it is followed; '' where it does not go on

    @property
    def section(self) -> str:
        """The place in the menu: ``/console/jobs`` of ``/console/jobs/7…``."""
        return "/".join(self.current.split("/")[:3])


def frame_of(
    request: web.Request,
    pages: Pages,
    visitor: SignedInVisitor | None,
    user: UserRow | None,
    live: str = "",
) -> PageChrome:
    """The frame for this request."""
    theme = request.cookies.get(THEME, "")
    return PageChrome(
        user=user,
        menu=[]
        if visitor is None or user is None
        else pages.menu(visitor.who.role, has_nodes=user.has_nodes),
        current=request.path,
        theme=theme if theme in THEMES else "",
        said=unquote(request.cookies.get(FLASH, ""))[:FLASH_CHARACTERS_MAX],
        live=live,
    )


def policy_of(request: web.Request, gateway: Gateway, nonce: str = "") -> str:
    """Nothing inline, nothing from elsewhere; the store's content, where that is elsewhere.

    ``nonce`` is that of the page's own tags, where its assets have no place that can be named.
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


def assets_source(host: str, settings: Settings) -> str:
    """Return the only place that scripts and styles may come from, as a policy names it.

    Where the gateway serves objects, what a stranger uploaded has the console's own origin, and
    must not run: there it is the path of the assets. A policy takes a path only behind a host, and
    knows no IPv6 address; the scheme is the page's.
    """
    if settings.objects.public_url or not _SOURCE.fullmatch(host):
        return "'self'"
    public = urlsplit(settings.server.public_url).netloc
    hosts = {host, public} if _SOURCE.fullmatch(public) else {host}
    return " ".join(f"{one}{STATIC}/" for one in sorted(hosts))


def _nonce(request: web.Request, gateway: Gateway) -> str:
    """A new one where ``assets_source`` cannot name the assets though objects share the origin.

    What a module imports is loaded by the nonce of its tag. A worker has no tag: browsers run none
    whose type is not JavaScript, which no object's is.
    """
    host = request.headers.get(hdrs.HOST, "")
    if gateway.settings.objects.public_url or _SOURCE.fullmatch(host):
        return ""
    return gateway.random.token(NONCE_BYTES).hex()


def _of_moment(request: web.Request, gateway: Gateway) -> Mapping[str, Any]:
    """``now`` in milliseconds: browsers' clocks are wrong, and relative times go by ours."""
    now = int(gateway.clock.now().timestamp() * 1000)
    return {"request_id": request.get(REQUEST_ID, ""), "served_at": now}


def html(
    request: web.Request, gateway: Gateway, template: str, context: Mapping[str, Any], status: int
) -> web.Response:
    """A page, kept by nobody: it is one person's, and of one moment."""
    nonce = _nonce(request, gateway)
    nonced = Markup(' nonce="{}"').format(nonce) if nonce else ""
    shown = {**context, **_of_moment(request, gateway), "nonced": nonced}
    answer = web.Response(
        text=render.page(template, shown),
        status=status,
        content_type="text/html",
    )
    answer.headers["Content-Security-Policy"] = policy_of(request, gateway, nonce)
    answer.headers["Cache-Control"] = "no-store"
    # Without an origin in what is posted over plain http nobody could tell whose page it was.
    answer.headers["Referrer-Policy"] = "same-origin"
    if is_trusted(request, gateway):  # elsewhere browsers ignore it, and complain of it
        answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if FLASH in request.cookies:
        answer.del_cookie(FLASH, **_flash_options(request, gateway))
    elif "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        compress(answer)
    return answer


def compress(answer: web.Response) -> None:
    """Send a page with gzip: a fifth of it.

    How long an answer is then tells something of a secret in it to somebody who reads along and
    has pages asked for with words of his own in their addresses (BREACH). Pages have no secret:
    there is no token against forged requests, as those are known by ``Sec-Fetch-Site`` and
    ``Origin``, and no page shows a cookie. What is shown once, as a webhook's secret, stands in
    what was done just now, and pages that say such a thing are not compressed. Streams of changes
    and pictures are other answers.
    """
    answer.enable_compression(web.ContentCoding.gzip)
    answer.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING


def refused(
    request: web.Request, gateway: Gateway, problem: Problem, frame: PageChrome, back: ReturnLink
) -> web.Response:
    """A refusal as a page, which leads ``back``. A form that was sent is not sent again by it."""
    again = problem.status == 503 and request.method == "GET"
    context = {
        "frame": frame,
        "status": problem.status,
        "title": TRYING if again else title_of(problem),
        "detail": problem.detail,
        "faults": [named(fault) for fault in problem.errors],
        "hint": AGAIN if again else hint_of(problem),
        "again": again,
        "sent": request.method != "GET",
        "back": back,
    }
    answer = html(request, gateway, "error.html", context, problem.status)
    answer.headers.update(problem.headers)
    return answer


def hint_of(problem: Problem) -> str:
    """What can be done."""
    if "requested" in problem.extra:
        return TOO_FEW.format_map(problem.extra)
    return FROM_HERE if problem == FOREIGN else HINTS.get(problem.status, "")


def title_of(problem: Problem) -> str:
    """What it is about, in some words."""
    if problem.errors and all(fault.code == "missing" for fault in problem.errors):
        return MISSING
    return TITLES.get(problem.status, HTTPStatus(problem.status).phrase)


def redirect(path: str) -> web.Response:
    """Send the browser to a page of ours."""
    return web.Response(status=303, headers={hdrs.LOCATION: own_path(path)})


def gone_to(request: web.Request, gateway: Gateway, go: Redirect) -> web.Response:
    """After a change: the page that shows it, which says what was done."""
    answer = redirect(go.to)
    if go.said:
        said = quote(go.said[:FLASH_CHARACTERS_MAX])
        answer.set_cookie(FLASH, said, max_age=60, **_flash_options(request, gateway))
    return answer


def _flash_options(request: web.Request, gateway: Gateway) -> Any:
    """Where the browser came by https, it sends the message back by https alone."""
    secure = is_secure(request, gateway)
    return {"path": ROOT, "httponly": True, "secure": secure, "samesite": "Lax"}


def sign_in_first(request: web.Request, pages: Pages) -> web.Response:
    """Who is not signed in does that, and comes back to where he wanted to be.

    A form that he sent is not sent again: he is told so, and comes back to its page.
    """
    if request.method == "GET":
        return redirect(f"{SIGN_IN}?{urlencode({'next': request.path_qs})}")
    asked = {"next": came_from(request, pages), "ended": 1}
    return redirect(f"{SIGN_IN}?{urlencode(asked)}")


def own_path(text: str) -> str:
    """A path of the console; anything else becomes its first page.

    Browsers read a backslash as a slash and drop control characters: both name other sites. They
    resolve dot segments, escaped ones too: those lead out of the console.
    """
    harmless = text.isascii() and text.isprintable() and "\\" not in text
    inside = text == ROOT or text.startswith((f"{ROOT}/", f"{ROOT}?"))
    path = re.split("[?#]", text, maxsplit=1)[0].lower().replace("%2e", ".")
    dotted = any(segment in (".", "..") for segment in path.split("/"))
    return text if harmless and inside and not dotted else ROOT
