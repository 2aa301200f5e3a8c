"""Backups of an external PostgreSQL of another version, with fewer rights."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from supervisors.engines.database_archive import dump, replace, restore
from supervisors.engines.engine_account import engine_account
from supervisors.engines.errors import EngineError
from supervisors.engines.postgres import SUPERUSER, PostgresEndpoint
from tests.integration.backup.contents import contents
from tests.integration.backup.older import OlderPostgres, older_database, older_programs
from tests.support.databases import connected, execute, findings
from tests.support.engines import LoopThread, engine_folder


@pytest.fixture(scope="module")
def older(engine_loop: LoopThread) -> Iterator[PostgresEndpoint]:
    """Run an older PostgreSQL with a database that has rows of every kind."""
    with engine_folder() as base:
        data = base / "data"
        data.mkdir(mode=0o711)
        engine_loop.run(older_database(data), within=120)
        engine = OlderPostgres(data, account=engine_account(), programs=older_programs())
        yield engine_loop.run(engine.start())
        engine_loop.run(engine.stop())


def in_database(dsn: str, name: str) -> str:
    return dsn.replace(urlsplit(dsn).path + "?", f"/{name}?")


async def test_a_backup_of_an_older_server_is_restored_into_a_newer_one(
    older: PostgresEndpoint, empty: PostgresEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    await dump(older.owner_dsn, file)
    await restore(empty.owner_dsn, file)
    assert await contents(empty.owner_dsn) == await contents(older.owner_dsn)
    assert await findings(empty.app_dsn) == []


async def test_a_backup_of_an_older_server_is_restored_into_it(
    older: PostgresEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    await dump(older.owner_dsn, file)
    await execute(older.owner_dsn, "CREATE DATABASE beside")
    beside = in_database(older.owner_dsn, "beside")
    await restore(beside, file)
    assert await contents(beside) == await contents(older.owner_dsn)
    await execute(older.owner_dsn, "DROP DATABASE beside")


async def test_a_newer_servers_backup_is_refused_by_an_older_one(
    older: PostgresEndpoint, database: PostgresEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    await dump(database.owner_dsn, file)
    await execute(older.owner_dsn, "CREATE DATABASE refusing")
    refusing = in_database(older.owner_dsn, "refusing")
    with pytest.raises(EngineError, match="pg_restore failed: unsupported version"):
        await restore(refusing, file)
    assert "users" not in await contents(refusing)
    await execute(older.owner_dsn, "DROP DATABASE refusing")


async def test_an_owner_without_further_rights_restores_into_an_empty_database_alone(
    older: PostgresEndpoint, tmp_path: Path
) -> None:
    """If the application's role does not exist, a restore leaves out the role's rights, as
    migrations do.
    """
    file = tmp_path / "backup"
    await dump(older.owner_dsn, file)
    with engine_folder() as base:
        data = base / "data"
        data.mkdir(mode=0o711)
        engine = OlderPostgres(data, account=engine_account(), programs=older_programs())
        endpoint = await engine.start()
        try:
            plain = await move_to_plain_role(engine, endpoint)
            await restore(plain, file)
            there, was = await contents(plain), await contents(older.owner_dsn)
            assert there == {**was, "rights": []}
            with pytest.raises(EngineError, match="grant CREATEDB"):
                await replace(plain, file, aside="never")
            assert await contents(plain) == there
        finally:
            await engine.stop()


async def move_to_plain_role(engine: OlderPostgres, endpoint: PostgresEndpoint) -> str:
    """Make a database of a role without further rights, remove the gateway's own roles, and return
    its URL.
    """
    _, _, place = endpoint.owner_dsn.partition("@")
    password = (engine.folder.secrets / SUPERUSER).read_text("ascii").strip()
    async with connected(
        in_database(f"postgresql://{SUPERUSER}:{password}@{place}", "postgres")
    ) as superuser:
        await superuser.execute("DROP DATABASE rendertrust")
        await superuser.execute("DROP ROLE rendertrust_app")
        await superuser.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
        await superuser.execute("CREATE DATABASE books OWNER plain")
    return in_database(f"postgresql://plain:plain@{place}", "books")
