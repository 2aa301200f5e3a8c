"""Handlers of paths that are no operations of the API, with limits on requests per address."""

from collections import Counter
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from rendertrust.api.refusal_code import RefusalCode
from web.http.caller import CALLER
from web.http.operations import Audience
from web.http.problem import Problem
from web.http.rate_limits import Rate, RateLimits, admit
from web.http.responses import refusal

BUSY: Final = Problem(
    429,
    "Too many requests of this kind at once from your address; wait for one to end",
    headers={"Retry-After": "5"},
    code=RefusalCode.TOO_MANY_AT_ONCE,
)


class RateGate:
    """An aiohttp handler, ``serve``, with a limit of ``at_once`` concurrent requests per
    address.
    """

    def __init__(
        self,
        rates: RateLimits,
        rate: Rate,
        audience: Audience,
        handler: Handler,
        *,
        at_once: int | None = None,
    ) -> None:
        self.rate: Final = rate
        self.audience: Final = audience
        self._rates = rates
        self._handler = handler
        self._at_once = at_once
        self._inside: Counter[str] = Counter()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve the request; 429 if the address has too many, in a minute or at once."""
        subject = request[CALLER].subject
        refused = await admit(self._rates, request, self.rate, subject)
        if refused is None and self._inside[subject] == self._at_once:
            refused = BUSY
        if refused is not None:
            return refusal(request, refused)
        self._inside[subject] += 1
        try:
            return await self._handler(request)
        finally:
            self._inside[subject] -= 1
            if not self._inside[subject]:
                del self._inside[subject]
