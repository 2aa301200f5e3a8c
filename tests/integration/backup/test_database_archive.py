"""Archives of a database: each is written and restored completely or not at all."""

import asyncio
import os
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from actors.ledger.effects import Transfer
from actors.ledger.messages import Commit
from sql.account_names import user_account
from sql.database import Database
from sql.database_swap import drop, kept
from sql.migrate import UNRELEASED
from supervisors.engines.database_archive import dump, replace, restore
from supervisors.engines.errors import EngineError, ProgramMissing
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.postgres_tools import tools_for, without_password
from tests.integration.backup.contents import contents
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage, fresh_id
from tests.integration.sql.test_fsck import some_of_everything
from tests.integration.sql.test_migrate import BEFORE_RELEASE
from tests.support.databases import connected, execute, fetch, fetchval, findings
from tests.support.until import until


@pytest.fixture
async def stage(database: PostgresEndpoint) -> AsyncIterator[Stage]:
    """Yield books with rows of every kind."""
    pool = Database(lambda: database.app_dsn)
    made = sql_stage(pool)
    await some_of_everything(made)
    yield made
    await pool.close()


async def fsck(dsn: str) -> list[str]:
    return [f"{found.invariant} {found.found}" for found in await findings(dsn)]


async def test_what_is_restored_is_what_there_was(
    stage: Stage, database: PostgresEndpoint, empty: PostgresEndpoint, tmp_path: Path
) -> None:
    file, heard = tmp_path / "backup", list[str]()
    await dump(database.owner_dsn, file, tell=heard.append)
    assert {"transfers", "users", "audit", "schema_migrations"} <= set(heard)
    await restore(empty.owner_dsn, file, tell=heard.append)
    assert heard.count("transfers") == 2
    assert await contents(empty.owner_dsn) == await contents(database.owner_dsn)
    assert await fsck(empty.app_dsn) == []


async def test_what_is_restored_is_protected_as_before(
    stage: Stage, database: PostgresEndpoint, empty: PostgresEndpoint, tmp_path: Path
) -> None:
    await dump(database.owner_dsn, tmp_path / "backup")
    await restore(empty.owner_dsn, tmp_path / "backup")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await execute(empty.owner_dsn, "TRUNCATE transfers CASCADE")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(empty.app_dsn, "DELETE FROM audit")


async def test_a_backup_is_of_one_moment_while_money_moves(
    stage: Stage, database: PostgresEndpoint, empty: PostgresEndpoint, tmp_path: Path
) -> None:
    people = [await stage.user(1000) for _ in range(4)]
    accounts = [user_account(user) for user in people]
    done, moved = asyncio.Event(), 0

    async def move(number: int) -> None:
        nonlocal moved
        one, other = accounts[number], accounts[(number + 1) % 4]
        while not done.is_set():
            order = Transfer(one, other, one, 1, "ADJUSTMENT", str(fresh_id()))
            await stage.commit(Commit((order,)))
            moved += 1

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(move(number))
        await until(lambda: moved > 20)

        async def was_made_meanwhile() -> bool:
            before = moved
            await dump(database.owner_dsn, tmp_path / "backup")
            return moved > before

        await until(was_made_meanwhile)
        done.set()
    await restore(empty.owner_dsn, tmp_path / "backup")
    assert await fsck(empty.app_dsn) == []
    total = await fetchval(
        empty.app_dsn, "SELECT sum(balance) FROM accounts WHERE name = ANY($1)", accounts
    )
    assert total == 4000


