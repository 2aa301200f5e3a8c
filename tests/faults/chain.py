"""A proxy before an EVM node that injects faults into chosen JSON-RPC calls.

async with FaultyNode(anvil.url) as node:
    chain = Web3Chain(Current(ChainEndpoint(node.url, anvil.chain_id, key)), fee_cap_gwei=100)
    lost = node.swallow(SEND)  # the node executes it, but its answer is lost
    ...
    assert lost.sprung == 1
"""

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp
import attrs
from aiohttp import web

from tests.support.free_ports import held_port

SEND = "eth_sendRawTransaction"
RECEIPT = "eth_getTransactionReceipt"
# Methods that ask for the state at a block, and the position of the parameter that names it.
AT_BLOCK = {
    "eth_getBlockByNumber": 0,
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
}
PLACED = (RECEIPT, "eth_getTransactionByHash")


@attrs.frozen
class Asked:
    """A JSON-RPC call by the client."""

    method: str
    params: list[Any]
    id: Any

    def says(self, text: str) -> bool:
        """Return whether the text is the call's method, occurs in its parameters, or is empty."""
        return text in ("", self.method) or text in json.dumps(self.params)


Deed: TypeAlias = Callable[["FaultyNode", Asked, web.Request], Awaitable[web.StreamResponse]]


@attrs.define(eq=False)
class Snare:
    """A fault that hits calls of a method, calls with ``text`` in a parameter, or all calls.

    It hits ``times`` times, or always if ``times`` is below 0; ``sprung`` counts the hits.
    """

    text: str
    deed: Deed
    times: int = 1
    sprung: int = 0

    def catches(self, asked: Asked) -> bool:
        return self.times != 0 and asked.says(self.text)

    async def spring(
        self, node: "FaultyNode", asked: Asked, request: web.Request
    ) -> web.StreamResponse:
        self.times -= 1
        answer = await self.deed(node, asked, request)
        self.sprung += 1
        return answer


