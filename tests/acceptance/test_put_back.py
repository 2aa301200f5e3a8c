"""A copy of the database's folder is put back by hand: not one write is taken after it."""

import os
import shutil
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.test_backup import called
from tests.acceptance.test_chain_restore import (
    SETTINGS,
    entry_of,
    newcomer,
    proof_of,
    refuses_writes,
    verified,
)
from tests.support.engines import engine_folder
from tests.support.gateway_process import PATIENT, ForkedGateway, Gateway, alive_in
from tests.support.proof_readers import Person
from tests.support.until import until

pytestmark = pytest.mark.nightly
AWAY = {
    "RENDERTRUST_CHAIN_URL": "http://127.0.0.1:9",
    "RENDERTRUST_CHAIN_CHAIN_ID": "1",
    "RENDERTRUST_CHAIN_KEY": "11" * 32,
    **PATIENT,
}
NEWCOMER = {"email": "late@example.org", "name": "L", "password": "securepassword123"}


async def stopped(gateway: Gateway) -> None:
    await gateway.stop()
    await until(lambda: not alive_in(gateway.data))


async def nobody_gets_in(http: aiohttp.ClientSession, gateway: Gateway, why: str) -> None:
    """From the first request on; a few more, while the chain might be asked."""
    told = 0

    async def refused() -> bool:
        nonlocal told
        url = f"{gateway.url}/api/v1/auth/register"
        async with http.post(url, json=NEWCOMER) as answer:
            problem = await answer.json()
            assert answer.status == 503, problem
            told += why in problem["detail"]
        return told == 20

    await until(refused)


async def test_a_database_that_is_put_back_takes_no_write_until_it_is_reopened(
    http: aiohttp.ClientSession,
) -> None:
    with engine_folder() as folder:
        gateway = ForkedGateway(folder / "data", **SETTINGS)
        gateway.data.parent.mkdir(parents=True, exist_ok=True)
        database, copy = gateway.data / "postgres", folder / "copy"
        try:
            await gateway.start()
            early = await somebody(http, gateway)
            before = await entry_of(early)
            await verified(early, before)
            await stopped(gateway)
            put(database, copy)
            await gateway.start()
            late = await somebody(http, gateway)
            await proof_of(late, await entry_of(late))
            await stopped(gateway)
            shutil.rmtree(database)
            put(copy, database)
            await gateway.start(**AWAY)
            await nobody_gets_in(http, gateway, "an older or another database")
            await refuses_writes(http, gateway)
            await gateway.restart()
            await nobody_gets_in(http, gateway, "`rendertrust chain reopen`")
            words = ("chain", "reopen", "--data", gateway.data, "--reason", "a copy", "--yes")
            code, out, err = await called(*words, **SETTINGS)
            assert (code, "Epoch 2 of the log has begun" in out) == (0, True), (out, err)
            after = await somebody(http, gateway)
            await verified(after, await entry_of(after))
            await verified(early, before)
            await gateway.restart()
            await somebody(http, gateway)
            code, said = await gateway.fsck()
            assert code == 0, said
        finally:
            if gateway.process is not None:
                await gateway.stop()
        await until(lambda: not alive_in(gateway.data))


async def somebody(http: aiohttp.ClientSession, gateway: Gateway) -> Person:
    """Who gets in, as soon as a busy machine's gateway answers in time."""
    return await newcomer(http, gateway)


def put(source: Path, target: Path) -> None:
    """As `cp -a` does; sockets are nobody's data."""

    def sockets(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if (Path(folder) / name).is_socket()]

    shutil.copytree(source, target, symlinks=True, ignore=sockets)
    owners(source, target)


def owners(source: Path, target: Path) -> None:
    """As they were: the engine runs as nobody in particular."""
    for path in [target, *target.rglob("*")]:
        was = (source / path.relative_to(target)).lstat()
        os.chown(path, was.st_uid, was.st_gid, follow_symlinks=False)
