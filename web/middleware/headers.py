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
    headers = response.headers
    for name, value in ALWAYS.items():
        if name not in headers:
            headers[name] = value
    standing = request.get(STANDING)
    if standing is not None:
        headers.update(standing.headers())
    headers[HEADER] = request.get(REQUEST_ID, "")
    headers["Server"] = "rendertrust"