class FaultyNode:
    """A proxy that listens at ``url`` and forwards calls to the node behind it.

    ``lag`` hides that many of the newest blocks, as on a node that has not caught up. With
    ``flapping`` they are hidden from a random half of the calls, as behind a load balancer.
    ``calls`` counts the calls.
    """

    def __init__(self, behind: str, *, seed: int = 0) -> None:
        self._behind = behind
        self._chance = random.Random(seed)
        self._snares: list[Snare] = []
        self._speaking = asyncio.Event()
        self._speaking.set()
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None
        self._held: socket.socket | None = None  # keeps the port while nobody listens
        self._port = 0
        self.lag, self.flapping = 0, False
        self.calls = 0
        self.flooded = 0  # bytes sent by ``flood``
        self.delay = 0.0  # seconds before each answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> "FaultyNode":
        self._http = aiohttp.ClientSession()
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.mend()
        await self.down()
        if self._held is not None:
            self._held.close()
        if self._http is not None:
            await self._http.close()

    async def up(self) -> None:
        """Listen again, at the same port."""
        if self._runner is not None:
            return
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/{rest:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        if self._held is None:
            self._held = held_port()
            self._port = self._held.getsockname()[1]
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_port=True).start()

    async def down(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    # -- faults

    def mend(self) -> None:
        """Remove all faults."""
        self._snares.clear()
        self.lag, self.flapping, self.delay = 0, False, 0.0
        self.speak()

    def hush(self) -> None:
        """Stop answering; connections can still be made."""
        self._speaking.clear()

    def speak(self) -> None:
        """Answer again; calls that have waited are forwarded now."""
        self._speaking.set()

    def cut(self, text: str = "", *, times: int = 1) -> Snare:
        """Reset the connection before the node gets the call."""

        async def deed(_: FaultyNode, __: Asked, request: web.Request) -> web.StreamResponse:
            return _reset(request)

        return self._set(Snare(text, deed, times))

    def swallow(self, text: str = "", *, times: int = 1) -> Snare:
        """Forward the call, and reset the connection instead of answering."""

        async def deed(node: FaultyNode, asked: Asked, request: web.Request) -> web.StreamResponse:
            await node.ask(asked)
            return _reset(request)

        return self._set(Snare(text, deed, times))

    def late(self, text: str = "", *, seconds: float, times: int = 1) -> Snare:
        """Forward the call at once, but delay the answer by so many seconds."""

        async def deed(node: FaultyNode, asked: Asked, _: web.Request) -> web.StreamResponse:
            answer = await node.ask(asked)
            await asyncio.sleep(seconds)
            return web.json_response(answer)

        return self._set(Snare(text, deed, times))

    def fail(self, text: str = "", *, status: int, times: int = 1, done: bool = False) -> Snare:
        """Answer with an HTTP status, such as 429; ``done``: forward the call first."""

        async def deed(node: FaultyNode, asked: Asked, _: web.Request) -> web.StreamResponse:
            if done:
                await node.ask(asked)
            return web.Response(status=status, text="no", headers={"Retry-After": "1"})

        return self._set(Snare(text, deed, times))

    def refuse(
        self, text: str, message: str, *, code: int = -32000, times: int = 1, done: bool = False
    ) -> Snare:
        """Answer with a JSON-RPC error; ``done``: forward the call first."""

        async def deed(node: FaultyNode, asked: Asked, _: web.Request) -> web.StreamResponse:
            if done:
                await node.ask(asked)
            error = {"code": code, "message": message}
            return web.json_response({"jsonrpc": "2.0", "id": asked.id, "error": error})

        return self._set(Snare(text, deed, times))

    def say(self, text: str, result: Any, *, times: int = 1) -> Snare:
        """Answer with this result, without asking the node."""

        async def deed(_: FaultyNode, asked: Asked, __: web.Request) -> web.StreamResponse:
            return web.json_response({"jsonrpc": "2.0", "id": asked.id, "result": result})

        return self._set(Snare(text, deed, times))

    def babble(self, text: str, body: bytes, *, times: int = 1) -> Snare:
        """Answer with these bytes instead of JSON-RPC."""

        async def deed(_: FaultyNode, __: Asked, ___: web.Request) -> web.StreamResponse:
            return web.Response(body=body, content_type="application/json")

        return self._set(Snare(text, deed, times))

    def flood(self, text: str = "", *, times: int = 1) -> Snare:
        """Answer with a body that does not end until the client disconnects."""

        async def deed(node: FaultyNode, __: Asked, request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse()
            await answer.prepare(request)
            with contextlib.suppress(ConnectionError):
                while True:
                    await answer.write(b" " * 65_536)
                    node.flooded += 65_536
            return answer

        return self._set(Snare(text, deed, times))

    def first(self, text: str, deed: Callable[[], Awaitable[object]], *, times: int = 1) -> Snare:
        """Run ``deed`` before the call is forwarded."""

        async def both(node: FaultyNode, asked: Asked, _: web.Request) -> web.StreamResponse:
            await deed()
            return web.json_response(await node.ask(asked))

        return self._set(Snare(text, both, times))

    def _set(self, snare: Snare) -> Snare:
        self._snares.append(snare)
        return snare

    # -- forwarding

    async def ask(self, asked: Asked) -> Any:
        """Return the node's answer, or what a lagging node would answer."""
        if self.lag and not (self.flapping and self._chance.random() < 0.5):
            return await self._lagging(asked)
        return await self._rpc(asked)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        await self._speaking.wait()
        if self.delay:
            await asyncio.sleep(self.delay)
        told = json.loads(await request.read())
        asked = Asked(told["method"], told.get("params", []), told["id"])
        for snare in list(self._snares):
            if snare.catches(asked):
                return await snare.spring(self, asked, request)
        return web.json_response(await self.ask(asked))

    async def _lagging(self, asked: Asked) -> Any:
        height = int((await self._rpc(Asked("eth_blockNumber", [], 0)))["result"], 16)
        head = max(height - self.lag, 0)
        if asked.method == "eth_blockNumber":
            return {"jsonrpc": "2.0", "id": asked.id, "result": hex(head)}
        place = AT_BLOCK.get(asked.method)
        if place is not None:
            params = [*asked.params, "latest"][: max(len(asked.params), place + 1)]
            params[place] = hex(head)
            return await self._rpc(Asked(asked.method, params, asked.id))
        answer = await self._rpc(asked)
        found = answer.get("result")
        if asked.method in PLACED and found and int(found["blockNumber"], 16) > head:
            return {"jsonrpc": "2.0", "id": asked.id, "result": None}
        return answer

    async def _rpc(self, asked: Asked) -> Any:
        assert self._http is not None
        call = {"jsonrpc": "2.0", "id": asked.id, "method": asked.method, "params": asked.params}
        async with self._http.post(self._behind, json=call) as answer:
            return await answer.json()


def _reset(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
