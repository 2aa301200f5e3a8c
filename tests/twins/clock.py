"""In-memory Clock: simulated time is the event loop's time."""

import asyncio
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class TwinClock:
    """A Clock; ``skew`` seconds are added to its time of day, as an operator may set a clock."""

    def __init__(self) -> None:
        self.skew = 0.0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.monotonic() + self.skew)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
