"""Rate limits: so many requests per minute of an address, a user or a node."""

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from actors.ports import Clock
from config.settings import Limits
from web.problem import Problem


class Rates:
    """Counters in memory, one per limit and subject; they are gone after their window."""

    def __init__(self, settings: Limits, clock: Clock) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._clock = clock
        self._limits = {
            "login": RateLimitItemPerMinute(settings.login),
            "refresh": RateLimitItemPerMinute(settings.refresh),
            "register": RateLimitItemPerMinute(settings.register),
            "node": RateLimitItemPerMinute(settings.node),
            "probe": RateLimitItemPerMinute(settings.probe),
            "webhook": RateLimitItemPerMinute(settings.webhook),
            "read": RateLimitItemPerMinute(settings.read),
            "write": RateLimitItemPerMinute(settings.write),
            "dispatch": RateLimitItemPerMinute(settings.dispatch),
        }

    async def refuse(self, rate: str, subject: str) -> Problem | None:
        """Count a request; 429 with Retry-After when it is one too many."""
        limit = self._limits[rate]
        if await self._limiter.hit(limit, rate, subject):
            return None
        window = await self._limiter.get_window_stats(limit, rate, subject)
        wait = max(1, int(window.reset_time - self._clock.now().timestamp()) + 1)
        text = f"Too many requests: at most {limit.amount} per minute"
        return Problem(429, text, headers={"Retry-After": str(wait)})
