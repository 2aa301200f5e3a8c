"""Units with several files: the manifest comes with the dispatch, URLs only on request."""

import hashlib
from typing import Any

import pytest

from rendertrust.manifest import Manifest, ManifestEntry
from rendertrust.protocol import FRAME_BYTES_MAX, JobDispatch, Urls, UrlsRequest, encode
from rendertrust.relay_frames import FILES_ASKED_MAX
from sql.job_plan import FileList, Inputs
from tests.unit.dispatch.session_stage import Play, session
from tests.unit.dispatch.stage import JOB, USER, assignment
from tests.unit.simulated_time import simulated

CONTENTS = [b"scene", b"wood", b"iron"]


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def key_of(content: bytes, user: Any = USER) -> str:
    return f"uploads/{user}/{sha(content)}.bin"


async def listed(play: Play, manifest: Manifest) -> JobDispatch:
    """Return the relay frame that dispatches a unit with this manifest."""
    content = manifest.written("key")
    await play.objects.put("manifests/m.json", content)
    files = FileList("manifests/m.json", sha(content), len(content))
    unit = assignment(params={"frame": 1}, inputs=Inputs(files=files, scene="0"))
    return await play.working(unit)


def manifest_of(contents: list[bytes], user: Any = USER) -> Manifest:
    entries = [
        ManifestEntry(f"{n}", sha(c), len(c), key_of(c, user)) for n, c in enumerate(contents)
    ]
    return Manifest("0", tuple(entries))


def ask(*files: str) -> UrlsRequest:
    return UrlsRequest(job_id=str(JOB), unit=0, attempt=1, files=files)


@simulated
async def test_the_list_is_signed_and_not_among_the_parameters() -> None:
    async with session() as play:
        manifest = manifest_of(CONTENTS)
        frame = await listed(play, manifest)
        assert dict(frame.params) == {"frame": 1, "scene": "0"}
        assert frame.inputs == ()
        assert frame.manifest is not None
        got = await play.objects.request("GET", frame.manifest.url)
        assert got.body == manifest.written("key")
        assert frame.manifest.sha256 == sha(manifest.written("key"))


@simulated
async def test_urls_are_given_for_the_files_that_are_asked_for() -> None:
    async with session() as play:
        for content in CONTENTS:
            await play.objects.put(key_of(content), content)
        await listed(play, manifest_of(CONTENTS))
        play.hear(ask(sha(b"wood"), sha(b"iron"), sha(b"wood"), sha(b"another job's")))
        urls = await play.socket.expect(Urls)
        assert urls.output is None
        assert [given.sha256 for given in urls.inputs] == [sha(b"wood"), sha(b"iron")]
        bodies = [(await play.objects.request("GET", given.url)).body for given in urls.inputs]
        assert bodies == [b"wood", b"iron"]


@simulated
async def test_nothing_but_its_creators_own_is_signed() -> None:
    async with session() as play:
        await listed(play, manifest_of(CONTENTS, user="somebody-else"))
        play.hear(ask(sha(b"wood")))
        assert (await play.socket.expect(Urls)).inputs == ()


@pytest.mark.parametrize("content", [None, b"spoiled"])
@simulated
async def test_a_list_that_is_gone_gives_nothing_and_keeps_nobody_waiting(
    content: bytes | None,
) -> None:
    async with session() as play:
        await listed(play, manifest_of(CONTENTS))
        await play.objects.delete("manifests/m.json")
        if content is not None:
            await play.objects.put("manifests/m.json", content)
        play.hear(ask(sha(b"wood")))
        assert (await play.socket.expect(Urls)).inputs == ()


@simulated
async def test_a_unit_without_a_list_has_no_files_to_ask_for() -> None:
    async with session() as play:
        assert (await play.working()).manifest is None
        play.hear(ask(sha(b"wood")))
        assert (await play.socket.expect(Urls)).inputs == ()


@simulated
async def test_as_many_as_may_be_asked_for_fit_a_frame() -> None:
    contents = [b"%d" % number for number in range(FILES_ASKED_MAX)]
    async with session() as play:
        await listed(play, manifest_of(contents))
        play.hear(ask(*(sha(content) for content in contents)))
        urls = await play.socket.expect(Urls)
        assert len(urls.inputs) == FILES_ASKED_MAX
        # A real store's URLs are some 450 characters longer.
        assert len(encode(urls)) + 500 * FILES_ASKED_MAX < FRAME_BYTES_MAX
