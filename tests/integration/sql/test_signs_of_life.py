"""Signs of life of many nodes are written together."""

import asyncio
from uuid import UUID

import pytest

from sql.database import Database, Unavailable
from sql.nodes import SignsOfLife
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import connected
from tests.support.until import until

NODES = [UUID(int=number) for number in range(1, 6)]
NODE_ROWS = """
INSERT INTO nodes (id, name, public_key, capabilities)
SELECT id, 'node', decode(md5(id::text) || md5(id::text), 'hex'), '{render}'
FROM unnest($1::uuid[]) AS n (id)
"""


async def test_the_first_sign_is_written_at_once_and_later_ones_together(
    database: PostgresEndpoint,
) -> None:
    pool = Database(lambda: database.app_dsn)
    signs = SignsOfLife(pool)
    async with connected(database.owner_dsn) as owner:
        await owner.execute(NODE_ROWS, NODES)

        async def seen() -> list[UUID]:
            query = (
                "SELECT id FROM nodes WHERE seen_at IS NOT NULL AND status = 'HEALTHY' ORDER BY 1"
            )
            return [row["id"] for row in await owner.fetch(query)]

        await signs.note(NODES[0])
        assert await seen() == NODES[:1]
        for node in NODES[1:]:
            await signs.note(node)
        assert await seen() == NODES[:1]

        async def are_all_seen() -> bool:
            return await seen() == NODES

        await until(are_all_seen)
        times = await owner.fetch("SELECT DISTINCT seen_at FROM nodes")
        assert len(times) == 2
    await pool.close()


async def test_signs_that_cannot_be_written_are_written_later(
    database: PostgresEndpoint, unused_tcp_port: int
) -> None:
    nowhere = f"postgresql://nobody:x@127.0.0.1:{unused_tcp_port}/none"
    place = [nowhere]
    pool = Database(lambda: place[0])
    signs = SignsOfLife(pool)
    async with connected(database.owner_dsn) as owner:
        await owner.execute(NODE_ROWS, NODES[:2])
        with pytest.raises(Unavailable):
            await signs.note(NODES[0])
        place[0] = database.app_dsn
        await signs.note(NODES[1])

        async def are_both_seen() -> bool:
            query = "SELECT count(*) FROM nodes WHERE seen_at IS NOT NULL"
            return bool(await owner.fetchval(query) == 2)

        await until(are_both_seen)
    await pool.close()
    await asyncio.sleep(0)
