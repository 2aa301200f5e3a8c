"""Limit on the size of a node's relay frame: 64 KiB, and not a byte more."""

import aiohttp

from rendertrust.protocol import FRAME_BYTES_MAX
from tests.support.api_clients import PlainNode
from tests.support.whole_gateway import Whole

TOO_BIG = 1009


def frame(size: int) -> str:
    """Return a relay frame of this size, of an unknown type that the gateway ignores."""
    head = '{"type": "of another version", "text": "'
    return head + "x" * (size - len(head) - 2) + '"}'


async def test_a_frame_of_exactly_64_kib_is_taken(
    gateway: Whole, http: aiohttp.ClientSession
) -> None:
    node = PlainNode(http, gateway.url)
    await node.register()
    path = f"{gateway.url}/api/v1/relay/ws/{node.id}?token={node.token}"
    async with http.ws_connect(path, autoping=False) as socket:
        await socket.send_str(frame(FRAME_BYTES_MAX))
        await socket.ping(b"still there?")
        said = await socket.receive(timeout=60)
        while said.type is aiohttp.WSMsgType.TEXT or said.type is aiohttp.WSMsgType.PING:
            said = await socket.receive(timeout=60)
        assert (said.type, bytes(said.data)) == (aiohttp.WSMsgType.PONG, b"still there?")
        await socket.send_str(frame(FRAME_BYTES_MAX + 1))
        while not socket.closed:
            await socket.receive(timeout=60)
        assert socket.close_code == TOO_BIG
