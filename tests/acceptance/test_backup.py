"""Tests of ``rendertrust backup`` and ``restore`` with a gateway in use, which then continues from
the backup.
"""

import asyncio
import json
import os
from pathlib import Path

import aiohttp

from rendertrust.testing import FakeNode
from sql.database_swap import connected
from supervisors.engines.offline_postgres import embedded_database, kept_endpoint
from tests.integration.backup.contents import contents
from tests.support import programs
from tests.support.api_clients import Creator, faithful_node
from tests.support.engines import engine_folder
from tests.support.gateway_process import ForkedGateway, Gateway, forked_gateway


async def run_program(*words: str | Path, **settings: str) -> tuple[int, str, str]:
    """Run a program; return exit code, stdout and stderr."""
    return await programs.call(*map(str, words), env=os.environ | settings)


async def creator_with_jobs(gateway: Gateway, http: aiohttp.ClientSession) -> Creator:
    """Register a creator with jobs that are done, waiting and cancelled."""
    jane = Creator(http, gateway.url, "jane@example.org")
    await jane.register()
    async with faithful_node(http, gateway.url):
        for _ in range(3):
            _, placed = await jane.dispatch("render")
            await jane.job_within(placed["job_id"], "COMPLETED")
    await jane.dispatch("nobody-can", queue=True)
    _, waits = await jane.dispatch("nobody-can", queue=True)
    await jane.call("POST", f"/jobs/{waits['job_id']}/cancel")
    return jane


async def job_with_picture(gateway: Gateway, jane: Creator) -> tuple[str, bytes]:
    """Have a picture rendered; return its job and the picture."""
    async with FakeNode(gateway.url):
        scene = await jane.upload(b"BLENDER-v502")
        _, placed = await jane.dispatch("render", payload_ref=scene)
        await jane.job_within(placed["job_id"], "COMPLETED")
    return placed["job_id"], await jane.result(placed["job_id"])


async def test_a_used_gateway_goes_on_from_its_backup(http: aiohttp.ClientSession) -> None:
    """Another data folder gets the keys, the objects and the database, as the how-to says."""
    with engine_folder() as folder:
        file = folder / "backup"
        gateway = ForkedGateway(folder / "first")
        second = ForkedGateway(folder / "second", **gateway.settings)
        await gateway.start()
        try:
            jane = await creator_with_jobs(gateway, http)
            job, picture = await job_with_picture(gateway, jane)
            endpoint = kept_endpoint(gateway.data)
            assert endpoint is not None
            code, out, err = await run_program("backup", file, "--data", gateway.data)
            assert (code, f"The database was written to {file}" in out) == (0, True), err
            assert "dumping transfers" in err.splitlines()
            _, balance = await jane.call("GET", "/credits/balance")
            _, jobs = await jane.call("GET", "/jobs")
            code, out, err = await run_program("restore", file, "--data", gateway.data, "--replace")
            assert (code, "in use by another gateway" in err) == (1, True), err
            assert (await gateway.fsck())[0] == 0
        finally:
            await gateway.stop()
        second.data.mkdir(mode=0o711)
        for kept in ("gateway", "objects"):
            copied = await asyncio.create_subprocess_exec(
                "cp", "-a", gateway.data / kept, second.data
            )
            assert await copied.wait() == 0
        code, out, err = await run_program("restore", file, "--data", second.data, "--json")
        assert (code, json.loads(out)["findings"]) == (0, []), err
        code, out = await second.fsck()
        assert (code, out) == (0, "the books are in order\n")
        await second.start()
        try:
            again = Creator(http, second.url, jane.email, jane.token)
            assert await again.result(job) == picture
            assert (await again.call("GET", "/credits/balance"))[1] == balance
            assert (await again.call("GET", "/jobs"))[1] == jobs
            async with faithful_node(http, second.url):
                _, placed = await again.dispatch("render")
                await again.job_within(placed["job_id"], "COMPLETED")
        finally:
            await second.stop()
        assert (await second.fsck())[0] == 0


async def test_what_is_there_is_not_restored_over_unless_that_is_said(
    http: aiohttp.ClientSession,
) -> None:
    with engine_folder() as folder:
        gateway = ForkedGateway(folder / "data", RENDERTRUST_LIMITS_REGISTER="1000")
        where = ("--data", gateway.data)
        await gateway.start()
        await creator_with_jobs(gateway, http)
        await gateway.stop()
        file = folder / "backup"
        assert (await run_program("backup", file, *where))[0] == 0
        code, _, err = await run_program("backup", file, *where)
        assert (code, "exists: choose another name" in err) == (2, True)
        await gateway.start()
        await Creator(http, gateway.url, "joe@example.org").register()
        await gateway.stop()
        async with embedded_database(gateway.data) as endpoint:
            before = await contents(endpoint.owner_dsn)
        code, _, err = await run_program("restore", file, *where)
        assert (code, "The database is not empty" in err) == (1, True), err
        async with embedded_database(gateway.data) as endpoint:
            assert await contents(endpoint.owner_dsn) == before
        code, out, err = await run_program("restore", file, *where, "--replace")
        assert (code, "is kept as rendertrust_before_" in out) == (0, True), err
        async with embedded_database(gateway.data) as endpoint:
            after = await contents(endpoint.owner_dsn)
        assert len(after["users"]) == len(before["users"]) - 1
        code, out, _ = await run_program("db", "cleanup", *where)
        assert (code, out.startswith("kept rendertrust_before_")) == (0, True)
        code, out, _ = await run_program("db", "cleanup", "--yes", *where)
        assert (code, out.startswith("dropped rendertrust_before_")) == (0, True)
        assert (await run_program("db", "cleanup", *where))[1] == "no databases are kept\n"


async def test_a_gateway_on_a_database_elsewhere_is_in_the_way_of_a_restore(
    http: aiohttp.ClientSession,
) -> None:
    """A gateway with another data folder uses the database, and only the database shows that."""
    with engine_folder() as folder:
        file = folder / "backup"
        async with forked_gateway() as owner:
            endpoint = kept_endpoint(owner.data)
            assert endpoint is not None
            urls = {
                "RENDERTRUST_DATABASE_URL": endpoint.app_dsn,
                "RENDERTRUST_DATABASE_OWNER_URL": endpoint.owner_dsn,
            }
            code, out, err = await run_program("backup", file, "--json", **urls)
            assert code == 0, err
            assert json.loads(out) == {"file": str(file), "bytes": file.stat().st_size}
            code, _, err = await run_program("restore", file, "--replace", **urls)
            assert (code, "A gateway is using this database: stop it first" in err) == (1, True)
            async with connected(endpoint.app_dsn) as connection:
                assert await connection.fetchval("SELECT count(*) FROM schema_migrations") > 0


async def test_a_restore_from_what_is_no_backup_is_told(http: aiohttp.ClientSession) -> None:
    with engine_folder() as folder:
        (folder / "note").write_text("not a backup")
        where = ("--data", folder / "data")
        code, _, err = await run_program("restore", folder / "nothing", *where)
        assert (code, "is not a file" in err) == (2, True)
        code, _, err = await run_program("restore", folder / "note", *where)
        assert (code, "is not a backup" in err) == (1, True), err
