"""An embedded node whose state file was torn by a kill starts from the last copy."""

from collections.abc import AsyncIterator

import pytest

from supervisors.engines.anvil import ChainEndpoint, EmbeddedAnvil
from supervisors.engines.engine_account import engine_account
from tests.integration.engines.test_anchor_on_a_node import rpc
from tests.support.engines import engine_folder
from tests.support.examples import series


@pytest.fixture
async def node() -> AsyncIterator[EmbeddedAnvil]:
    with engine_folder() as folder:
        yield EmbeddedAnvil(folder, account=engine_account())


async def mine(node: EmbeddedAnvil, blocks: int) -> ChainEndpoint:
    """Start the node, mine this many blocks, and stop the node so that it saves the blocks."""
    endpoint = await node.start(within=200)
    assert endpoint.state is not None
    await rpc(endpoint.url, "anvil_mine", hex(blocks))
    await node.stop()
    return endpoint


async def height(node: EmbeddedAnvil) -> int:
    endpoint = await node.start(within=200)
    try:
        return int(await rpc(endpoint.url, "eth_blockNumber"), 16)
    finally:
        await node.stop()


@pytest.mark.parametrize("kept", series([0.0, 0.001, 0.5, 0.99], [0.5]))
async def test_what_is_torn_gives_way_to_what_was_copied(node: EmbeddedAnvil, kept: float) -> None:
    await mine(node, 5)
    state = (await mine(node, 7)).state  # the second start has copied the state of five blocks
    assert state is not None
    whole = state.read_bytes()
    state.write_bytes(whole[: int(len(whole) * kept)])
    assert await height(node) == 5
    assert state.with_suffix(".torn").exists()
    assert await height(node) == 5


async def test_without_a_copy_it_begins_anew(node: EmbeddedAnvil) -> None:
    state = (await mine(node, 5)).state
    assert state is not None
    state.write_bytes(b"{")
    assert await height(node) == 0
