"""Plain aiohttp with WebSockets: a handler per socket, and relay frames pushed to all sockets.

    python -m bench.baselines.bare_sockets [--heartbeat SECONDS]

The program prints its address. For each line with a number on stdin it pushes that many relay
frames to each socket. As at a gateway, a relay frame has a job and a signed URL for its result.
With ``--heartbeat`` aiohttp pings each socket that often.
"""

import argparse
import asyncio
import sys
import time
from uuid import uuid4

import orjson
from aiohttp import WSMsgType, web

from tests.twins.objects import TwinObjects


class Sockets:
    def __init__(self, heartbeat: float | None = None) -> None:
        self._heartbeat = heartbeat
        self._open: set[web.WebSocketResponse] = set()
        self._objects = TwinObjects(time.time)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            autoping=self._heartbeat is not None, compress=False, heartbeat=self._heartbeat
        )
        await socket.prepare(request)
        self._open.add(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.PING:
                    await socket.pong(message.data)
        finally:
            self._open.discard(socket)
        return socket

    async def push(self, frames: int) -> None:
        for _ in range(frames):
            for socket in list(self._open):
                await socket.send_str(await self._frame())

    async def _frame(self) -> str:
        job = str(uuid4())
        key = f"results/{job}/0/1"
        put = await self._objects.presign_put(key, within=3600, once=True)
        frame = {
            "type": "job_dispatch",
            "job_id": job,
            "job_type": "cpu_benchmark",
            "payload_ref": "s3://elsewhere/input/scene.blend",
            "unit": 0,
            "attempt": 1,
            "lease_seconds": 60.0,
            "params": {},
            "output": {"url": put.url, "headers": dict(put.headers), "key": key},
        }
        return orjson.dumps(frame).decode()


async def main(heartbeat: float | None) -> None:
    sockets, site = Sockets(heartbeat), web.Application()
    site.router.add_get("/api/v1/relay/ws/{node_id}", sockets.handle)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    host, port = runner.addresses[0]
    print(f"http://{host}:{port}", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        await sockets.push(int(line))
    await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heartbeat", type=float, metavar="SECONDS")
    asyncio.run(main(parser.parse_args().heartbeat))
