"""A backup is restored for trial, beside the database that it was made of."""

import json
import os
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.backup.contents import contents
from tests.support import programs
from tests.support.databases import execute, fetch
from tests.support.engines import engine_folder

NOTED = "SELECT made_at, bytes, tried_at FROM last_backup"
# Money that no transfer has made.
WRONG = "UPDATE accounts SET balance = balance + 1 WHERE name = 'revenue'"


async def rendertrust(data: Path, database: PostgresEndpoint, *words: str) -> tuple[int, Any, str]:
    """Run a command over an external database; return exit code, JSON and errors."""
    env = {
        **os.environ,
        "RENDERTRUST_DATABASE_URL": database.app_dsn,
        "RENDERTRUST_DATABASE_OWNER_URL": database.owner_dsn,
    }
    named = ("rendertrust", *words, "--data", str(data), "--json")
    process = await programs.start(*named, env=env, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(out or "null"), err.decode()


async def test_backup_and_trial_are_noted_and_nothing_else_changes(
    database: PostgresEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    with engine_folder() as base:
        data = base / "data"
        data.mkdir(mode=0o711)
        code, made, _ = await rendertrust(data, database, "backup", str(file))
        assert (code, made["bytes"]) == (0, file.stat().st_size)
        [noted] = await fetch(database.owner_dsn, NOTED)
        assert noted["bytes"] == made["bytes"]
        assert (noted["made_at"] is not None, noted["tried_at"]) == (True, None)
        before = await contents(database.owner_dsn)
        code, tried, err = await rendertrust(data, database, "restore", str(file), "--trial")
        assert (code, tried["findings"]) == (0, []), err
        [noted] = await fetch(database.owner_dsn, NOTED)
        assert noted["tried_at"] is not None
        await execute(database.owner_dsn, "UPDATE last_backup SET tried_at = NULL")
        assert await contents(database.owner_dsn) == before
        assert not (data / "trial").exists()


async def test_a_backup_with_wrong_books_is_no_good_trial(
    database: PostgresEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    await execute(database.owner_dsn, WRONG)
    with engine_folder() as base:
        data = base / "data"
        data.mkdir(mode=0o711)
        assert (await rendertrust(data, database, "backup", str(file)))[0] == 0
        code, tried, _ = await rendertrust(data, database, "restore", str(file), "--trial")
        assert (code, tried["findings"][0]["invariant"]) == (1, "I2")
        [noted] = await fetch(database.owner_dsn, NOTED)
        assert noted["tried_at"] is None
        file.write_bytes(file.read_bytes()[:1000])
        code, told, err = await rendertrust(data, database, "restore", str(file), "--trial")
        assert (code, told["error"]["code"]) == (1, "failure"), err
        assert not (data / "trial").exists()


async def test_a_backup_without_a_name_goes_to_the_folder_of_the_settings(
    database: PostgresEndpoint, tmp_path: Path
) -> None:
    """The settings are in the data folder."""
    with engine_folder() as base:
        data = base / "data"
        data.mkdir(mode=0o711)
        code, said, _ = await rendertrust(data, database, "backup")
        assert (code, "set backup.folder" in str(said)) == (2, True)
        (data / "gateway.toml").write_text(f'[backup]\nfolder = "{tmp_path}"\n')
        code, made, err = await rendertrust(data, database, "backup")
        assert code == 0, err
        [file] = tmp_path.iterdir()
        assert made["file"] == str(file)
        assert file.name.startswith("rendertrust-2")
