"""What stands between the agent and the network: its gateway's key is looked at before anything
that opens something leaves for it.

A connection that lives is the gateway's; a request may go over a new one, and to whoever has the
address by then. So there is a look before each, which needs no secret. What goes elsewhere, like
results by addresses of an object store that authorise by themselves, waits until this life of the
agent has seen the key.
"""

from collections.abc import Awaitable, Callable

import aiohttp
import attrs
from yarl import URL

from rendertrust.node.gateway_key import Answer, KeyChanged, KeyKnown, KeyUnknown

Look = Callable[[], Awaitable[Answer]]


class KeyNotConfirmed(aiohttp.ClientConnectionError):
    """Nothing was sent: the key of the gateway did not hold, or nobody could look."""

    def __init__(self, answer: KeyChanged | KeyUnknown) -> None:
        super().__init__(answer.reason)
        self.answer = answer


async def _nobody() -> Answer:
    return KeyUnknown("nobody has looked at the gateway's key")


@attrs.define
class GatewayPin:
    """A middleware of a session of aiohttp for the gateway at ``url``; until somebody gave it a
    ``look``, which must not go through it, it lets nothing out.
    """

    url: str
    look: Look = _nobody
    _held: bool = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send it, if it may be. Raises KeyNotConfirmed."""
        if not self._held or self._is_its(request.url):
            answer = await self.look()
            self._held = isinstance(answer, KeyKnown) or (
                self._held and not isinstance(answer, KeyChanged)
            )
            if not isinstance(answer, KeyKnown):
                raise KeyNotConfirmed(answer)
        return await handler(request)

    def _is_its(self, url: URL) -> bool:
        """By ws or by http."""
        own = URL(self.url)
        return (url.host, url.port) == (own.host, own.port)
