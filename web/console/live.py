"""What changes on a page that somebody has open, as server-sent events."""

from collections import Counter
from contextlib import suppress
from typing import Any, Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from actors.kernel import AskFailed
from web.answers import refusal
from web.console.door import Door
from web.console.hub import Hub, Watch
from web.console.registry import Page, Pages
from web.console.session import Visitor
from web.console.view import View
from web.console.watcher import Watcher
from web.gateway import Gateway
from web.operations import NOT_AUTHENTICATED
from web.problem import Problem, unavailable
from web.tokens import Claims

LOOK_SECONDS: Final = 2.0  # how often it is looked whether the watcher may still look
HUB_SECONDS: Final = 5.0  # it may be reading for others
OF_ONE_MAX: Final = 30
NO_HUB: Final = unavailable("Nothing can be followed now; the page itself can be loaded", 2)
TOO_MANY: Final = Problem(429, "You follow too many pages at once", headers={"Retry-After": "5"})


class LiveDoor(Door):
    """The changes of one page, to as many as look at it."""

    def __init__(self, gateway: Gateway, pages: Pages, page: Page) -> None:
        super().__init__(gateway, pages, page.rate, page.audience)
        self._page = page
        self._open: set[Watcher] = set()
        self._by_user = Counter[Any]()

    async def close(self, _site: web.Application) -> None:
        """When the site stops: consoles come back by themselves."""
        for watcher in self._open:
            watcher.close()

    def _stranger(self, request: web.Request) -> web.StreamResponse:
        return refusal(request, NOT_AUTHENTICATED)

    async def _answer(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        view = self._view(request, visitor, self._page)
        if isinstance(view, Problem):
            return refusal(request, view)
        user = visitor.who.user
        if self._by_user[user] >= OF_ONE_MAX:
            return refusal(request, TOO_MANY)
        watcher = Watcher()
        self._by_user[user] += 1
        self._open.add(watcher)
        try:
            return await self._follow(request, visitor.claims, view, watcher)
        finally:
            watcher.close()
            self._open.discard(watcher)
            self._by_user[user] -= 1

    async def _follow(
        self, request: web.Request, claims: Claims, view: View[Any], watcher: Watcher
    ) -> web.StreamResponse:
        try:
            hub = self.gateway.registry.ref(Hub)
            taken = await hub.ask(Watch(self._page, view, watcher), within=HUB_SECONDS)
        except (AskFailed, LookupError):
            taken = False
        if not taken:
            return refusal(request, NO_HUB)
        return await self._stream(request, claims, watcher)

    async def _stream(
        self, request: web.Request, claims: Claims, watcher: Watcher
    ) -> web.StreamResponse:
        """As long as both sides want it. Who leaves, or reads nothing any more, is no error."""
        answer: web.StreamResponse = web.Response()
        with suppress(ConnectionError, TimeoutError):
            async with sse_response(request, sep="\n") as stream:
                answer = stream
                while stream.is_connected() and watcher.is_open and self._may(claims):
                    await pass_on(watcher, stream)
        return answer

    def _may(self, claims: Claims) -> bool:
        """Whether the login is still good: an open page shows no more than a new one."""
        revocations = self.gateway.revocations
        return claims.expires > self.gateway.clock.now() and not revocations.refuses(claims)


async def pass_on(watcher: Watcher, stream: EventSourceResponse) -> None:
    """What is new, if anything comes in time."""
    news = await watcher.take(within=LOOK_SECONDS)
    if news is None:
        return
    if news.fragments:
        await stream.send("".join(fragment.swap for fragment in news.fragments))
    if news.word:
        await stream.send(news.word, event=news.word)
