"""Examples of webhooks' endpoints and deliveries."""

from typing import Final

from web.openapi.examples.reference import JOB_ID, KEY_ID, Example

NEW: Final[Example] = {"url": "https://farm.example.com/hooks", "types": ["job.*"]}
ENDPOINT: Final[Example] = {
    **NEW,
    "id": KEY_ID,
    "enabled": True,
    "disabled_at": None,
    "disabled_reason": None,
    "failing_since": None,
    "created_at": "2026-03-13T12:00:00Z",
}
WITH_SECRET: Final[Example] = {
    **ENDPOINT,
    "secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}
LIST: Final[Example] = {"endpoints": [ENDPOINT]}
WISH: Final[Example] = {"types": ["job.completed", "job.failed"], "enabled": True}
DELETED: Final[Example] = {"message": "The endpoint was deleted"}
DELIVERY: Final[Example] = {
    "id": KEY_ID,
    "endpoint_id": KEY_ID,
    "job_id": JOB_ID,
    "number": 7,
    "type": "job.completed",
    "state": "DELIVERED",
    "tries": 2,
    "due_at": "2026-03-13T12:06:00Z",
    "tried_at": "2026-03-13T12:05:00Z",
    "status": 204,
    "error": None,
    "created_at": "2026-03-13T12:05:00Z",
    "ended_at": "2026-03-13T12:05:00Z",
    "answers": [
        {"at": "2026-03-13T12:04:55Z", "status": 503, "error": None},
        {"at": "2026-03-13T12:05:00Z", "status": 204, "error": None},
    ],
}
DELIVERIES: Final[Example] = {"deliveries": [DELIVERY], "next": None}
