"""What every part of the client stands on: the connections to one gateway, and a login there."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from rendertrust.api.accounts import Tokens
from rendertrust.client.backoff import Retries
from rendertrust.client.log_monitor import LogMonitor, MemoryPins, Pins
from rendertrust.client.login import Login, MemoryTokenStore, TokenStore
from rendertrust.client.pages import Element, Some, walk
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import ApiCall, Transport, Waiting
from rendertrust.client.uploads import Uploads

RETRIES: Final = Retries()


class ApiBase:
    """Requests to one gateway, open until ``close``."""

    def __init__(
        self,
        url: str,
        *,
        tokens: Tokens | None = None,
        keeper: TokenStore | None = None,
        api_key: str | None = None,
        retries: Retries = RETRIES,
        waiting: Waiting | None = None,
        pins: Pins | None = None,
    ) -> None:
        """``keeper`` keeps tokens between runs, ``pins`` what was seen of the log.

        ``waiting`` is told before a pause.

        With an ``api_key`` nobody needs to log in; Forbidden: it lacks the scope.
        """
        self._transport = Transport(url, retries, waiting)
        self._keeper = MemoryTokenStore(tokens) if keeper is None else keeper
        self._login = Login(self._transport, self._keeper, api_key)
        self._uploads = Uploads(self._login)
        kept = MemoryPins() if pins is None else pins
        self._witness = LogMonitor(self._get_open, self._get, kept)

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self._transport.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        return await self._login.send(ApiCall("GET", path, query=query or {}))

    async def _get_open(self, path: str, query: Mapping[str, str]) -> Any:
        return await self._transport.send(ApiCall("GET", path, query=query))

    def _walk(
        self,
        kind: type[Some],
        path: str,
        elements: Callable[[Some], Sequence[Element]],
        **more: str | None,
    ) -> AsyncIterator[Element]:
        async def fetch(query: Mapping[str, str]) -> Some:
            return read(kind, await self._get(path, query))

        return walk(fetch, elements, **more)

    async def _once(self, path: str, body: Mapping[str, Any], key: str | None) -> Any:
        """POST what moves credits: however often it is sent, it happens once for one ``key``."""
        headers = {"Idempotency-Key": key or str(uuid4())}
        return await self._login.send(ApiCall("POST", path, body, headers=headers))
