"""Metrics of requests: responses and their times, by route."""

from http import HTTPStatus
from typing import Final

from aiohttp import web
from prometheus_client import Counter, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # would be a third more series
REQUESTS: Final = Counter(
    "rendertrust_requests", "Responses by route.", ["method", "route", "status"]
)
SECONDS: Final = Histogram(
    "rendertrust_request_seconds", "Time to the response, by route.", ["route"]
)
LIMITED: Final = Counter(
    "rendertrust_rate_limited_requests", "Requests over a rate limit, by route.", ["route"]
)
UNKNOWN: Final = "unknown"
GONE: Final = 499  # the client left before there was a response
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STATUSES: Final = {int(status): str(int(status)) for status in HTTPStatus} | {GONE: str(GONE)}


class RequestMetrics:
    """Counts responses. The counters of each combination of labels are looked up once."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}

    def count(self, method: str, route: str, status: int) -> None:
        """Count one response."""
        key = (method, route, status)
        if key not in self._counters:
            self._counters[key] = REQUESTS.labels(*labels_of(method, route, status))
        self._counters[key].inc()
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            LIMITED.labels(route).inc()

    def time(self, route: str, seconds: float) -> None:
        """Record how long a response took."""
        if route not in self._timers:
            self._timers[route] = SECONDS.labels(route)
        self._timers[route].observe(seconds)


def labels_of(method: str, route: str, status: int) -> tuple[str, str, str]:
    """Return the labels.

    All unknown paths share a label, as do unknown methods and statuses, so that the number of
    series is bounded.
    """
    known = method in METHODS and route != UNKNOWN
    return method if known else UNKNOWN, route, STATUSES.get(status, UNKNOWN)


def route_of(request: web.Request) -> str:
    """Return the template of the route; all undeclared paths share one label."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else UNKNOWN
