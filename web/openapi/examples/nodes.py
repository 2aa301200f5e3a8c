"""More examples of answers about nodes."""

from typing import Final

from web.openapi.examples.reference import JOB_ID, Example

NODE_CHECKS: Final[Example] = {
    "checks": [
        {
            "job_id": JOB_ID,
            "unit": 3,
            "attempt": 1,
            "device_class": "cpu/avx2/5.2",
            "verdict": "invalid",
            "said": "5.21 times the noise; of the whole frame 5.18 times the noise",
            "strike": True,
            "opened_at": "2026-03-13T12:04:00Z",
            "decided_at": "2026-03-13T12:05:00Z",
        }
    ]
}
NODE_CONNECTIONS: Final[Example] = {
    "connections": [
        {
            "address": "203.0.113.7",
            "opened_at": "2026-03-13T12:00:00Z",
            "pong_at": "2026-03-13T12:05:00Z",
            "ended_at": "2026-03-13T12:05:09Z",
            "code": 4003,
            "why": "Replaced by a newer connection",
            "by_us": True,
        }
    ]
}
