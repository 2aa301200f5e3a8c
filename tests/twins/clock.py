"""The Clock in memory: simulated time is the loop's own."""

import asyncio
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class TwinClock:
    """``skew`` seconds may be added to the time of day, as an operator who sets the clock does."""

    def __init__(self) -> None:
        self.skew = 0.0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.monotonic() + self.skew)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
