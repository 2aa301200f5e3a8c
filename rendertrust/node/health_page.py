"""Health page of the agent: JSON on a local port."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from aiohttp import web

HOST: Final = "127.0.0.1"
NAMES: Final = (HOST, "localhost")  # accepted host names; any port, because of forwarding


class HealthPage:
    """Server of the health page.

    ``GET /`` and ``GET /health`` answer ``snapshot()``, with status 200 while the agent is
    connected or rests, otherwise 503. A request for a host name that is not in NAMES gets 421.
    """

    def __init__(self, snapshot: Callable[[], Mapping[str, Any]]) -> None:
        self._snapshot = snapshot
        self.address = ""
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> int | None:
        """Listen on ``port`` (0: any), or on a free port if ``port`` is taken.

        Return the port, or None if neither works.
        """
        app = web.Application()
        app.router.add_get("/", self._answer)
        app.router.add_get("/health", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        for candidate in dict.fromkeys((port, 0)):
            site = web.TCPSite(self._runner, HOST, candidate)
            try:
                await site.start()
            except OSError:
                continue
            port = int(self._runner.addresses[0][1])
            self.address = f"http://{HOST}:{port}/"
            return port
        return None

    async def stop(self) -> None:
        """Close the port within a second."""
        if self._runner is not None:
            async with asyncio.timeout(1):
                await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        if request.host.partition(":")[0] not in NAMES:
            # Protects against DNS rebinding, where a web page's host name resolves to this machine.
            raise web.HTTPMisdirectedRequest(text=f"use http://{HOST} or localhost\n")
        snapshot = self._snapshot()
        is_well = snapshot.get("connected") or snapshot.get("status") == "resting"
        return web.Response(
            body=orjson.dumps(snapshot),
            status=200 if is_well else 503,
            content_type="application/json",
            headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
        )
