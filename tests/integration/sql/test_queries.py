"""Tests of every named query against the real schema, with the application's role."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import attrs
import orjson
import pytest

from sql.database import Database
from sql.fsck import BY_ID, INVARIANT_QUERIES
from sql.query_loader import QUERIES, READS, BadQueryFile, add_blocks, only_reads
from sql.units import OpenUnit
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import connected

ROOT = Path(__file__).resolve().parents[3]
OF_A_BATCH = "books_paid_receipts_insert"  # reads another part of its combined statement
ALONE = {name: text for name, text in QUERIES.items() if name != OF_A_BATCH}


async def test_the_schema_knows_every_query(database: PostgresEndpoint) -> None:
    async with connected(database.app_dsn) as connection:
        for name, text in ALONE.items():
            try:
                await connection.prepare(text)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{name}: {error}")


async def test_what_is_read_every_few_seconds_is_without_the_jobs_parameters(
    database: PostgresEndpoint,
) -> None:
    """Parameters can be megabytes, so they are read once per job and not with its units."""
    async with connected(database.app_dsn) as connection:
        statement = await connection.prepare(QUERIES["units_of_jobs"])
        columns = {attribute.name for attribute in statement.get_attributes()}
    assert columns == {field.name for field in attrs.fields(OpenUnit)} - {"plan"}


async def test_the_application_may_run_every_query(database: PostgresEndpoint) -> None:
    """EXPLAIN plans a query and checks its rights without running it."""
    async with connected(database.app_dsn) as connection:
        for name, text in ALONE.items():
            statement = await connection.prepare(text)
            nulls = [None] * len(statement.get_parameters())
            if re.match(r"(--.*\n)*\s*(SELECT|INSERT|UPDATE|DELETE|WITH)", text):
                try:
                    await connection.execute("BEGIN")
                    await connection.fetch("EXPLAIN " + text, *nulls)
                except asyncpg.InsufficientPrivilegeError as error:
                    pytest.fail(f"{name}: {error}")
                finally:
                    await connection.execute("ROLLBACK")


def test_every_name_that_is_used_is_there() -> None:
    for path in sorted((ROOT / "sql").glob("*.py")):
        if path.name == "migrate.py":  # migrations run before the schema exists
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            for name in _query_names(node):
                assert name in QUERIES, f"{path.name} asks for {name}"


def _query_names(node: ast.AST) -> list[str]:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return []
    first = node.args[0]
    asks = node.func.attr in ("one", "all", "execute", "_fetch", "_run")
    named = isinstance(first, ast.Constant) and isinstance(first.value, str)
    return [str(first.value)] if asks and named and isinstance(first, ast.Constant) else []


def test_every_query_is_used() -> None:
    paths = [path for room in ("sql", "web") for path in (ROOT / room).rglob("*.py")]
    text = "".join(path.read_text() for path in paths)
    named = QUERIES.keys() - {check.name for check in INVARIANT_QUERIES}
    named -= {f"fsck_new_{rows}" for rows in BY_ID}
    unused = {name for name in named if f'"{name}"' not in text}
    assert unused == set()


def test_a_query_that_writes_or_locks_is_no_read() -> None:
    assert "units_of_jobs" in READS
    assert "database_answers" in READS
    assert "books_accounts_lock" not in READS
    assert "books_rows_lock" not in READS
    assert only_reads("SELECT updated_at FROM jobs -- UPDATE")
    assert not only_reads("WITH a AS (INSERT INTO b VALUES (1)) SELECT 1")


def test_a_block_needs_a_comment_and_a_name_of_its_own() -> None:
    with pytest.raises(BadQueryFile, match="has no comment"):
        add_blocks({}, "x.sql", "-- name: a\nSELECT 1;")
    block = "-- name: a\n-- What it is.\nSELECT 1;\n"
    with pytest.raises(BadQueryFile, match="twice"):
        add_blocks({}, "x.sql", block + block)


async def test_what_was_posted_is_looked_up_also_by_a_plan_of_an_empty_table(
    database: PostgresEndpoint,
) -> None:
    """PostgreSQL keeps plans: a plan that scans an empty table would scan it even when it
    is large.
    """
    gateway = Database(lambda: database.app_dsn)
    async with gateway.connection() as connection:
        await connection.execute(f"PREPARE found AS {QUERIES['books_rows_lock']}")
        nulls = ", ".join(["NULL"] * 12)
        rows = await connection.fetch(f"EXPLAIN EXECUTE found ({nulls})")
    await gateway.close()
    plan = "\n".join(row[0] for row in rows)
    assert "((subject = k.subject) AND (kind = k.kind) AND (reference = k.reference))" in plan
    assert "Seq Scan" not in plan
    assert "Join Filter" not in plan


@pytest.mark.parametrize(
    "name",
    [
        *("books_read_accounts", "books_read_owners", "books_read_holds", "books_read_jobs"),
        *("books_read_units", "books_accounts_unchanged", "books_units_unchanged"),
        *("books_accounts_write", "books_jobs_update", "books_units_update", "books_holds_update"),
    ],
)
async def test_rows_of_a_batch_are_looked_up_also_by_a_plan_of_empty_tables(
    database: PostgresEndpoint, name: str
) -> None:
    count = max(int(number) for number in re.findall(r"\$(\d+)", QUERIES[name]))
    gateway = Database(lambda: database.app_dsn)
    async with gateway.connection() as connection:
        await connection.execute(f"PREPARE found AS {QUERIES[name]}")
        nulls = ", ".join(["NULL"] * count)
        found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE found ({nulls})")
    await gateway.close()
    for node in _nodes(orjson.loads(found)[0]["Plan"]):
        if "Relation Name" in node and node["Node Type"].endswith("Scan"):
            assert "Index Cond" in node or node["Node Type"] == "Bitmap Heap Scan", node


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


async def test_tiles_of_a_frame_are_looked_up_also_by_a_plan_of_an_empty_table(
    database: PostgresEndpoint,
) -> None:
    gateway, plans = Database(lambda: database.app_dsn), list[str]()
    async with gateway.connection() as connection:
        for name, count in (("books_accounts_lock", 6), ("books_rows_lock", 12)):
            await connection.execute(f"PREPARE {name} AS {QUERIES[name]}")
            nulls = ", ".join(["NULL"] * count)
            rows = await connection.fetch(f"EXPLAIN EXECUTE {name} ({nulls})")
            plans.append("\n".join(row[0] for row in rows))
    await gateway.close()
    for plan in plans:
        assert re.search(r"job_id = k\w*.job_id\) AND \(number = k\w*.number", plan), plan
        assert re.search(r"job_id = k\w*.job_id\) AND \(feeds = ", plan), plan
        assert "feeds IS NOT NULL" not in plan.replace("Filter: (x.feeds IS NOT NULL)", ""), plan