async def test_the_file_is_private_and_there_when_it_is_whole(
    stage: Stage, database: PostgresEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    await dump(database.owner_dsn, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]
    before = file.read_bytes()
    nowhere = database.owner_dsn.replace(urlsplit(database.owner_dsn).path, "/nowhere")
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await dump(nowhere, file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]


async def test_half_a_file_leaves_the_database_empty(
    stage: Stage, database: PostgresEndpoint, empty: PostgresEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    await dump(database.owner_dsn, file)
    whole = file.read_bytes()
    before = await contents(empty.owner_dsn)
    for size in (3, 100, len(whole) * 3 // 4, len(whole) - 50):
        file.write_bytes(whole[:size])
        with pytest.raises(EngineError):
            await restore(empty.owner_dsn, file)
        assert await contents(empty.owner_dsn) == before
    file.write_bytes(whole)
    await restore(empty.owner_dsn, file)


async def test_what_is_no_backup_of_ours_is_told(
    database: PostgresEndpoint, empty: PostgresEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    file.write_text("CREATE TABLE users ();")
    with pytest.raises(EngineError, match="is not a backup"):
        await restore(empty.owner_dsn, file)
    await dump(empty.owner_dsn, file)
    with pytest.raises(EngineError, match="is not a backup of a gateway's database"):
        await restore(empty.owner_dsn, file)
    newer = "INSERT INTO schema_migrations (version, name, sha256) VALUES (9999, 'x', '{}')"
    await execute(database.owner_dsn, newer.format("0" * 64))
    await dump(database.owner_dsn, file)
    with pytest.raises(EngineError, match="from a newer version of RenderTrust"):
        await restore(empty.owner_dsn, file)


async def test_a_backup_of_an_unreleased_version_is_refused(
    empty: PostgresEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    await execute(empty.owner_dsn, BEFORE_RELEASE)
    await dump(empty.owner_dsn, file)
    with pytest.raises(EngineError, match=re.escape(f"{file}: {UNRELEASED}")):
        await restore(empty.owner_dsn, file)


async def test_a_database_is_replaced_at_once_and_kept(
    stage: Stage, database: PostgresEndpoint, tmp_path: Path
) -> None:
    file, dsn = tmp_path / "backup", database.owner_dsn
    await dump(dsn, file)
    first = await contents(dsn)
    await stage.user(77)
    second = await contents(dsn)
    name = urlsplit(dsn).path.removeprefix("/")
    aside = f"{name}_before_now"
    # The stage is still connected, and a restore must not replace a database in use.
    with pytest.raises(EngineError, match="The database has open connections"):
        await replace(dsn, file, aside=aside)
    assert await contents(dsn) == second
    await end_all_connections(dsn)
    await replace(dsn, file, aside=aside)
    assert await contents(dsn) == first
    there = dsn.replace(f"/{name}?", f"/{aside}?")
    assert await contents(there) == second
    async with connected(dsn) as connection:
        assert list(await kept(connection)) == [aside]
    await drop(dsn, aside)


async def end_all_connections(dsn: str) -> None:
    await fetch(
        dsn,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"

    async def gone() -> bool:
        found = await fetchval(
            dsn.replace(urlsplit(dsn).path, "/postgres"),
            query,
            urlsplit(dsn).path.removeprefix("/"),
        )
        return bool(found == 0)

    await until(gone)


async def test_a_restore_that_fails_replaces_nothing(
    stage: Stage, database: PostgresEndpoint, tmp_path: Path
) -> None:
    file, dsn = tmp_path / "backup", database.owner_dsn
    await dump(dsn, file)
    before = await contents(dsn)
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(EngineError):
        await replace(dsn, file, aside="never")
    assert await contents(dsn) == before


async def test_a_restore_that_is_cancelled_leaves_the_database_empty(
    stage: Stage, database: PostgresEndpoint, empty: PostgresEndpoint, tmp_path: Path
) -> None:
    await dump(database.owner_dsn, tmp_path / "backup")
    before, heard = await contents(empty.owner_dsn), list[str]()
    work = asyncio.ensure_future(restore(empty.owner_dsn, tmp_path / "backup", tell=heard.append))
    await until(lambda: heard)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await contents(empty.owner_dsn) == before


# -- commands


def test_no_password_is_seen_in_a_list_of_processes() -> None:
    dsn = "postgresql://jane:s%20ecret@host:5432/books?sslmode=require"
    assert without_password(dsn) == (
        "postgresql://jane@host:5432/books?sslmode=require",
        "s ecret",
    )
    shown, password = without_password("postgresql:///books?host=/run&user=jane&password=x&port=1")
    assert (shown, password) == ("postgresql:///books?host=%2Frun&user=jane&port=1", "x")
    assert without_password("postgresql://host/books") == ("postgresql://host/books", None)


def test_programs_that_are_too_old_are_not_taken() -> None:
    assert tools_for(18).major == 18
    with pytest.raises(ProgramMissing, match="apt-get install postgresql-client-99"):
        tools_for(99)
    assert os.access(tools_for(18).folder / "pg_restore", os.X_OK)
