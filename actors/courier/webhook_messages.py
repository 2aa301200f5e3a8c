"""An event as it is told to an endpoint: what Standard Webhooks has as payload and headers."""

import orjson

from actors.ports.webhooks import Letter
from rendertrust import money, webhooks
from rendertrust.api_paths import thumbnail_path
from sql.deliveries import DueDelivery
from sql.events import EventRow


def letter(due: DueDelivery, event: EventRow, timestamp: int) -> Letter:
    """Signed now; ``webhook-id`` is the delivery's, at each try."""
    body = orjson.dumps(
        {"type": event.type, "timestamp": event.at, "data": told(due, event)},
        option=orjson.OPT_UTC_Z,
    )
    headers = webhooks.headers_for(due.secrets, str(due.id), timestamp, body)
    return Letter(due.url, headers, body, due.user)


def told(due: DueDelivery, event: EventRow) -> dict[str, object]:
    """The same members as the API shows."""
    return {
        "number": event.number,
        "type": event.type,
        "at": event.at,
        "job_id": str(due.job),
        "unit": event.unit,
        "attempt": event.attempt,
        "node_id": None if event.node_id is None else str(event.node_id),
        "money": event.money,
        "amount": None if event.amount is None else money.render(event.amount),
        "error_class": event.error_class,
        "error": event.error,
        "error_code": event.error_code,
        "frame": event.frame,
        "thumbnail": thumbnail_path(due.job, event.frame),
    }
