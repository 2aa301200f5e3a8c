"""Frequent queries on open jobs read the same number of blocks however long the jobs' parameters
are.
"""

import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from sql.query_loader import QUERIES
from sql.units import parts_of
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import connected

JOBS, LONG = 50, 10_000
USER, NODE = UUID(int=1), UUID(int=2)
PEOPLE = f"""
INSERT INTO users (id, email, name, password_hash) VALUES ('{USER}', 'a@example.org', 'a', '');
INSERT INTO nodes (id, name, public_key, capabilities, status, seen_at)
VALUES ('{NODE}', 'a', decode(md5('a') || md5('b'), 'hex'), '{{render}}', 'HEALTHY', now());
"""
# The text does not compress, so PostgreSQL stores it outside the row.
OPEN = """
WITH made AS (
    INSERT INTO jobs (id, user_id, job_type, payload_ref, plan, status, price, created_at,
                      queued_at, updated_at, units, open_units)
    SELECT gen_random_uuid(), $1, 'render', 's3://elsewhere/x',
           jsonb_build_object('spec', jsonb_build_object('params', jsonb_build_object('text', (
               SELECT string_agg(md5(n::text || m), '')
               FROM generate_series(1, $2::integer / 32) AS m)))),
           CASE WHEN $4::uuid IS NULL THEN 'QUEUED' ELSE 'DISPATCHED' END, 0, now(), now(), now(),
           $3, $3
    FROM generate_series(1, $5::integer) AS n
    RETURNING id, status)
INSERT INTO units (job_id, number, state, attempt, node_id, assigned_at, lease_until, price, frames)
SELECT id, n, status, CASE WHEN $4::uuid IS NULL THEN 0 ELSE 1 END, $4::uuid,
       CASE WHEN $4::uuid IS NOT NULL THEN now() END,
       CASE WHEN $4::uuid IS NOT NULL THEN now() + interval '1 hour' END, 0,
       CASE WHEN $3::integer > 1 THEN (n + 1)::text END
FROM made CROSS JOIN generate_series(0, $3::integer - 1) AS n
"""


async def blocks(connection: Any, name: str, *args: Any) -> int:
    """Return how many memory blocks the server reads to answer a query."""
    plan = await connection.fetchval(
        f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {QUERIES[name]}", *args
    )
    top = json.loads(plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"]) + int(top["Shared Read Blocks"])


@pytest.mark.parametrize("units", [1, 4])
@pytest.mark.parametrize("node", [None, NODE])
async def test_open_units_are_read_without_a_look_at_the_parameters(
    database: PostgresEndpoint, units: int, node: UUID | None
) -> None:
    owner = await asyncpg.connect(database.owner_dsn, server_settings={"enable_seqscan": "off"})
    await owner.execute(PEOPLE)
    made: dict[int, list[UUID]] = {}
    for length in (32, LONG):
        known = [job for jobs in made.values() for job in jobs]
        await owner.execute(OPEN, USER, length, units, node, JOBS)
        rows = await owner.fetch("SELECT id FROM jobs WHERE id <> ALL($1::uuid[])", known)
        made[length] = [row["id"] for row in rows]
    await owner.execute("VACUUM ANALYZE jobs")
    await owner.execute("VACUUM ANALYZE units")
    read = {}
    for length, jobs in made.items():
        assert len(await owner.fetch(QUERIES["units_of_jobs"], jobs, 32)) == units * JOBS
        read[length] = await blocks(owner, "units_of_jobs", jobs, 32)
    await owner.close()
    assert read[LONG] <= read[32] + JOBS, "long parameters cost less than a block for each job"


TILED = f"""
INSERT INTO jobs (id, user_id, job_type, payload_ref, plan, status, price, created_at, queued_at,
                  updated_at, units, open_units)
VALUES ('{UUID(int=9)}', '{USER}', 'render', 's3://elsewhere/x',
        '{{"spec": {{"tiles": "2x1"}}}}', 'QUEUED', 0, now(), now(), now(), 3, 3);
INSERT INTO units (job_id, number, state, attempt, price, frames, tile, feeds, missing, place)
VALUES ('{UUID(int=9)}', 0, 'QUEUED', 0, 0, '1', 0, 2, 0, 0),
       ('{UUID(int=9)}', 1, 'QUEUED', 1, 0, '1', 1, 2, 0, 1),
       ('{UUID(int=9)}', 2, 'QUEUED', 0, 0, '1', NULL, NULL, 0, 2);
"""


async def test_of_what_is_made_of_tiles_the_parts_are_told(database: PostgresEndpoint) -> None:
    async with connected(database.owner_dsn) as owner:
        await owner.execute(PEOPLE)
        await owner.execute(TILED)
        rows = await owner.fetch(QUERIES["units_of_jobs"], [UUID(int=9)], 32)
    parts = {row["unit"]: parts_of(row["parts"]) for row in rows}
    assert {unit: [part.unit for part in told] for unit, told in parts.items()} == {
        0: [],
        1: [],
        2: [0, 1],
    }
