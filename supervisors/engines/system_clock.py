"""The real Clock and Random ports."""

import random
import secrets
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class SystemRandom:
    """The machine's entropy.

    ``uniform`` uses the cheap generator, as its numbers serve only for jitter.
    """

    def uuid(self) -> UUID:
        return uuid4()

    def token(self, size: int) -> bytes:
        return secrets.token_bytes(size)

    def uniform(self, low: float, high: float) -> float:
        return random.uniform(low, high)  # noqa: S311 - jitter, not a secret
