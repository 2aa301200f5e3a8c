"""Access of web applications on other origins to the API (CORS): by token, never by cookie."""

from collections.abc import Iterable
from typing import Final

from aiohttp import hdrs, web

from web.http.responses import JsonResponse
from web.objects import archives

FOLDERS: Final = ("/api/", archives.PATH.partition("{")[0])
FILES: Final = frozenset({"/health", "/openapi.json", "/version"})
METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
# Browsers do not count Authorization as one of ``*``; a list also says what the API reads.
REQUEST_HEADERS: Final = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Last-Event-ID",
    "Range",
    "traceparent",
    "x-amz-checksum-sha256",
)
RESPONSE_HEADERS: Final = (
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Idempotency-Replayed",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)
PREFLIGHT_SECONDS: Final = 600  # how long a browser remembers what a preflight allowed


class CrossOrigin:
    """Marks responses that pages of the given origins may read, and answers their preflights.

    Only the API, the files that it hands out and its description are shared. Without
    ``Access-Control-Allow-Credentials``, browsers send no cookie of the console.
    """

    def __init__(self, origins: Iterable[str], bucket: str) -> None:
        self._origins = frozenset(origins)
        self._shared = (*FOLDERS, f"/{bucket}/")

    def preflight(self, request: web.Request) -> web.Response | None:
        """Return the answer to a preflight of an allowed origin; None for any other request."""
        headers = request.headers
        if request.method != hdrs.METH_OPTIONS or not self._may_read(request):
            return None
        if hdrs.ACCESS_CONTROL_REQUEST_METHOD not in headers:
            return None
        allowed = {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: ", ".join(REQUEST_HEADERS),
            hdrs.ACCESS_CONTROL_MAX_AGE: str(PREFLIGHT_SECONDS),
        }
        return web.Response(status=204, headers=allowed)

    async def on_prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Mark a response of aiohttp before it is sent."""
        self.mark(request, response)

    def mark_json(self, request: web.Request, response: web.StreamResponse) -> None:
        """Mark a response that aiohttp does not prepare."""
        if isinstance(response, JsonResponse):
            self.mark(request, response)

    def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers; caches must know that a response without them is for no other origin."""
        headers = response.headers
        if hdrs.ORIGIN not in request.headers and hdrs.CACHE_CONTROL not in headers:
            return
        if not self._is_shared(request.path):
            return
        varies = headers.get(hdrs.VARY)
        headers[hdrs.VARY] = hdrs.ORIGIN if varies is None else f"{varies}, {hdrs.ORIGIN}"
        if self._may_read(request):
            headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = request.headers[hdrs.ORIGIN]
            headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = ", ".join(RESPONSE_HEADERS)

    def _may_read(self, request: web.Request) -> bool:
        origin = request.headers.get(hdrs.ORIGIN)
        return origin in self._origins and self._is_shared(request.path)

    def _is_shared(self, path: str) -> bool:
        return path in FILES or path.startswith(self._shared)
