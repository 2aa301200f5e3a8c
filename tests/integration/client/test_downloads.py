"""Interrupted downloads continue where they stopped, and never leave an incomplete file in
place.
"""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from rendertrust.client import AsyncClient, NoAnswer, TransferFailed
from tests.integration.client.conftest import client_of
from tests.integration.client.double import PICTURE, GatewayDouble

MIB = 1 << 20


@pytest.fixture
def gateway(gateway: GatewayDouble) -> GatewayDouble:
    """Return a double that shows size and SHA-256 of results."""
    gateway.names_results = True
    return gateway


def route(job: str) -> str:
    return f"GET /store/results/{job}/0/1/result"


def part_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(".part")]


async def test_a_cut_download_goes_on_where_it_stopped(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job = gateway.add_job("COMPLETED")
    gateway.script(
        route(job),
        gateway.cut(MIB, has_arrived(tmp_path, MIB)),
        gateway.cut(1000, has_arrived(tmp_path, MIB + 1000)),
    )
    told: list[tuple[int, int]] = []
    path = await client.download(
        job, tmp_path, progress=lambda done, all_: told.append((done, all_))
    )
    assert path.read_bytes() == PICTURE
    assert gateway.ranges == [None, f"bytes={MIB}-", f"bytes={MIB + 1000}-"]
    assert told[-1] == (len(PICTURE), len(PICTURE))
    assert sorted(told) == told
    assert list(tmp_path.iterdir()) == [path]


async def test_what_its_store_calls_packed_is_taken_as_it_is(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    def packed(request: web.Request) -> web.Response:
        whole = gateway.stored(request)
        whole.headers["Content-Encoding"] = "gzip"
        return whole

    job = gateway.add_job("COMPLETED")
    gateway.script(route(job), *[packed] * 4)
    path = await client.download(job, tmp_path)
    assert path.read_bytes() == PICTURE


async def test_more_than_was_announced_is_not_taken(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(bytes(MIB))
            sent += MIB
        return response

    job = gateway.add_job("COMPLETED")
    gateway.script(route(job), *[endless] * 4)
    with pytest.raises(TransferFailed):
        await client.download(job, tmp_path)
    assert sent < 64 * MIB
    assert [path.stat().st_size for path in part_files(tmp_path)] <= [len(PICTURE)]


async def test_the_next_call_goes_on_where_the_last_one_gave_up(
    gateway: GatewayDouble, tmp_path: Path
) -> None:
    job = gateway.add_job("COMPLETED")
    gateway.script(route(job), gateway.cut(MIB, has_arrived(tmp_path, MIB)), *[gateway.cut(0)] * 3)
    async with client_of(gateway) as client:
        with pytest.raises(NoAnswer):
            await client.download(job, tmp_path / "frame.png")
    (left,) = part_files(tmp_path)
    assert left.read_bytes() == PICTURE[:MIB]
    async with client_of(gateway) as client:
        await client.download(job, tmp_path / "frame.png")
    assert gateway.ranges[-1] == f"bytes={MIB}-"
    assert (tmp_path / "frame.png").read_bytes() == PICTURE
    assert not part_files(tmp_path)


async def test_the_next_call_goes_on_with_what_has_no_hash_but_is_the_same(
    gateway: GatewayDouble, tmp_path: Path
) -> None:
    gateway.names_results = False
    job = gateway.add_job("COMPLETED")
    gateway.script(route(job), gateway.cut(MIB, has_arrived(tmp_path, MIB)), *[gateway.cut(0)] * 3)
    async with client_of(gateway) as client:
        with pytest.raises(NoAnswer):
            await client.download(job, tmp_path / "frames.zip")
    assert [path.read_bytes() for path in part_files(tmp_path)] == [PICTURE[:MIB]]
    async with client_of(gateway) as client:
        await client.download(job, tmp_path / "frames.zip")
    assert gateway.ranges[-1] == f"bytes={MIB}-"
    assert (tmp_path / "frames.zip").read_bytes() == PICTURE
    assert not part_files(tmp_path)


async def test_what_was_whole_when_it_was_left_is_not_fetched_again(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job = gateway.add_job("COMPLETED")
    leave_part(tmp_path, PICTURE)
    await client.download(job, tmp_path / "frame.png")
    assert gateway.ranges == []
    assert (tmp_path / "frame.png").read_bytes() == PICTURE


@pytest.mark.parametrize("size", [MIB, len(PICTURE), len(PICTURE) + 5], ids=str)
async def test_what_somebody_spoiled_is_fetched_anew(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path, size: int
) -> None:
    job = gateway.add_job("COMPLETED")
    leave_part(tmp_path, bytes(size))
    await client.download(job, tmp_path / "frame.png")
    assert (tmp_path / "frame.png").read_bytes() == PICTURE
    assert not part_files(tmp_path)


async def test_other_content_than_was_named_is_refused(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    job = gateway.add_job("COMPLETED")
    (tmp_path / "frame.png").write_bytes(b"old")

    def other(request: object) -> object:
        gateway.picture = PICTURE[:-1] + b"!"
        return gateway.stored(request)  # type: ignore[arg-type]

    gateway.script(route(job), other)  # type: ignore[arg-type]
    with pytest.raises(TransferFailed, match="other content"):
        await client.download(job, tmp_path / "frame.png")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [
        ("frame.png", b"old")
    ]


async def test_two_that_fetch_the_same_do_not_write_into_one_file(
    gateway: GatewayDouble, tmp_path: Path
) -> None:
    job = gateway.add_job("COMPLETED")
    async with client_of(gateway) as one, client_of(gateway) as other:
        await asyncio.gather(
            one.download(job, tmp_path / "a.png"), other.download(job, tmp_path / "b.png")
        )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a.png": PICTURE,
        "b.png": PICTURE,
    }


async def test_without_a_name_it_goes_on_only_with_the_same_content(
    gateway: GatewayDouble, client: AsyncClient, tmp_path: Path
) -> None:
    gateway.names_results = False
    job = gateway.add_job("COMPLETED")

    async def change(request: object) -> object:
        answer = await gateway.cut(MIB, has_arrived(tmp_path, MIB))(request)  # type: ignore[arg-type,misc]
        gateway.picture = PICTURE[::-1]
        return answer

    gateway.script(route(job), change)  # type: ignore[arg-type]
    path = await client.download(job, tmp_path / "frame.png")
    assert gateway.ranges == [None, f"bytes={MIB}-"]
    assert path.read_bytes() == PICTURE[::-1]


def has_arrived(folder: Path, size: int) -> Callable[[], bool]:
    """Return a condition: exactly ``size`` bytes of a picture are in the folder."""
    return lambda: [path.stat().st_size for path in part_files(folder)] == [size]


def leave_part(folder: Path, content: bytes) -> None:
    """Write a partial download of the picture, as an earlier call leaves it."""
    name = hashlib.sha256(PICTURE).hexdigest()[:32]
    (folder / f".rendertrust-{name}.part").write_bytes(content)
