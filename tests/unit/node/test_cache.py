"""Places of cached inputs, and which inputs are removed to make room."""

import hashlib
import os
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from rendertrust.node import unit_inputs
from rendertrust.node.backoff import delays
from rendertrust.node.cache import Cache, make_room, place, safe_path
from rendertrust.node.input_urls import InputUrls
from rendertrust.node.plugin import Failed
from rendertrust.node.unit_inputs import UnitInputs
from rendertrust.protocol import Input, JobDispatch, Running

CONTENT = b"a texture"


@pytest.mark.parametrize("path", ["a", "a/b.png", "./a", "textures/wood 1.png"])
def test_path_below_the_folder_is_taken(path: str) -> None:
    assert safe_path(path) is not None


@pytest.mark.parametrize("path", ["", ".", "/a", "../a", "a/../../b", "a/..", "a\\..\\b"])
def test_path_that_leads_elsewhere_is_refused(path: str) -> None:
    assert safe_path(path) is None


def test_longest_unused_goes_first(tmp_path: Path) -> None:
    for age, name in enumerate(("old", "middle", "new")):
        file = tmp_path / "aa" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x" * 10)
        os.utime(file, (1000 + age, 1000 + age))
    make_room(tmp_path, bytes_max=30, size=15)
    assert [file.name for file in tmp_path.glob("aa/*")] == ["new"]


def test_placed_input_outlives_its_place_in_the_cache(tmp_path: Path) -> None:
    (tmp_path / "cached").write_bytes(b"x")
    place(tmp_path / "cached", tmp_path / "in" / "deep" / "file")
    (tmp_path / "cached").unlink()
    assert (tmp_path / "in" / "deep" / "file").read_bytes() == b"x"


def test_back_off_grows_to_its_bound_and_never_beyond() -> None:
    waits = delays(1, 8)
    for ceiling in (1, 2, 4, 8, 8, 8):
        assert ceiling / 2 <= next(waits) <= ceiling


async def test_a_file_that_another_slot_evicts_at_the_wrong_moment_is_fetched_again(
    tmp_path: Path, aiohttp_server: AiohttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is evicted before it is touched, and once more before it is linked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(body=CONTENT)

    app = web.Application()
    app.router.add_get("/texture", answer)
    server = await aiohttp_server(app)
    url, sha256 = str(server.make_url("/texture")), hashlib.sha256(CONTENT).hexdigest()
    wanted = Input(path="wood.png", url=url, sha256=sha256, size=len(CONTENT))
    cached = tmp_path / "cache" / sha256[:2] / sha256
    evictions = ["before it is linked", "before it is touched"]
    touch = os.utime

    def touched(path: Path) -> None:
        if path == cached and len(evictions) == 2:
            path.unlink()
            evictions.pop()
        touch(path)

    def linked(source: Path, target: Path) -> None:
        if source == cached and len(evictions) == 1:
            source.unlink()
            evictions.pop()
        place(source, target)

    monkeypatch.setattr(os, "utime", touched)
    monkeypatch.setattr(unit_inputs, "place", linked)
    async with aiohttp.ClientSession() as session:
        cache = Cache(tmp_path / "cache", 1 << 20, session)
        assert await cache.fetch(wanted) == cached
        staged = UnitInputs(cache, tmp_path / "work", InputUrls(Running(job_id="c"), print, 1.0))
        order = JobDispatch(
            job_id="c", job_type="render", payload_ref="x", params={}, inputs=(wanted,)
        )
        placed = await staged.lay_out(order)
    assert isinstance(placed, dict)
    assert placed == {"wood.png": tmp_path / "work" / "in" / "wood.png"}
    assert (placed["wood.png"].read_bytes(), evictions) == (CONTENT, [])
    assert len(asked) == 3


async def test_a_failed_download_leaves_no_lock(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        cache = Cache(tmp_path, 1 << 20, session)
        for number in range(3):
            wanted = Input(path="a", url="file:///a", sha256=f"{number:064}", size=1)
            assert isinstance(await cache.fetch(wanted), Failed)
        assert not list(cache._locks)  # pyright: ignore[reportPrivateUsage]
