"""Gateways and engines killed at any moment leave no orphan, and the next start works."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import psutil
import pytest
from redis import asyncio as aioredis

from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.free_ports import read_ports
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.objects_s3 import S3Objects
from supervisors.engines.seaweedfs import socket_paths, with_admin_grpc
from tests.integration.engines.gateway_process import (
    GatewayProcess,
    alive,
    give_to_ordinary_user,
    gone,
)
from tests.support.databases import execute, fetchval
from tests.support.engines import LOCK, engine_folder
from tests.support.until import until

T = TypeVar("T")
ALL = ("postgres", "valkey", "objects")
GONE_SECONDS = 60.0


@pytest.fixture
def data() -> Iterator[Path]:
    """Yield a data folder that does not exist yet; its parent is removed after the test."""
    with engine_folder() as folder:
        yield folder / "data"


@asynccontextmanager
async def gateway(
    data: Path, *engines: str, ordinary: bool = False
) -> AsyncGenerator[GatewayProcess]:
    """Run a stand-in gateway; kill it and its engines at the end if they still run."""
    running = await GatewayProcess.launch(data, *engines, ordinary=ordinary)
    try:
        yield running
    finally:
        if running.process.returncode is None:
            below = running.below()
            await running.kill()
            # The processes change the folder until they end; only then can it be removed.
            await until(lambda: gone(below), within=GONE_SECONDS)


def objects_at(endpoints: dict[str, dict[str, str]]) -> aclosing[S3Objects]:
    return aclosing(S3Objects(CurrentEndpoint(ObjectsEndpoint(**endpoints["objects"]))))


async def remember(said: dict[str, dict[str, dict[str, str]]]) -> None:
    """Write a mark to each of the three engines."""
    endpoints = said["endpoints"]
    await execute(endpoints["postgres"]["owner_dsn"], "CREATE TABLE marks AS SELECT 1 AS mark")
    client = aioredis.Redis.from_url(endpoints["valkey"]["url"])
    await client.set("mark", "1")
    # Wait until the mark is on disk: the server syncs its file once a second.
    synced = await cast("Any", client).execute_command("WAITAOF", 1, 0, 60_000)
    assert synced[0] == 1
    await client.aclose()
    async with objects_at(endpoints) as objects:
        await objects.put("mark", b"1")


async def recall(said: dict[str, dict[str, dict[str, str]]]) -> None:
    """Check that the marks are still there."""
    endpoints = said["endpoints"]
    assert await fetchval(endpoints["postgres"]["owner_dsn"], "SELECT mark FROM marks") == 1
    client = aioredis.Redis.from_url(endpoints["valkey"]["url"])
    assert await client.get("mark") == b"1"
    await client.aclose()
    async with objects_at(endpoints) as objects:
        assert await objects.get("mark") == b"1"


def ask_each(processes: list[psutil.Process], ask: Callable[[psutil.Process], T]) -> list[T]:
    """Ask each process that still runs; a process may end while it is asked."""
    found: list[T] = []
    for process in alive(processes):
        with suppress(psutil.NoSuchProcess):
            found.append(ask(process))
    return found


def shared_memory(processes: list[psutil.Process]) -> set[Path]:
    """Return PostgreSQL's files in /dev/shm that these processes map."""
    maps = ask_each(processes, psutil.Process.memory_maps)
    mapped = {Path(region.path) for regions in maps for region in regions}
    assert mapped, "the processes tell what they map"
    return {path for path in mapped if path.match("/dev/shm/PostgreSQL.*")}


def sockets_of(data: Path) -> list[Path]:
    """Return the sockets in /tmp of this data folder's object store."""
    kept = (data / "objects" / name for name in ("ports", "admin-port"))
    ports = with_admin_grpc(
        {name: port for path in kept for name, port in read_ports(path).items()}
    )
    return [path for port in ports.values() for path in socket_paths(port)]


@pytest.mark.parametrize(
    "ordinary",
    [
        pytest.param(False, id="as-we-are"),
        pytest.param(True, id="as-ordinary-user", marks=pytest.mark.heavy),
    ],
)
async def test_a_killed_gateway_leaves_no_orphan_and_loses_nothing(
    data: Path, ordinary: bool
) -> None:
    if ordinary:
        give_to_ordinary_user(data.parent)
    async with gateway(data, *ALL, ordinary=ordinary) as first:
        await remember(await first.listen())
        below = first.below()
        assert {"postgres", "valkey-server", "weed"} <= set(ask_each(below, psutil.Process.name))
        assert all(p.uids().real != 0 for p in alive(below) if p.pid in first.said["pids"])
        await first.kill()
        await until(lambda: gone(below), within=GONE_SECONDS)
    async with gateway(data, *ALL, ordinary=ordinary) as second:
        await recall(await second.listen())
        assert await second.stop() == 0


def kill_if_there(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


@pytest.mark.heavy
async def test_nothing_is_left_outside_the_data_folder(data: Path) -> None:
    async with gateway(data, *ALL) as first:
        await remember(await first.listen())
        assert sockets_of(data)
        below = first.below()
        assert not shared_memory(below)
        await first.kill()
        await until(lambda: gone(below), within=GONE_SECONDS)
    assert not sockets_of(data)
    assert {path.name for path in data.parent.iterdir()} == {"data", LOCK}


@pytest.mark.heavy
async def test_sockets_that_a_killed_store_left_are_removed(data: Path) -> None:
    async with gateway(data, "objects") as first:
        await first.listen()
        for process in first.below():
            kill_if_there(process)
        await first.kill()
    left = sockets_of(data)
    assert left
    async with gateway(data, "objects") as second:
        await second.listen()
        assert await second.stop() == 0
    assert not any(path.exists() for path in left)


def private_files(data: Path) -> list[Path]:
    patterns = ("*/secrets/*", "*/configuration/*", "*/*.conf")
    return [path for pattern in patterns for path in data.glob(pattern)]


async def test_no_secret_is_on_a_command_line_or_open_to_others(data: Path) -> None:
    async with gateway(data, *ALL) as first:
        await first.listen()
        private = private_files(data)
        secrets = [path.read_text().strip() for path in private if path.parent.name == "secrets"]
        assert len(secrets) == 10
        lines = [" ".join(words) for words in ask_each(first.below(), psutil.Process.cmdline)]
        assert lines
        assert not [line for line in lines if any(secret in line for secret in secrets)]
        assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
        assert await first.stop() == 0
