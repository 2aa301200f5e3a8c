"""Golden calls and transactions of the anchors' contract, as a chain's node receives them."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import attrs
import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from actors.ports import Anchored, Bid
from rendertrust.onchain import anchored, newest
from supervisors.engines.anvil import ChainEndpoint
from supervisors.engines.chain_web3 import Web3Chain
from supervisors.engines.current_endpoint import CurrentEndpoint
from tests.golden.signed import CONTRACT

CHAIN_ID: Final = 11_155_111
KEY: Final = "0x" + "11" * 32
BID: Final = Bid(most=30_000_000_000, tip=1_000_000_000)
SIZE: Final = 42
ROOT: Final = bytes(range(64, 96))
PREVIOUS: Final = bytes(range(96, 128))
TRANSACTION: Final = "0x" + "cd" * 32
ANSWERS: Final[dict[str, Any]] = {
    "eth_chainId": hex(CHAIN_ID),
    "eth_estimateGas": hex(50_000),
    "eth_blockNumber": hex(20_000),
    "eth_getTransactionReceipt": None,
    "eth_getLogs": [],
    "web3_clientVersion": "Geth/v1",
}
OF_THE_CONTRACT: Final = ("eth_call", "eth_getLogs", "eth_sendRawTransaction")


@attrs.define
class Node:
    """A fake node of a chain that records calls; its contract has ROOT at SIZE."""

    asked: list[Any] = attrs.field(factory=list[Any])

    async def answer(self, request: web.Request) -> web.Response:
        call = await request.json()
        self.asked.append([call["method"], call["params"]])
        found = ANSWERS.get(call["method"])
        if call["method"] == "eth_call":
            of_size = call["params"][0]["data"].startswith("0x949d225d")
            found = f"0x{SIZE:064x}" if of_size else "0x" + ROOT.hex()
        elif call["method"] == "eth_sendRawTransaction":
            found = TRANSACTION
        return web.json_response({"jsonrpc": "2.0", "id": call["id"], "result": found})

    def calls(self) -> Iterator[Any]:
        """Return the recorded calls to the contract, without general calls about the chain."""
        return (one for one in self.asked if one[0] in OF_THE_CONTRACT)


def transactions() -> dict[str, bytes]:
    """Return the deployment, an anchor, and the reads of the gateway and of a client."""
    deployed, anchor, gateway, client = asyncio.run(_recorded())
    return {
        "deploy.txt": deployed,
        "anchor.txt": anchor,
        "reads-of-the-gateway.json": _lines(gateway),
        "reads-of-a-client.json": _lines(client),
    }


async def _recorded() -> tuple[bytes, bytes, Node, Node]:
    gateway, client = Node(), Node()
    deployed, anchor = await _as_the_gateway(gateway)
    await _as_a_client(client)
    return deployed, anchor, gateway, client


async def _as_the_gateway(node: Node) -> tuple[bytes, bytes]:
    async with _serving(node) as server:
        endpoint = ChainEndpoint(str(server.make_url("/")), CHAIN_ID, KEY)
        chain = Web3Chain(CurrentEndpoint(endpoint), fee_cap_gwei=100.0)
        try:
            deployed = await chain.sign_deploy(0, BID)
            made = await chain.sign_anchor(CONTRACT, Anchored(SIZE, ROOT), PREVIOUS, 1, BID)
            await chain.send(made.raw)
            await chain.newest(CONTRACT)
        finally:
            await chain.close()
    names = f"{deployed.hash}\n{deployed.contract}\n"
    return f"{names}{deployed.raw.hex()}\n".encode(), f"{made.hash}\n{made.raw.hex()}\n".encode()


async def _as_a_client(node: Node) -> None:
    proof = {"tree_size": SIZE, "merkle_root": ROOT.hex()}
    async with _serving(node) as server:
        url = str(server.make_url("/"))
        await anchored(url, proof, contract=CONTRACT)
        await newest(url, CONTRACT)


def _serving(node: Node) -> TestServer:
    app = web.Application()
    app.router.add_post("/", node.answer)
    return TestServer(app)


def _lines(node: Node) -> bytes:
    return b"".join(orjson.dumps(call) + b"\n" for call in node.calls())
