"""What becomes of a delivery after a try, and of its endpoint: pure, by the time it is given."""

from datetime import datetime, timedelta
from typing import Final

import attrs

from actors.ports.webhooks import Answered, NotSent
from sql.deliveries import DeliveryOutcome, DueDelivery, EndpointHealth

# After the first try, the second …: one and a half days in all.
PAUSES: Final = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 43_200)
GONE: Final = 410  # who answers this wants to be told no more
REST_MOST: Final = 600.0  # seconds that an endpoint rests after a failure
ERROR_CHARACTERS: Final = 300


@attrs.frozen
class CourierSettings:
    """An endpoint at which nothing arrives for so many days is told no more."""

    give_up_days: float = 3.0
    keep_days: float = 30.0  # longer than anything is tried


def pause(tries: int, chance: float) -> float | None:
    """Seconds until the next try, half to whole of what is planned; None: that was the last.

    ``chance`` is 0 to 1: endpoints that fell together must not be woken together.
    """
    if tries > len(PAUSES):
        return None
    return PAUSES[tries - 1] * (0.5 + chance / 2)


def settled(
    due: DueDelivery, became: Answered | NotSent, now: datetime, chance: float
) -> DeliveryOutcome:
    """What became of a try."""
    status = became.status if isinstance(became, Answered) else None
    if arrived(became):
        return DeliveryOutcome(due.id, due.tries, "DELIVERED", status=status, ended_at=now)
    error = became.reason[:ERROR_CHARACTERS] if isinstance(became, NotSent) else None
    seconds = None if status == GONE else pause(due.tries, chance)
    if seconds is None:
        return DeliveryOutcome(
            due.id, due.tries, "FAILED", status=status, error=error, ended_at=now
        )
    at = now + timedelta(seconds=seconds)
    return DeliveryOutcome(due.id, due.tries, "PENDING", due_at=at, status=status, error=error)


def expired(due: DueDelivery, now: datetime) -> DeliveryOutcome:
    """There is nothing to tell any more."""
    error = "the event is not kept any more"
    return DeliveryOutcome(due.id, due.tries, "FAILED", error=error, ended_at=now)


def standing(
    due: DueDelivery, became: Answered | NotSent, now: datetime, chance: float, give_up: timedelta
) -> EndpointHealth:
    """How the endpoint does after this try; one that fails rests, as all of it would fail."""
    if arrived(became):
        return EndpointHealth(due.endpoint)
    since = due.failing_since or now
    if isinstance(became, Answered) and became.status == GONE:
        return EndpointHealth(due.endpoint, since, None, now, "it answered 410: gone")
    if now - since >= give_up:
        reason = f"nothing arrived since {since:%Y-%m-%d %H:%M} UTC"
        return EndpointHealth(due.endpoint, since, None, now, reason)
    rest = min(REST_MOST, max(1.0, (now - since).total_seconds() / 4)) * (0.5 + chance / 2)
    return EndpointHealth(due.endpoint, since, now + timedelta(seconds=rest))


def arrived(became: Answered | NotSent) -> bool:
    """Whether somebody said that he has it."""
    return isinstance(became, Answered) and 200 <= became.status < 300
