"""Webhook payloads and headers as defined by Standard Webhooks."""

import orjson

from actors.ports.webhooks import Letter
from rendertrust import money, webhooks
from rendertrust.api_paths import thumbnail_path
from sql.events import EventRow
from sql.webhooks import DueDelivery


def letter(due: DueDelivery, event: EventRow, timestamp: int) -> Letter:
    """Build the signed request; ``webhook-id`` stays the same for every try."""
    body = orjson.dumps(
        {"type": event.type, "timestamp": event.at, "data": told(due, event)},
        option=orjson.OPT_UTC_Z,
    )
    headers = webhooks.headers_for(due.secrets, str(due.id), timestamp, body)
    return Letter(due.url, headers, body, due.user)


def told(due: DueDelivery, event: EventRow) -> dict[str, object]:
    """Return the event with the same fields as in the API."""
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
