"""A data folder of an older PostgreSQL is refused, and moves by backup and restore."""

import os
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from supervisors.engines.database_archive import dump
from supervisors.engines.engine_account import engine_account
from supervisors.engines.errors import OtherMajor
from supervisors.engines.postgres import MAJOR_UPGRADE, EmbeddedPostgres
from tests.integration.backup.contents import contents
from tests.integration.backup.older import OlderPostgres, older_database, older_programs
from tests.support import programs
from tests.support.engines import engine_folder


async def test_a_backup_moves_the_data_to_a_new_cluster(tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with engine_folder() as base:
        data = base / "data"
        data.mkdir(mode=0o711)
        await older_database(data)
        older = OlderPostgres(data, account=engine_account(), programs=older_programs())
        endpoint = await older.start()
        await dump(endpoint.owner_dsn, file)
        before = await contents(endpoint.owner_dsn)
        await older.stop()
        engine = EmbeddedPostgres(data, account=engine_account())
        with pytest.raises(OtherMajor, match=MAJOR_UPGRADE):
            await engine.start()

        (data / "postgres").rename(data / "postgres.before")
        assert await restore(data, file) == 0
        endpoint = await engine.start()
        try:
            assert await contents(endpoint.owner_dsn) == before
        finally:
            await engine.stop()


async def restore(data: Path, file: Path) -> int:
    """Run ``rendertrust restore``; return its exit code."""
    words = ("rendertrust", "restore", str(file), "--data", str(data))
    process = await programs.start(*words, env=dict(os.environ), stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    assert b"the books are in order" in out, err
    return await process.wait()
