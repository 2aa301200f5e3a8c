"""Readiness checks what a submission needs, not only whether dependencies answer."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sql.database import Database
from sql.halts import AHEAD, Halt, write_halt
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face, serving, settings_for_tests, with_ledger
from tests.support.until import until

pytestmark = pytest.mark.usefixtures("no_answer_cache")


async def ready(face: Face) -> dict[str, Any]:
    async with face.client.get("/api/v1/health/ready") as answer:
        assert answer.status == 200
        return dict(await answer.json())


def missing(found: dict[str, Any]) -> set[str]:
    return {name for name, word in found["checks"].items() if word == "unavailable"}


async def test_a_scheduler_that_has_not_read_what_is_open_is_not_ready(face: Face) -> None:
    assert (await ready(face))["status"] == "ready"
    face.script.loaded = False
    found = await ready(face)
    assert (found["status"], missing(found)) == ("degraded", {"scheduler"})


async def test_a_ledger_that_cannot_write_is_not_ready_though_the_database_answers(
    database: PostgresEndpoint,
) -> None:
    """The database is read-only, as on a standby or with a full disk."""
    gateway = Database(lambda: database.app_dsn)
    async with serving(gateway, settings_for_tests(), with_ledger(gateway)) as face:
        assert (await ready(face))["status"] == "ready"
        await set_read_only(database)
        async with gateway.connection() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND usename = current_user"
            )

        async def tells() -> bool:
            found = await ready(face)
            return found["status"] == "degraded" and missing(found) == {"ledger"}

        await until(tells)
    await gateway.close()


async def test_a_halted_log_is_not_ready(database: PostgresEndpoint) -> None:
    gateway = Database(lambda: database.app_dsn)
    async with serving(gateway, settings_for_tests(), with_ledger(gateway)) as face:
        await write_halt(gateway, Halt(AHEAD, datetime.now(UTC), 1, "0x1", 5, b"x" * 32))

        async def tells() -> bool:
            found = await ready(face)
            return found["status"] == "degraded" and "log" in missing(found)

        await until(tells)
    await gateway.close()


async def set_read_only(database: PostgresEndpoint) -> None:
    name = await fetchval(database.app_dsn, "SELECT current_database()")
    await execute(
        database.owner_dsn, f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    )
