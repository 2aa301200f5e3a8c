"""Retry policy for webhook deliveries (pure; takes the current time)."""

from datetime import datetime, timedelta
from typing import Final

from actors.ports.webhooks import Answered, NotSent
from sql.webhooks import DeliveryOutcome, DueDelivery, EndpointHealth

# Pause in seconds after each failed try of a delivery; at most 40 hours in total.
PAUSES: Final = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 43_200)
GONE: Final = 410  # HTTP status with which an endpoint unsubscribes
REST_MOST: Final = 600.0  # the longest pause of an endpoint after a failure, in seconds
ERROR_CHARACTERS: Final = 300


def pause(tries: int, chance: float) -> float | None:
    """Return the seconds until a delivery is retried, or None after the last try.

    ``chance``, from 0 to 1, spreads retries between half and all of the planned pause, so that
    endpoints that failed together are not retried together.
    """
    if tries > len(PAUSES):
        return None
    return PAUSES[tries - 1] * (0.5 + chance / 2)


def settled(
    due: DueDelivery, became: Answered | NotSent, now: datetime, chance: float
) -> DeliveryOutcome:
    """Return the state of a delivery after a try: delivered, failed, or to be retried."""
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
    """Return the outcome of a delivery whose event was deleted."""
    error = "the event has been deleted"
    return DeliveryOutcome(due.id, due.tries, "FAILED", error=error, ended_at=now)


def standing(
    due: DueDelivery, became: Answered | NotSent, now: datetime, chance: float, give_up: timedelta
) -> EndpointHealth:
    """Return the health of an endpoint after a try; a failing endpoint pauses as a whole."""
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
    """Return True if the endpoint accepted the delivery."""
    return isinstance(became, Answered) and 200 <= became.status < 300
