"""Requests to the gateway that are repeated across kills until they are answered."""

import asyncio
from typing import Any, Final

import aiohttp
import attrs

from tests.kills.journal import Json

API: Final = "/api/v1"
PAUSE_SECONDS: Final = 0.02
ANSWER_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 600.0
# Statuses after which a request is repeated: it was over a limit, or may not have been executed.
AGAIN: Final = frozenset({429, 503})
REPLAYED: Final = "Idempotency-Replayed"


@attrs.frozen
class Request:
    """A request; ``key`` is its idempotency key, or '' if the request is safe to repeat without a
    key.
    """

    method: str
    path: str
    body: Json | None = None
    key: str = ""


@attrs.frozen
class Answer:
    """An answer after so many ``tries``; ``replayed``: an earlier try had made the change."""

    status: int
    body: Any
    replayed: bool
    tries: int

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


class Line:
    """A client of one gateway address, across all restarts."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def ask(self, request: Request, token: str = "") -> Answer:
        """Repeat the request until it is answered; raise TimeoutError after ten minutes."""
        tries = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                tries += 1
                answer = await self._once(request, token, tries)
                if answer is not None:
                    return answer
                await self.pause()

    async def pause(self) -> None:
        """Wait a moment before the next try."""
        await asyncio.sleep(PAUSE_SECONDS)

    async def _once(self, request: Request, token: str, tries: int) -> Answer | None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if request.key:
            headers["Idempotency-Key"] = request.key
        try:
            async with self.http.request(
                request.method, self.url + API + request.path, json=request.body, headers=headers
            ) as answer:
                body = await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            return None
        if answer.status in AGAIN:
            return None
        return Answer(answer.status, body, REPLAYED in answer.headers, tries)


def new_session() -> aiohttp.ClientSession:
    """Return an HTTP session with an unlimited number of connections."""
    limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    return aiohttp.ClientSession(timeout=limit, connector=aiohttp.TCPConnector(limit=0))
