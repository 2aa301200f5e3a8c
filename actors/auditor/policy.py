"""When the books are audited."""

from datetime import UTC, datetime, time, timedelta
from typing import Final

import attrs


@attrs.frozen
class AuditorSettings:
    """What is new each ``every_seconds``; everything each night, at a time of day in UTC."""

    every_seconds: float = 60.0
    night: time = time(3, 0)


USUAL: Final = AuditorSettings()


def is_due(now: datetime, last: datetime | None, night: time) -> bool:
    """Whether the time of ``night`` has come since the whole audit that began last."""
    if last is None:
        return True
    today = datetime.combine(now.astimezone(UTC).date(), night, UTC)
    newest = today if today <= now else today - timedelta(days=1)
    return last < newest
