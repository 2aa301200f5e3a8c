"""Jobs with a manifest at a node: the URLs it asks for, the files it lays out, and what it
refuses.
"""

import hashlib
import os
from typing import Any

import attrs
import orjson
import pytest

from rendertrust.manifest import Manifest, ManifestEntry
from rendertrust.protocol import FromGateway, FromNode, Hello, Input, JobResult, Urls, UrlsRequest
from rendertrust.relay_frames import FILES_ASKED_MAX
from tests.integration.node.conftest import QUICK, Start
from tests.integration.node.gateway import Gateway

FILES = {
    "shots/a.blend": b"BLENDER a",
    "textures/wood.png": b"wood",
    "textures/deep/wood copy.png": b"wood",
    "linked/0/Büro.blend": b"BLENDER b",
}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def listed(files: dict[str, bytes]) -> Manifest:
    entries = [
        ManifestEntry(path, sha(content), len(content), "k") for path, content in files.items()
    ]
    return Manifest(next(iter(files)), tuple(entries))


@attrs.define
class UrlSource:
    """Answers a node's requests for URLs from ``files``; it ignores the first ``drops``
    requests.
    """

    peer: Gateway
    files: dict[str, bytes]
    drops: int = 0
    asked: list[tuple[str, ...]] = attrs.Factory(list[tuple[str, ...]])

    def __call__(self, frame: FromNode) -> FromGateway | None:
        if not isinstance(frame, UrlsRequest):
            return None
        self.asked.append(frame.files)
        if len(self.asked) <= self.drops:
            return None
        known = {sha(content): content for content in self.files.values()}
        inputs = [self.peer.input(one, known[one]) for one in frame.files if one in known]
        return Urls(job_id=frame.job_id, unit=frame.unit, attempt=frame.attempt, inputs=(*inputs,))


async def run_echo(peer: Gateway, manifest: bytes, job: str = "j1", **more: Any) -> JobResult:
    """Send an echo unit with this manifest, and return its result."""
    given = peer.input("manifest", manifest)
    await peer.send(peer.dispatch("echo", job, manifest=given, output=peer.output(job), **more))
    return await peer.result(job)


def echoed(peer: Gateway, job: str = "j1") -> dict[str, int]:
    inputs: dict[str, int] = orjson.loads(peer.objects[job])["inputs"]
    return inputs


async def test_all_files_are_laid_out_and_each_content_is_fetched_once(
    peer: Gateway, start: Start
) -> None:
    peer.answer = giving = UrlSource(peer, FILES)
    async with start():
        await peer.next(Hello)
        result = await run_echo(peer, listed(FILES).written("key"))
        assert result.status == "completed", result
        assert echoed(peer) == {path: len(content) for path, content in FILES.items()}
        contents = sorted({sha(content) for content in FILES.values()})
        assert sorted(giving.asked[0]) == contents
        assert sorted(one for one in peer.fetches if one in contents) == contents

        # Another job needs one file more: the node does not ask again for cached files.
        more = FILES | {"new.exr": b"new"}
        giving.files = more
        assert (await run_echo(peer, listed(more).written("key"), "j2")).status == "completed"
        assert echoed(peer, "j2") == {path: len(content) for path, content in more.items()}
        assert giving.asked[1:] == [(sha(b"new"),)]


async def test_many_files_are_asked_for_in_questions_that_fit_a_frame(
    peer: Gateway, start: Start
) -> None:
    files = {f"frames/{number:04}.png": b"%d" % number for number in range(FILES_ASKED_MAX * 2 + 1)}
    peer.answer = giving = UrlSource(peer, files)
    async with start():
        await peer.next(Hello)
        assert (await run_echo(peer, listed(files).written("key"))).status == "completed"
    assert len(echoed(peer)) == len(files)
    assert [len(one) for one in giving.asked] == [FILES_ASKED_MAX, FILES_ASKED_MAX, 1]


async def test_a_question_that_was_lost_is_asked_again(
    peer: Gateway, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rendertrust.node.slots.ASK_AGAIN_SECONDS", 0.05)
    peer.answer = giving = UrlSource(peer, FILES, drops=2)
    async with start():
        await peer.next(Hello)
        assert (await run_echo(peer, listed(FILES).written("key"))).status == "completed"
    assert len(giving.asked) >= 3


async def test_files_that_the_gateway_does_not_know_fail_the_unit(
    peer: Gateway, start: Start
) -> None:
    peer.answer = UrlSource(peer, {"other": b"other"})
    async with start():
        await peer.next(Hello)
        result = await run_echo(peer, listed(FILES).written("key"))
    assert (result.status, result.failure) == ("failed", "gateway")
    assert result.error == "3 files of the job no longer exist"


async def test_other_content_than_the_manifest_names_fails_the_unit(
    peer: Gateway, start: Start
) -> None:
    def lying(frame: FromNode) -> FromGateway | None:
        if not isinstance(frame, UrlsRequest):
            return None
        evil = peer.input("x", b"evil")
        inputs = [Input(path="x", url=evil.url, sha256=one, size=4) for one in frame.files]
        return Urls(job_id=frame.job_id, unit=frame.unit, attempt=frame.attempt, inputs=(*inputs,))

    peer.answer = lying
    async with start():
        await peer.next(Hello)
        result = await run_echo(peer, listed({"wood.png": b"wood"}).written("key"))
    assert result.status == "failed"
    assert "SHA-256 differs" in (result.error or "")


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/cron.d/x", "a/../../b", "a\\..\\b", "", ".", "a//b", "a/./b"]
)
async def test_a_path_that_leads_elsewhere_is_laid_out_nowhere(
    peer: Gateway, start: Start, path: str
) -> None:
    files = {"a.blend": b"BLENDER", path: b"evil"}
    peer.answer = giving = UrlSource(peer, files)
    async with start() as node:
        await peer.next(Hello)
        result = await run_echo(peer, listed(files).written("key"))
        assert (result.status, result.failure) == ("failed", "gateway")
        assert "the manifest is wrong" in (result.error or "")
        assert giving.asked == []
        # os.walk tolerates that the unit's folder is being removed.
        assert not [place for place, _, files in os.walk(node.folder.path) if "outside" in files]


async def test_a_path_that_is_an_input_already_is_refused(peer: Gateway, start: Start) -> None:
    peer.answer = UrlSource(peer, FILES)
    async with start():
        await peer.next(Hello)
        own = peer.input("textures/wood.png", b"tile")
        result = await run_echo(peer, listed(FILES).written("key"), inputs=(own,))
    assert (result.status, result.failure) == ("failed", "gateway")


async def test_files_larger_than_the_cache_are_refused(peer: Gateway, start: Start) -> None:
    peer.answer = UrlSource(peer, FILES | {"big": bytes(5000)})
    async with start(settings=attrs.evolve(QUICK, cache_bytes_max=4096)):
        await peer.next(Hello)
        result = await run_echo(peer, listed(FILES | {"big": bytes(5000)}).written("key"))
    assert (result.status, result.failure) == ("failed", "node")
    assert "larger than this node's cache" in (result.error or "")
