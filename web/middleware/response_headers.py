"""Headers of all responses: fixed ones, and request id and rate limit where these are known.

A connection that is refused before its first request gets none of these headers.
"""

from typing import Final

from aiohttp import hdrs, web
from multidict import istr

from web.http.rate_limits import RATE_STATE
from web.http.responses import REQUEST_ID
from web.middleware.request_context import HEADER

# Names in their final form, so that they need no case folding per response.
ALWAYS: Final = {
    istr("X-Content-Type-Options"): "nosniff",
    istr("X-Frame-Options"): "DENY",
    istr("Referrer-Policy"): "no-referrer",
    istr("Content-Security-Policy"): "default-src 'none'; frame-ancestors 'none'",
    istr("Cache-Control"): "no-store",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add headers before a response is sent; those of ALWAYS that the handler has set stay."""
    stamp(response)
    headers = response.headers
    state = request.get(RATE_STATE)
    if state is not None:
        headers.update(state.headers())
    headers[HEADER] = request.get(REQUEST_ID, "")


def stamp(response: web.StreamResponse) -> None:
    """Add the headers that do not depend on the request; those of ALWAYS that are set stay."""
    headers = response.headers
    for name, value in ALWAYS.items():
        headers.setdefault(name, value)
    headers[hdrs.SERVER] = "rendertrust"
