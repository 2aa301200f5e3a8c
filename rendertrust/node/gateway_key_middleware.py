"""HTTP middleware that checks the gateway's key before the agent sends it a secret.

Each request may open a new connection, and by then the address may belong to somebody else.
Therefore each request to the gateway is preceded by a request without secrets, which checks the
key. A request to another host, such as an upload to a presigned URL, is preceded by this check only
until the key was confirmed once, and again after the key has changed.
"""

from collections.abc import Awaitable, Callable

import aiohttp
import attrs
from yarl import URL

from rendertrust.node.gateway_key import Answer, KeyChanged, KeyKnown, KeyUnknown

Look = Callable[[], Awaitable[Answer]]


class KeyNotConfirmed(aiohttp.ClientConnectionError):
    """The gateway's key is wrong or could not be checked; nothing was sent."""

    def __init__(self, answer: KeyChanged | KeyUnknown) -> None:
        super().__init__(answer.reason)
        self.answer = answer


async def _nobody() -> Answer:
    return KeyUnknown("the gateway's key has not been checked yet")


@attrs.define
class GatewayPin:
    """An aiohttp middleware for the gateway at ``url``.

    All requests fail until ``look``, the function that checks the key, is set. The requests of
    ``look`` bypass the middleware.
    """

    url: str
    look: Look = _nobody
    _held: bool = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request if the key is confirmed. Raises KeyNotConfirmed."""
        if not self._held or self._is_its(request.url):
            answer = await self.look()
            self._held = isinstance(answer, KeyKnown) or (
                self._held and not isinstance(answer, KeyChanged)
            )
            if not isinstance(answer, KeyKnown):
                raise KeyNotConfirmed(answer)
        return await handler(request)

    def _is_its(self, url: URL) -> bool:
        """Return True for the gateway's host and port, over WebSocket or HTTP."""
        own = URL(self.url)
        return (url.host, url.port) == (own.host, own.port)
