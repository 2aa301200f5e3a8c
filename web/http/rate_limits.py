"""Rate limits: requests per minute of an address, a user or a node."""

import asyncio
import math
from collections.abc import Callable, Hashable, Mapping
from typing import Final, Literal, TypeAlias, get_args
from uuid import UUID

import attrs
import structlog
from aiohttp import web
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter
from multidict import istr
from prometheus_client import Counter

from actors.ports import Clock
from config.settings import Limits
from rendertrust.api.refusal_code import RefusalCode
from supervisors.engines.rates_valkey import AWAY, SharedRates
from web.http.problem import Problem, unavailable

# Rate limits; each is a setting of the same name. Per address: login, refresh, register, node,
# probe (health, metrics, documents), webhook, socket (the relay), object (presigned URLs). Per user
# or node, or else per address: read, write, dispatch.
Rate: TypeAlias = Literal[
    "login",
    "refresh",
    "register",
    "node",
    "probe",
    "webhook",
    "socket",
    "object",
    "read",
    "write",
    "dispatch",
]
# Whom a limit counts: an address, or the id of a user or node.
Subject: TypeAlias = str | UUID
RATES: Final[tuple[Rate, ...]] = get_args(Rate)
PER_CALLER: Final[frozenset[Rate]] = frozenset({"read", "write", "dispatch"})
WINDOW_SECONDS: Final = 60
SHARED_SECONDS: Final = 0.5  # deadline for an answer of the shared counters
REST_SECONDS: Final = 1.0  # how long the shared counters are not asked after a failure
# Limits that guard passwords and accounts; these limits must not grow with the number of gateways.
GUARDS: Final = frozenset({"login", "refresh", "register"})
NOT_COUNTED: Final = unavailable(
    "Requests cannot be counted now; try again", retry_after=2, code=RefusalCode.RATES_UNAVAILABLE
)
LIMIT, REMAINING, RESET = (istr(f"RateLimit-{n}") for n in ("Limit", "Remaining", "Reset"))
ALONE: Final = Counter(
    "rendertrust_rate_limit_fallbacks",
    "Requests counted by one gateway only, because Redis did not answer.",
)
log = structlog.get_logger("web.http.rate_limits")


@attrs.define
class RateWindow:
    """A count of requests, and the time at which it expires, by the clock of ``RateCounters``."""

    count: int
    ends: float


class RateCounters:
    """Fixed windows of one length, so that they expire in the order in which they began.

    The table of the package `limits` is not used: it is unbounded, scans every key after every
    request, and is slow. When this table is full, the window that expires first is dropped.
    """

    def __init__(self, now: Callable[[], float], most: int, seconds: float) -> None:
        self._now = now
        self._most = most
        self._seconds = seconds
        self._windows: dict[Hashable, RateWindow] = {}  # in the order of expiry

    def __len__(self) -> int:
        return len(self._windows)

    def hit(self, key: Hashable) -> RateWindow:
        """Count a request and return its window, which the caller must not keep."""
        now = self._now()
        window = self._windows.get(key)
        if window is None or window.ends <= now:
            self._windows.pop(key, None)
            self._make_room(now)
            window = self._windows[key] = RateWindow(0, now + self._seconds)
        window.count += 1
        return window

    def _make_room(self, now: float) -> None:
        """Drop expired windows and, if the table is full, the oldest one.

        Each window is dropped once, so the work per request is constant on average.
        """
        while self._windows:
            first = next(iter(self._windows))
            if self._windows[first].ends > now and len(self._windows) < self._most:
                return
            del self._windows[first]


@attrs.frozen
class RateState:
    """The state after counting a request: ``remaining`` of ``limit`` requests for ``seconds``.

    ``is_over``: the counted request is above the limit.
    """

    limit: int
    remaining: int
    seconds: int
    is_over: bool = False

    def headers(self) -> Mapping[str, str]:
        return {
            LIMIT: str(self.limit),
            REMAINING: str(self.remaining),
            RESET: str(self.seconds),
        }

    @property
    def lines(self) -> str:
        """The rate limit headers as they are sent."""
        return (
            f"RateLimit-Limit: {self.limit}\r\nRateLimit-Remaining: {self.remaining}\r\n"
            f"RateLimit-Reset: {self.seconds}\r\n"
        )


RATE_STATE: Final = web.RequestKey("rate_state", RateState)


class RateLimits:
    """Counts requests here, or in ``shared`` if several gateways count together.

    If the shared counters fail, each gateway counts alone, and requests that guard passwords are
    refused.
    """

    def __init__(self, settings: Limits, clock: Clock, shared: SharedRates | None = None) -> None:
        self._clock = clock
        self._here = RateCounters(clock.monotonic, settings.subjects, WINDOW_SECONDS)
        self._shared = shared
        self._rests_until = -math.inf
        self._limits: Mapping[str, RateLimitItem] = {
            rate: RateLimitItemPerMinute(getattr(settings, rate)) for rate in RATES
        }

    async def count(self, rate: str, subject: Subject) -> RateState | Problem:
        """Count a request.

        Return 503 if the rate guards passwords or accounts and the shared counters fail.
        """
        limit = self._limits[rate]
        if self._shared is None:
            return self._counted_here(limit, rate, subject)
        together = await self._together(self._shared, limit, rate, subject)
        if together is not None:
            return together
        if rate in GUARDS:
            return NOT_COUNTED
        ALONE.inc()
        return self._counted_here(limit, rate, subject)

    async def _together(
        self, shared: SharedRates, limit: RateLimitItem, rate: str, subject: Subject
    ) -> RateState | None:
        if self._clock.monotonic() < self._rests_until:
            return None
        try:
            async with asyncio.timeout(SHARED_SECONDS):
                limiter = FixedWindowRateLimiter(await shared.counters())
                return await self._counted(limiter, limit, rate, str(subject))
        except AWAY as error:
            self._rests_until = self._clock.monotonic() + REST_SECONDS
            log.warning("the shared rate counters cannot be reached", reason=type(error).__name__)
            return None

    def _counted_here(self, limit: RateLimitItem, rate: str, subject: Subject) -> RateState:
        window = self._here.hit((rate, subject))
        wait = window.ends - self._clock.monotonic()
        return state_of(limit.amount, limit.amount - window.count, wait)

    async def _counted(
        self, limiter: FixedWindowRateLimiter, limit: RateLimitItem, rate: str, subject: str
    ) -> RateState:
        within = await limiter.hit(limit, rate, subject)
        stats = await limiter.get_window_stats(limit, rate, subject)
        left = stats.remaining if within else -1
        return state_of(limit.amount, left, stats.reset_time - self._clock.now().timestamp())


def state_of(limit: int, left: int, wait: float) -> RateState:
    """Return the state; ``left`` is below zero for a request over the limit."""
    seconds = min(max(1, math.ceil(wait)), WINDOW_SECONDS + 1)
    return RateState(limit, max(left, 0), seconds, is_over=left < 0)


async def admit(
    rates: RateLimits, request: web.Request, rate: str, subject: Subject
) -> Problem | None:
    """Count the request and attach its rate limit headers; return 429 if it is over the limit."""
    counted = await rates.count(rate, subject)
    if isinstance(counted, Problem):
        return counted
    request[RATE_STATE] = counted
    return too_many(counted) if counted.is_over else None


def too_many(state: RateState) -> Problem:
    """Return 429 with the time to wait."""
    wait = state.seconds
    text = f"Too many requests: at most {state.limit} per minute; try again in {wait} s"
    return Problem(429, text, headers={"Retry-After": str(wait)}, code=RefusalCode.RATE_LIMITED)
