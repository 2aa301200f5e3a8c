"""The way to the gateway: what was asked is asked again until it is answered, across kills."""

import asyncio
from typing import Any, Final

import aiohttp
import attrs

from tests.kills.journal import Json

API: Final = "/api/v1"
PAUSE_SECONDS: Final = 0.02
ANSWER_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 600.0
# Not now, and nobody knows whether it was done.
AGAIN: Final = frozenset({429, 503})
REPLAYED: Final = "Idempotency-Replayed"


@attrs.frozen
class Request:
    """``key``: an Idempotency-Key; '' for what needs none to be asked twice."""

    method: str
    path: str
    body: Json | None = None
    key: str = ""


@attrs.frozen
class Answer:
    """``replayed``: as it was answered to an earlier try; ``tries``: how often it was asked."""

    status: int
    body: Any
    replayed: bool
    tries: int

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


class Line:
    """One gateway, in all its lives."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def ask(self, request: Request, token: str = "") -> Answer:
        """The answer, whatever dies meanwhile. Raises TimeoutError after ten minutes."""
        tries = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                tries += 1
                answer = await self._once(request, token, tries)
                if answer is not None:
                    return answer
                await self.pause()

    async def pause(self) -> None:
        """Before one more try."""
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
    """As many connections as hands need."""
    limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    return aiohttp.ClientSession(timeout=limit, connector=aiohttp.TCPConnector(limit=0))
