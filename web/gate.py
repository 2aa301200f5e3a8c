"""What is served beside the operations: behind a limit, and for a declared audience."""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from web.answers import refusal
from web.caller import CALLER
from web.operations import Audience, Rate
from web.rates import Rates, admit


class Gate:
    """A handler of its own kind as aiohttp calls it: ``serve``."""

    def __init__(self, rates: Rates, rate: Rate, audience: Audience, handler: Handler) -> None:
        self.rate: Final = rate
        self.audience: Final = audience
        self._rates = rates
        self._handler = handler

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """429 when it is one too many of its address; else what the handler makes of it."""
        refused = await admit(self._rates, request, self.rate, request[CALLER].subject)
        if refused is not None:
            return refusal(request, refused)
        return await self._handler(request)
