"""Changes of all pages that a browser has open, as one stream of server-sent events.

``POST /console/live`` takes the address of one page per line (``/console/fleet?is=offline``); each
event's id is the line number of its page. The part after a ``#`` names the page's user, so that a
page that another account opened is reloaded. All windows of a browser share one stream, because
browsers open at most six connections to a host (docs/adr/0037-render-the-console-on-the-server.md).
``GET …?of=…&of=…`` does the same for a few pages.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import attrs
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response
from yarl import URL

from actors.console_hub.messages import Fragment, Hub, LiveView, PageWatcher, Watch
from actors.kernel import AskFailed
from web.console.page_handler import ConsoleHandler
from web.console.registry import ROOT, ConsolePage, Pages
from web.console.session import FOREIGN, SignedInVisitor, is_own
from web.console.template_rendering import blocks
from web.console.view import View
from web.gateway import Gateway
from web.http.body import read_bytes
from web.http.operations import NOT_AUTHENTICATED, Audience
from web.http.problem import Problem, unavailable
from web.http.responses import refusal
from web.identity.tokens import Claims

LIVE: Final = f"{ROOT}/live"
LOOK_SECONDS: Final = 2.0  # how often the viewer's access is checked again
HUB_SECONDS: Final = 5.0  # the hub may first read pages for other viewers
OF_ONE_MAX: Final = 60  # pages that one user may follow at once
NAMED_MAX: Final = 200
NO_PAGE: Final = Problem(404, "There is no live page at the address that ?of= names")
NO_HUB: Final = unavailable("Live updates are not available now; the page itself can be loaded", 2)
OTHERS: Final = Problem(409, "Another account opened this page: reload it")
TOO_MANY: Final = Problem(429, "You follow too many pages at once", headers={"Retry-After": "5"})
WORDS: Final = {TOO_MANY.status: "crowded", OTHERS.status: "other"}


def live_view(page: ConsolePage, view: View[Any]) -> LiveView:
    """Return a page as the user of ``view`` sees it."""

    async def read() -> Sequence[Fragment] | None:
        shown = await page.read(view)
        if not isinstance(shown, dict):
            return None
        return blocks(page.template, page.live, {**shown, "view": view})

    key = f"{view.who.user if page.own else ''} {view.key()}"
    return LiveView(key, page.path, page.topics, page.every, page.rest, page.inside, read)


@attrs.frozen
class WatchedPage:
    """A page of a stream; ``place`` is the line of the request that names the page."""

    place: int
    view: LiveView
    watcher: PageWatcher


class LiveHandler(ConsoleHandler):
    """Streams the changes of pages to their viewers."""

    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        super().__init__(gateway, pages, "read", Audience.USER)
        self._open: set[PageWatcher] = set()
        self._by_user = Counter[Any]()

    async def close(self, _site: web.Application) -> None:
        """Close all streams when the site stops; browsers reconnect by themselves."""
        for watcher in self._open:
            watcher.close()

    def _stranger(self, request: web.Request) -> web.StreamResponse:
        return refusal(request, NOT_AUTHENTICATED)

    async def _answer(self, request: web.Request, visitor: SignedInVisitor) -> web.StreamResponse:
        addresses, user = await self._named(request), visitor.who.user
        if isinstance(addresses, Problem):
            return refusal(request, addresses)
        room = OF_ONE_MAX - self._by_user[user]
        stream = LiveStream(asyncio.Event())
        for place, address in enumerate(addresses):
            is_full = len(stream.looks) >= room
            stream.add(place, TOO_MANY if is_full else self._found(request, visitor, address))
        if not stream.looks:
            return refusal(request, stream.problem)
        watchers = {look.watcher for look in stream.looks}
        self._by_user[user] += len(watchers)
        self._open |= watchers
        try:
            return await self._follow(request, visitor.claims, stream)
        finally:
            for watcher in watchers:
                watcher.close()
            self._open -= watchers
            self._by_user[user] -= len(watchers)

    async def _named(self, request: web.Request) -> list[str] | Problem:
        """Return the addresses of the pages.

        A POST is used because a request line is limited to 8 KiB.
        """
        if request.method == "GET":
            return request.query.getall("of", [])[:NAMED_MAX]
        if not is_own(request, self.gateway):
            return FOREIGN
        raw = await read_bytes(request, self.gateway.settings.server.body_seconds)
        if isinstance(raw, Problem):
            return raw
        return raw.decode("utf-8", "replace").split("\n")[:NAMED_MAX]

    def _found(
        self, request: web.Request, visitor: SignedInVisitor, address: str
    ) -> LiveView | Problem:
        """Return the page at an address as its visitor sees it, or a Problem."""
        try:
            url = URL(address)
        except ValueError:
            return NO_PAGE
        found = self.pages.at(url.path)
        if found is None or not found[0].live:
            return NO_PAGE
        if url.fragment not in ("", str(visitor.who.user)):
            return OTHERS
        page, words = found
        view = self._view(request, visitor, page, words, url.query)
        return view if isinstance(view, Problem) else live_view(page, view)

    async def _follow(
        self, request: web.Request, claims: Claims, stream: "LiveStream"
    ) -> web.StreamResponse:
        try:
            hub = self.gateway.registry.ref(Hub)
            for each in stream.looks:
                watch = Watch(each.view, each.watcher)
                if not await hub.ask(watch, within=HUB_SECONDS):
                    return refusal(request, NO_HUB)
        except (AskFailed, LookupError):
            return refusal(request, NO_HUB)
        return await self.stream(request, claims, stream)

    async def stream(
        self, request: web.Request, claims: Claims, stream: "LiveStream"
    ) -> web.StreamResponse:
        """Send changes until either side ends the stream.

        A client that leaves or stops reading is no error.
        """
        answer: web.StreamResponse = web.Response()
        if request.transport is None:  # the client left before anything was sent
            return answer
        with suppress(ConnectionError, TimeoutError):
            async with sse_response(request, sep="\n", allow_all_methods=True) as sent:
                answer = sent
                while sent.is_connected() and stream.goes_on() and await self._may(claims):
                    await stream.pass_on(sent)
                    await stream.wait()
        return answer

    async def _may(self, claims: Claims) -> bool:
        """Return True if the session is still valid: an open page must not show more than a newly
        loaded page.
        """
        revocations = self.gateway.identity.revocations
        if claims.expires <= self.gateway.ports.clock.now() or not await revocations.current():
            return False
        return not revocations.refuses(claims)


@attrs.define
class LiveStream:
    """The pages of one browser. ``lost``: the reason for each page that is not followed.

    The reasons: ``gone``, the user cannot see the page; ``crowded``, the user follows too many
    pages; ``other``, another account opened the page.
    """

    filled: asyncio.Event
    looks: list[WatchedPage] = attrs.field(factory=list[WatchedPage])
    lost: list[tuple[str, int]] = attrs.field(factory=list[tuple[str, int]])
    problem: Problem = NO_PAGE  # answer if no page may be followed

    def add(self, place: int, found: LiveView | Problem) -> None:
        """Add a page, or the reason why it cannot be followed."""
        if isinstance(found, Problem):
            self.lost.append((WORDS.get(found.status, "gone"), place))
            self.problem = found
        else:
            self.looks.append(WatchedPage(place, found, PageWatcher(self.filled)))

    def goes_on(self) -> bool:
        """Return True if a page is still followed; without one, the stream ends, and the browser
        opens a new one.
        """
        return any(look.watcher.is_open for look in self.looks)

    async def pass_on(self, sent: EventSourceResponse) -> None:
        """Send the changes of the pages, and which pages are no longer followed."""
        self.lost += [("gone", look.place) for look in self.looks if not look.watcher.is_open]
        self.looks = [look for look in self.looks if look.watcher.is_open]
        for word, place in self.lost:
            await sent.send(word, id=str(place), event=word)
        self.lost = []
        self.filled.clear()
        for look in self.looks:
            await tell(look, sent)

    async def wait(self) -> None:
        """Wait for a change, or until the access must be checked again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self.filled.wait()


async def tell(look: WatchedPage, sent: EventSourceResponse) -> None:
    """Send the changes of one page."""
    news, place = look.watcher.take(), str(look.place)
    if news.fragments:
        text = "".join(fragment.swap for fragment in news.fragments)
        await sent.send(text, id=place)
    if news.word:
        await sent.send(news.word, id=place, event=news.word)
