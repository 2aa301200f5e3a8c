"""What is lost of a log, where the chain's node lists no events: asked one by one."""

from collections.abc import AsyncIterator, Sequence

import pytest

from actors.ports import Anchored, ChainRefused, Past
from sql.anchors import Anchors
from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.given_up import Lost, given_up
from tests.integration.conformance.conftest import sql_stage
from tests.integration.sql.test_anchor import Scene, anchoring, contract_of, run_ahead
from tests.twins.chain import ChainTwin


@pytest.fixture
async def scene(database: PostgresEndpoint) -> AsyncIterator[Scene]:
    pool = Database(lambda: database.app_dsn)
    yield Scene(sql_stage(pool), ChainTwin(), Anchors(pool), pool)
    await pool.close()


async def test_a_node_that_lists_no_events_is_asked_for_each_anchor(scene: Scene) -> None:
    sizes = [await scene.grow()]
    async with anchoring(scene):
        await scene.anchored(sizes[0][0])
        sizes.append(await scene.grow())
        await scene.anchored(sizes[1][0])
    contract, (size, root) = await contract_of(scene), sizes[1]
    await run_ahead(scene, contract, Anchored(size + 50, b"r" * 32), root)

    async def refused(_: str) -> Sequence[Past]:
        raise ChainRefused("too many blocks")

    listed = await given_up(scene.chain, scene.anchors, contract, size)
    scene.chain.history = refused  # type: ignore[method-assign,assignment]
    found = await given_up(scene.chain, scene.anchors, contract, size)
    assert (found.kept, found.kept_at_most, found.lost, found.lost_at_most) == (size, size, 50, 50)
    assert found.ranges == [Lost(size, size + 49, Past(size + 50, b"r" * 32))]
    assert [(one.first, one.last) for one in listed.ranges] == [(size, size + 49)]
