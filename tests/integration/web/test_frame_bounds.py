"""How long a frame of a node may be: 64 KiB, and not a byte more."""

import aiohttp

from rendertrust.identity import generate_key, public_pem
from rendertrust.protocol import FRAME_BYTES_MAX
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.http_gateway import settings_for_tests
from tests.support.whole_gateway import whole

TOO_BIG = 1009


def frame(size: int) -> str:
    """One of a type that nobody knows, which is ignored."""
    head = '{"type": "of another version", "text": "'
    return head + "x" * (size - len(head) - 2) + '"}'


async def test_a_frame_of_exactly_64_kib_is_taken(
    database: PostgresEndpoint, http: aiohttp.ClientSession
) -> None:
    body = {"name": "n", "public_key": public_pem(generate_key()), "capabilities": ["echo"]}
    async with whole(database, settings_for_tests()) as gateway:
        async with http.post(f"{gateway.url}/api/v1/nodes/register", json=body) as answer:
            node = await answer.json()
        path = f"{gateway.url}/api/v1/relay/ws/{node['node_id']}?token={node['token']}"
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
