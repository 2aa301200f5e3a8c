"""What is counted and logged of each request: by route, never by raw path; no query, no token."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import Counter, Histogram

from actors.ports import Clock
from web.answers import REQUEST_ID
from web.logs import access

REQUESTS = Counter("rendertrust_requests", "Answers by route.", ["method", "route", "status"])
SECONDS = Histogram("rendertrust_request_seconds", "Time to the answer, by route.", ["route"])
UNKNOWN = "unknown"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def measures(clock: Clock, *, logged: bool) -> Middleware:
    """Count each answer and its time; log it where ``logged``."""
    counters: dict[tuple[str, str, int], Counter] = {}
    timers: dict[str, Histogram] = {}

    def count(method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        if key not in counters:
            counters[key] = REQUESTS.labels(method, route, str(status))
        if route not in timers:
            timers[route] = SECONDS.labels(route)
        counters[key].inc()
        timers[route].observe(seconds)

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = clock.monotonic()
        status = 499  # the client went away before there was an answer
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            seconds = clock.monotonic() - begun
            method = request.method if request.method in METHODS else UNKNOWN
            count(method, route_of(request), status, seconds)
            if logged:
                request_id = request[REQUEST_ID]
                access(
                    clock.now(), request_id, method, request.path, status, seconds, request.remote
                )

    return measure


def route_of(request: web.Request) -> str:
    """The template of the route: paths that nobody declared are one label."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else UNKNOWN
