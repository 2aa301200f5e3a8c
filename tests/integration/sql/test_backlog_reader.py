"""Query plans by which the backlog is read page by page from a large database."""

from uuid import UUID

from actors.scheduler.backlog_reader import ROWS_MOST, BacklogReader
from actors.scheduler.state import SchedulerState
from sql.database import Database
from sql.query_loader import QUERIES
from sql.store import SqlStore
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import connected
from tests.twins.clock import EPOCH

JOBS, AT_WORK = 3_000, 300
USER, NODE = UUID(int=1), UUID(int=2)
PEOPLE = f"""
INSERT INTO users (id, email, name, password_hash) VALUES ('{USER}', 'a@example.org', 'a', '');
INSERT INTO nodes (id, name, public_key, capabilities, status, seen_at)
VALUES ('{NODE}', 'a', decode(md5('a') || md5('b'), 'hex'), '{{echo}}', 'HEALTHY', now());
"""
ROWS = f"""
WITH made AS (
    INSERT INTO jobs (id, user_id, job_type, payload_ref, status, price, created_at, queued_at,
                      updated_at, open_units)
    SELECT gen_random_uuid(), '{USER}', 'echo', 's3://elsewhere/x',
           CASE WHEN n <= {AT_WORK} THEN 'DISPATCHED' ELSE 'QUEUED' END, 0, now(),
           now() + (n / 7) * interval '1 ms', now(), 1 FROM generate_series(1, {JOBS}) AS n
    RETURNING id, status)
INSERT INTO units (job_id, number, state, attempt, node_id, assigned_at, lease_until, price)
SELECT id, 0, status, (status = 'DISPATCHED')::integer,
       CASE WHEN status = 'DISPATCHED' THEN '{NODE}'::uuid END,
       CASE WHEN status = 'DISPATCHED' THEN now() END,
       CASE WHEN status = 'DISPATCHED' THEN now() + interval '1 hour' END, 0 FROM made
"""


async def test_a_pass_over_the_database_knows_all_that_is_open(database: PostgresEndpoint) -> None:
    async with connected(database.owner_dsn) as owner:
        await owner.execute(PEOPLE)
        await owner.execute(ROWS)
    gateway, pages = Database(lambda: database.app_dsn), 1
    board = SchedulerState(lambda node, message: True)
    backlog = BacklogReader(SqlStore(gateway), board, lambda: EPOCH)
    while not await backlog.read_page():
        pages += 1
    await gateway.close()
    assert len(board.units) == JOBS
    assert sum(unit.state == "DISPATCHED" for unit in board.units.values()) == AT_WORK
    assert pages > JOBS // ROWS_MOST


async def test_pages_are_read_by_indexes_also_by_plans_of_empty_tables(
    database: PostgresEndpoint,
) -> None:
    """PostgreSQL keeps a plan made for empty tables. A plan that scans all assigned units would
    scan all of them for each job of a page.
    """
    gateway = Database(lambda: database.app_dsn)
    plans = {}
    async with gateway.connection() as connection:
        for name, width in (("jobs_open_page", 3), ("units_of_jobs", 2)):
            await connection.execute(f"PREPARE {name} AS {QUERIES[name]}")
            nulls = ", ".join(["NULL"] * width)
            rows = await connection.fetch(f"EXPLAIN EXECUTE {name} ({nulls})")
            plans[name] = "\n".join(row[0] for row in rows)
    await gateway.close()
    assert "Index Scan using jobs_open" in plans["jobs_open_page"].replace("Only ", "")
    assert "ROW(queued_at, id) >" in plans["jobs_open_page"]
    assert "Seq Scan" not in "".join(plans.values())
    assert "units_open" not in plans["units_of_jobs"]
    for index in ("units_at_work", "units_ready", "units_copies"):
        assert index in plans["units_of_jobs"], plans["units_of_jobs"]
