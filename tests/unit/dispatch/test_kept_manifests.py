"""Manifests that sessions have read are cached, up to a bound over all sessions."""

import asyncio

import attrs
import pytest

from actors.node_session import relay_frame_builder
from actors.node_session.relay_frame_builder import Manifests, RelayFrameBuilder
from actors.node_session.settings import NodeSessionSettings
from actors.scheduler.messages import Assignment
from rendertrust.manifest import Manifest, read
from rendertrust.protocol import Urls
from sql.job_plan import FileList, Inputs
from tests.twins.objects import TwinObjects
from tests.unit.dispatch.session_stage import session
from tests.unit.dispatch.stage import assignment
from tests.unit.dispatch.test_session_manifests import CONTENTS, ask, listed, manifest_of, sha
from tests.unit.simulated_time import simulated

SETTINGS = NodeSessionSettings(bucket="rendertrust")


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of files of each manifest that is parsed."""
    found: list[int] = []

    def noted(content: bytes, place: str) -> Manifest:
        manifest = read(content, place)
        found.append(len(manifest.files))
        return manifest

    monkeypatch.setattr(relay_frame_builder, "read", noted)
    return found


async def unit_of(objects: TwinObjects, files: int) -> Assignment:
    """Return a unit whose manifest has the first ``files`` files."""
    content = manifest_of(CONTENTS[:files]).written("key")
    key = f"manifests/{files}.json"
    await objects.put(key, content)
    return assignment(inputs=Inputs(files=FileList(key, sha(content), len(content))))


async def given(kept: Manifests, unit: Assignment, objects: TwinObjects) -> int:
    """Return how many URLs a node gets when it asks for all files."""
    wanted = [sha(content) for content in CONTENTS]
    return len((await RelayFrameBuilder(objects, kept, SETTINGS).urls(unit, wanted)).inputs)


def test_a_list_is_read_once_however_often_a_node_asks(readings: list[int]) -> None:
    @simulated
    async def often() -> None:
        async with session() as play:
            await listed(play, manifest_of(CONTENTS))
            for _ in range(50):
                play.hear(ask(sha(b"wood"), sha(b"iron")))
                urls = await play.socket.expect(Urls)
                assert [each.sha256 for each in urls.inputs] == [sha(b"wood"), sha(b"iron")]

    often()
    assert readings == [3]


def test_a_list_is_read_once_by_all_who_ask_at_the_same_time(readings: list[int]) -> None:
    @simulated
    async def at_once() -> None:
        objects, kept = TwinObjects(lambda: 0.0), Manifests()
        unit = await unit_of(objects, 3)
        found = await asyncio.gather(*(given(kept, unit, objects) for _ in range(20)))
        assert found == [3] * 20

    at_once()
    assert readings == [3]


def test_no_more_files_are_kept_than_the_bound(
    readings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_frame_builder, "ENTRIES_MAX", 4)

    @simulated
    async def several() -> None:
        objects, kept = TwinObjects(lambda: 0.0), Manifests()
        for files in (1, 2, 1, 3, 1, 2):
            assert await given(kept, await unit_of(objects, files), objects) == files

    several()
    # Beside the third manifest only one more fits: the manifest that was used last.
    assert readings == [1, 2, 3, 2]


def test_another_list_under_the_same_key_is_read(readings: list[int]) -> None:
    @simulated
    async def changed() -> None:
        objects, kept = TwinObjects(lambda: 0.0), Manifests()
        first = await unit_of(objects, 1)
        assert await given(kept, first, objects) == 1
        assert first.plan.inputs.files is not None
        files = attrs.evolve(first.plan.inputs.files, sha256="ab" * 32)
        other = manifest_of(CONTENTS).written("key")
        await objects.put(files.key, other)
        assert await given(kept, assignment(inputs=Inputs(files=files)), objects) == 3

    changed()
    assert readings == [1, 3]
