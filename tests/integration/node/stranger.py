"""Server of a stranger at a gateway's address; it records all that a node sends to it."""

from datetime import UTC, datetime

import attrs
import orjson
from aiohttp import web

from rendertrust import checkpoint, node_key, note
from rendertrust.checkpoint import Checkpoint

LOOK = ("GET", "/api/v1/ledger/checkpoint")


def another() -> tuple[int, bytes]:
    """Return an answer with a checkpoint of the stranger's own log."""
    key = node_key.generate_key()
    made = Checkpoint("farm.example/log", 0, bytes(32), datetime(2026, 3, 1, tzinfo=UTC))
    shown = str(note.verifier_of(made.origin, key))
    return 200, orjson.dumps({"verifier": shown, "checkpoint": checkpoint.sign(made, key)})


# Answers to the request for the gateway's key; other requests get an empty success. The first two
# answers end the agent; the other answers leave the key unknown.
ANSWERS = {
    "nothing there": (404, b"{}"),
    "another key": another(),
    "not now": (503, b"{}"),
    "nonsense": (200, b"hello"),
}


@attrs.define
class Stranger:
    """A stranger's server, which gives ``answer`` to requests for the gateway's key.

    ``heard`` has method and path of each request; ``secrets`` has the requests other than for the
    key, which may hold secrets.
    """

    answer: tuple[int, bytes]
    heard: list[tuple[str, str]] = attrs.field(factory=list[tuple[str, str]])
    secrets: list[str] = attrs.field(factory=list[str])

    async def take(self, request: web.Request) -> web.Response:
        """Record a request and answer it."""
        body = await request.read()
        self.heard.append((request.method, request.path))
        if self.heard[-1] == LOOK and not body and "Authorization" not in request.headers:
            return web.Response(status=self.answer[0], body=self.answer[1])
        self.secrets.append(f"{request.method} {request.path_qs} {dict(request.headers)} {body!r}")
        return web.json_response({})

    def app(self) -> web.Application:
        """Return the web application of this server."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.take)
        return app
