"""Records of nodes' connections outlive the gateway that saw them, and any gateway shows them."""

from collections.abc import Callable, Sequence

import aiohttp

from rendertrust.testing import FakeNode
from tests.support.api_clients import Creator, Json
from tests.support.gateway_process import Gateway
from tests.support.until import until

GONE_WITHIN = 60.0  # other gateways notice within some seconds that a gateway was killed
Ends = list[tuple[int | None, bool]]


async def told(creator: Creator, node: FakeNode) -> list[Json]:
    status, answer = await creator.call("GET", f"/nodes/{node.node_id}/connections")
    assert status == 200, answer
    return list(answer["connections"])


def ends(connections: Sequence[Json]) -> Ends:
    """Return the close code of each connection, and whether the gateway closed it; newest first."""
    return [(each["code"], each["by_us"]) for each in connections]


def has_ends(creator: Creator, node: FakeNode, expected: Ends) -> Callable[[], object]:
    """Return a condition: the node's connections are recorded with these ends."""

    async def compare() -> bool:
        try:
            return ends(await told(creator, node)) == expected
        except aiohttp.ClientError:
            return False

    return compare


async def test_the_history_outlives_a_stop_and_a_kill(gateway: Gateway, creator: Creator) -> None:
    async with FakeNode(gateway.url, user_token=creator.token) as node:
        await node.disconnect()
        await node.connect()
        await until(has_ends(creator, node, [(None, False), (1000, False)]))
        await gateway.restart()
        expected: Ends = [(1012, True), (1000, False)]
        await until(has_ends(creator, node, expected))
        await node.connect()
        await until(has_ends(creator, node, [(None, False), *expected]))
        [seen, *_] = await told(creator, node)
        assert seen["address"] == "127.0.0.1"
        await gateway.kill()
        await gateway.start()
        await node.connect()
        whole: Ends = [(None, False), (1006, True), *expected]
        await until(has_ends(creator, node, whole), within=GONE_WITHIN)
        [_, killed, *_] = await told(creator, node)
        assert killed["why"] == "The gateway stopped without a word"
        assert seen["opened_at"] == killed["opened_at"] <= killed["ended_at"]
