"""When a unit whose delivery was a mismatch is tried again: as after any failure of a node."""

from datetime import datetime, timedelta
from typing import Final

NODE_FAILURES_MOST: Final = 3
ATTEMPTS_MOST: Final = 12  # however they failed
RETRY_SECONDS: Final = (1, 2, 4)


def retry_at(failures: int, attempt: int, now: datetime) -> datetime | None:
    """``failures`` are those before this one. None: it was the last try."""
    if failures + 1 >= NODE_FAILURES_MOST or attempt >= ATTEMPTS_MOST:
        return None
    return now + timedelta(seconds=RETRY_SECONDS[min(attempt, len(RETRY_SECONDS)) - 1])
