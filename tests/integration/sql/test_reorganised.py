"""Chain reorganisations that move anchors to other blocks while the sender's nonces stay used."""

import pytest

from sql.fsck import audit_within
from tests.integration.sql.test_anchor import Scene, anchoring
from tests.integration.sql.test_anchor import scene as scene  # noqa: PLC0414 - a fixture
from tests.support.until import until


@pytest.mark.parametrize("shifted", [0, 3])
async def test_what_a_reorganisation_puts_elsewhere_is_pending_until_it_is_deep_there(
    scene: Scene, shifted: int
) -> None:
    """The sender's nonce count stays the same; only the blocks show the reorganisation."""
    first = await scene.grow()
    async with anchoring(scene):
        await scene.anchored(first[0])
        second = await scene.grow()
        await scene.anchored(second[0])
    blocks = len(scene.chain.blocks)
    scene.chain.shifted, scene.chain.fork = shifted, 1
    async with anchoring(scene, confirmations=50):

        async def are_pending() -> bool:
            return {row.state for row in await scene.page()} == {"PENDING"}

        await until(are_pending)
        rows = await scene.page()
        assert {(row.block_number, row.confirmed_at) for row in rows} == {(None, None)}
    async with anchoring(scene):
        for due in (first, second):
            await scene.anchored(due[0])
        third = await scene.grow()
        await scene.anchored(third[0])
    newest, *_ = await scene.page()
    assert newest.block_number == len(scene.chain.blocks) + shifted
    assert len(scene.chain.blocks) == blocks + 1
    assert [row.block_number for row in await scene.page()][1:] == [3 + shifted, 2 + shifted]
    await scene.check(first, second, third)
    assert await run_fsck_of(scene) == []


async def run_fsck_of(scene: Scene) -> list[str]:
    async with scene.pool.transaction(within=60, snapshot=True) as connection:
        return [found.invariant for found in (await audit_within(connection)).findings]
