"""Headers that every answer carries."""

from aiohttp import web

from web.answers import REQUEST_ID
from web.middleware.request_id import HEADER
from web.rates import STANDING

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Before an answer is sent; what its handler set for itself stays."""
    stamp(response)
    headers = response.headers
    standing = request.get(STANDING)
    if standing is not None:
        headers.update(standing.headers())
    headers[HEADER] = request.get(REQUEST_ID, "")


def stamp(response: web.StreamResponse) -> None:
    """The headers that do not depend on the request; what is set already stays."""
    for name, value in ALWAYS.items():
        if name not in response.headers:
            response.headers[name] = value
    response.headers["Server"] = "rendertrust"
