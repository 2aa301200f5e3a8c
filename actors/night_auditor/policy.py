"""Schedule of the audits of everything."""

from datetime import UTC, datetime, time, timedelta


def is_due(now: datetime, last: datetime | None, night: time) -> bool:
    """Return True if the time of day ``night`` has passed since the last audit of everything
    began.
    """
    if last is None:
        return True
    today = datetime.combine(now.astimezone(UTC).date(), night, UTC)
    newest = today if today <= now else today - timedelta(days=1)
    return last < newest
