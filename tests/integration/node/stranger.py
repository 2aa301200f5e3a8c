"""Who answers at a gateway's address and is not it: it writes down all that it is sent."""

from datetime import UTC, datetime

import attrs
import orjson
from aiohttp import web

from rendertrust import checkpoint, identity, note
from rendertrust.checkpoint import Checkpoint

LOOK = ("GET", "/api/v1/ledger/checkpoint")


def another() -> tuple[int, bytes]:
    """A checkpoint of a log of its own."""
    key = identity.generate_key()
    made = Checkpoint("farm.example/log", 0, bytes(32), datetime(2026, 3, 1, tzinfo=UTC))
    shown = str(note.verifier_of(made.origin, key))
    return 200, orjson.dumps({"verifier": shown, "checkpoint": checkpoint.sign(made, key)})


# What it answers to the look; to all else it says yes. The first two end the agent, by the others
# nothing is said of the key yet.
ANSWERS = {
    "nothing there": (404, b"{}"),
    "another key": another(),
    "not now": (503, b"{}"),
    "nonsense": (200, b"hello"),
}


@attrs.define
class Stranger:
    """``heard``: method and path of each request; ``secrets``: what of them was no plain look."""

    answer: tuple[int, bytes]
    heard: list[tuple[str, str]] = attrs.field(factory=list[tuple[str, str]])
    secrets: list[str] = attrs.field(factory=list[str])

    async def take(self, request: web.Request) -> web.Response:
        """Write it down, and answer."""
        body = await request.read()
        self.heard.append((request.method, request.path))
        if self.heard[-1] == LOOK and not body and "Authorization" not in request.headers:
            return web.Response(status=self.answer[0], body=self.answer[1])
        self.secrets.append(f"{request.method} {request.path_qs} {dict(request.headers)} {body!r}")
        return web.json_response({})

    def app(self) -> web.Application:
        """What it listens with."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.take)
        return app
