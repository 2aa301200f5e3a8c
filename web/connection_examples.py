"""What the connections of a node look like."""

from typing import Final

from web.examples import Example

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
