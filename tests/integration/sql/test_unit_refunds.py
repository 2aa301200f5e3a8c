"""Refunds of a job's charges are found through an index."""

from typing import Any
from uuid import UUID

import pytest

from sql.database import Database
from sql.query_loader import QUERIES
from supervisors.engines.postgres import PostgresEndpoint

USER, JOB = UUID(int=1), UUID(int=2)
FILTER = [None] * 10


@pytest.mark.parametrize(
    ("query", "of"),
    [
        ("jobs_of_user", (USER, 100, 0, None, None)),
        ("jobs_of_user_with_status", (USER, 100, 0, None, None, "COMPLETED")),
        ("jobs_of_user_named", (USER, 100, 0, None, None, None, "nave", 10_000)),
        ("job_of_user", (JOB, USER)),
        ("unit_page", (JOB, 0, 100)),
        ("loose_tiles", (JOB,)),
        ("job_view_page", (USER, *FILTER, 100, "-created", 100, 0)),
        ("job_view_job", (USER, JOB)),
        ("job_view_frames", (JOB, None, 60, 0)),
    ],
)
async def test_refunds_are_looked_up_and_not_looked_for(
    database: PostgresEndpoint, query: str, of: tuple[Any, ...]
) -> None:
    pool = Database(lambda: database.app_dsn)
    async with pool.connection() as connection:
        for way in ("seqscan", "bitmapscan"):  # these plans would be as cheap on a small table
            await connection.execute(f"SET enable_{way} = off")
        rows = await connection.fetch("EXPLAIN " + QUERIES[query], *of)
    await pool.close()
    plan = "\n".join(row[0] for row in rows)
    _, _, after = plan.partition("using transfers_refunds ")
    assert "split_part(" in after.split("Index Cond:")[1].splitlines()[0], plan
