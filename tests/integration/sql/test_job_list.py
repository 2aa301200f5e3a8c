"""The plan of the list of jobs: it ends with its page, and looks up what it shows of each job."""

import re

import pytest

from sql.database import Database
from sql.query_loader import QUERIES
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import fetchval


async def planned(database: PostgresEndpoint, text: str) -> str:
    """Return the plan that the gateway keeps for a query, whatever its parameters are."""
    pool = Database(lambda: database.app_dsn)
    async with pool.connection() as connection:
        await connection.execute(f"PREPARE kept AS {text}")
        nulls = ", ".join(["NULL"] * max(map(int, re.findall(r"\$(\d+)", text))))
        rows = await connection.fetch(f"EXPLAIN EXECUTE kept ({nulls})")
    await pool.close()
    return "\n".join(row[0] for row in rows)


async def test_a_page_does_not_sort_all_jobs(database: PostgresEndpoint) -> None:
    arguments = ", ".join(f"${number}" for number in range(1, 13))
    plan = await planned(database, f"SELECT * FROM jobs_found({arguments})")
    assert "using jobs_created on jobs" in plan, plan
    assert "Sort" not in plan, plan


@pytest.mark.parametrize("index", ["thumbnails_newest", "jobs_films", "preflights_pkey"])
async def test_what_a_row_shows_is_looked_up(database: PostgresEndpoint, index: str) -> None:
    plan = await planned(database, QUERIES["job_view_page"])
    assert f"using {index} on" in plan or f"Index Scan on {index}" in plan, plan


@pytest.mark.parametrize("index", ["units_at_work", "units_ready"])
async def test_whether_a_job_is_verifying_is_looked_up(
    database: PostgresEndpoint, index: str
) -> None:
    body = await fetchval(
        database.owner_dsn, "SELECT prosrc FROM pg_proc WHERE proname = 'job_is_verifying'"
    )
    text = re.sub(r"= job\b", "= $1::uuid", str(body)).replace("status =", "$2::text =")
    plan = await planned(database, text)
    assert f"using {index} on" in plan, plan
