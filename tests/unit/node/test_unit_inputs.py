"""Files that a check examines, kept apart from the scene's own files."""

import hashlib
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from rendertrust.job_types import CHECK, CHECK_BATCH
from rendertrust.manifest import Manifest, ManifestEntry
from rendertrust.node.cache import Cache
from rendertrust.node.input_urls import InputUrls
from rendertrust.node.plugin import EVIDENCE, PICTURE, Failed, in_batch
from rendertrust.node.unit_inputs import WRONG_PATH, UnitInputs
from rendertrust.node.unit_run import failed
from rendertrust.protocol import Input, JobDispatch, Running

SCENE, TEXTURE, DELIVERED = b"BLENDER", b"a texture of the scene's", b"what was delivered"


def held(cache: Cache, path: str, content: bytes) -> Input:
    """Put the content into the cache and return it as an input."""
    sha256 = hashlib.sha256(content).hexdigest()
    place = cache.folder / sha256[:2] / sha256
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return Input(path=path, url="cache:", sha256=sha256, size=len(content))


def order(cache: Cache, *inputs: Input, job_type: str = CHECK) -> JobDispatch:
    """Return a check of a scene that itself has a file named like the delivered picture."""
    files = {"s.blend": SCENE, PICTURE: TEXTURE}
    entries = [
        ManifestEntry(of.path, of.sha256, of.size, "k")
        for of in (held(cache, path, content) for path, content in files.items())
    ]
    manifest = held(cache, "manifest", Manifest("s.blend", tuple(entries)).written("key"))
    return JobDispatch(
        job_id="c", job_type=job_type, payload_ref="x", params={}, inputs=inputs, manifest=manifest
    )


async def test_no_file_of_a_scene_is_taken_for_what_was_delivered(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        cache = Cache(tmp_path / "cache", 1 << 20, session)
        staged = UnitInputs(cache, tmp_path / "work", InputUrls(Running(job_id="c"), print, 1.0))
        both = (held(cache, PICTURE, DELIVERED), held(cache, EVIDENCE, DELIVERED))
        placed = await staged.lay_out(order(cache, *both))
    assert isinstance(placed, dict), placed
    assert {name: path.read_bytes() for name, path in placed.items()} == {
        "s.blend": SCENE,
        PICTURE: TEXTURE,
    }
    assert {path.read_bytes() for path in staged.delivered.values()} == {DELIVERED}
    assert not [p for p in staged.delivered.values() if tmp_path / "work" / "in" in p.parents]


async def test_what_was_delivered_is_named_once(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        cache = Cache(tmp_path / "cache", 1 << 20, session)
        staged = UnitInputs(cache, tmp_path / "work", InputUrls(Running(job_id="c"), print, 1.0))
        one = held(cache, PICTURE, DELIVERED)
        assert await staged.lay_out(order(cache, one, one)) == WRONG_PATH


async def test_each_result_of_a_batch_lies_where_no_scene_is(tmp_path: Path) -> None:
    names = [name for number in (0, 15) for name in in_batch(number)]
    async with aiohttp.ClientSession() as session:
        cache = Cache(tmp_path / "cache", 1 << 20, session)
        staged = UnitInputs(cache, tmp_path / "work", InputUrls(Running(job_id="c"), print, 1.0))
        given = [held(cache, name, name.encode()) for name in names]
        placed = await staged.lay_out(order(cache, *given, job_type=CHECK_BATCH))
    assert isinstance(placed, dict), placed
    assert set(placed) == {"s.blend", PICTURE}, "only the scene's own files"
    found = {name: path.read_text() for name, path in staged.delivered.items()}
    assert found == {name: name for name in names}
    assert len({path.parent for path in staged.delivered.values()}) == len(names)


@pytest.mark.parametrize(("path", "unread"), [(PICTURE, {"unread": PICTURE}), ("s.blend", None)])
async def test_a_check_names_the_delivered_file_that_it_cannot_fetch(
    tmp_path: Path, path: str, unread: dict[str, str] | None
) -> None:
    async with aiohttp.ClientSession() as session:
        cache, ref = Cache(tmp_path / "cache", 1 << 20, session), Running(job_id="c")
        staged = UnitInputs(cache, tmp_path / "work", InputUrls(ref, print, 1.0))
        larger_than_the_cache = Input(path=path, url="cache:", sha256="0" * 64, size=2 << 20)
        failure = await staged.lay_out(order(cache, larger_than_the_cache))
    assert isinstance(failure, Failed), failure
    assert failed(ref, failure).work == unread


@pytest.mark.parametrize(("corrupted", "is_placed"), [(1, True), (9, False)])
async def test_a_delivered_file_that_was_corrupted_on_the_way_is_fetched_again(
    tmp_path: Path, aiohttp_server: AiohttpServer, corrupted: int, *, is_placed: bool
) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        is_bad = len(asked) <= corrupted
        return web.Response(body=bytes(len(DELIVERED)) if is_bad else DELIVERED)

    app = web.Application()
    app.router.add_get("/picture", answer)
    server = await aiohttp_server(app)
    sha256 = hashlib.sha256(DELIVERED).hexdigest()
    url = str(server.make_url("/picture"))
    picture = Input(path=PICTURE, url=url, sha256=sha256, size=len(DELIVERED))
    async with aiohttp.ClientSession() as session:
        cache = Cache(tmp_path / "cache", 1 << 20, session)
        staged = UnitInputs(cache, tmp_path / "work", InputUrls(Running(job_id="c"), print, 1.0))
        placed = await staged.lay_out(order(cache, picture))
    assert len(asked) == 2
    if is_placed:
        assert staged.delivered[PICTURE].read_bytes() == DELIVERED
    else:
        assert isinstance(placed, Failed)
        assert (placed.failure, placed.unread) == ("scene", PICTURE)
