"""One Blender process for all units of a job, which keeps nothing of an earlier unit."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import attrs
import pytest

from rendertrust.node import blender
from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed, Failed, Result, Task
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.resident_blender import ResidentBlender
from rendertrust.protocol import Hello, JobResult
from tests.integration.node.conftest import QUICK, Start
from tests.integration.node.gateway import Gateway
from tests.integration.node.processes import descendants, innermost, is_alive
from tests.integration.node.scenes import pixels, render_locally, task
from tests.support.until import until

pytestmark = pytest.mark.render

CONTENT = "the same"
FOR_EVER, REFUSED = 9999, 8888  # numbers of samples
# The worker with a stand-in for Blender, which takes long to start.
QUICK_WORKER = f"""
import os, signal, sys
from types import SimpleNamespace
sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from worker import ipc, program
def render(bpy, order, say):
    if order.get("samples") == {REFUSED}:
        raise ipc.SceneError("it is refused")
    if order.get("samples") == {FOR_EVER}:
        say("progress", progress=0.5)
        while True:
            signal.pause()
    with open(os.path.join(order["out"], "0001.png"), "w") as file:
        file.write("a picture")
    say("done", file="0001.png")
def loaded(say):
    say("ready")
    empty = SimpleNamespace(read_homefile=lambda **_: None)
    return SimpleNamespace(ops=SimpleNamespace(wm=empty))
program.ORDERS["render"], program.loaded = render, loaded
program.main()
"""


@attrs.define
class Farm:
    """Renders units of one scene on one node."""

    render: RenderPlugin
    scene: Path
    folder: Path
    count: int = 0

    async def frame(self, number: int, **told: Any) -> Result:
        """Render a frame as a separate unit."""
        return await self.render.run(self.unit({"frame": number}, **told))

    async def begin(self) -> "asyncio.Task[Result]":
        """Start a unit that never ends, and return its task once it renders."""
        begun = asyncio.Event()

        def heard(_share: float, _detail: str) -> None:
            begun.set()

        work = attrs.evolve(self.unit({"samples": FOR_EVER}), on_progress=heard)
        running = asyncio.create_task(self.render.run(work))
        await asyncio.wait_for(begun.wait(), 60)
        return running

    def unit(self, params: dict[str, Any], job: str = "j", content: str = CONTENT) -> Task:
        """Return a new unit with its inputs laid out."""
        self.count += 1
        folder = self.folder / f"unit-{self.count}"
        folder.mkdir()
        return attrs.evolve(task(folder, self.scene, params, []), job_id=job, content=content)

    @property
    def scratch(self) -> list[Path]:
        """Return the work folders of resident Blenders."""
        return list(self.render.scratch.glob("blender-*"))


@pytest.fixture
async def real(found_blender: Blender, artists: Path, tmp_path: Path) -> AsyncGenerator[Farm]:
    """Yield a farm that renders with the real Blender."""
    render = RenderPlugin(scratch=tmp_path / "scratch", found=found_blender)
    render.residents.rest_seconds = 600.0
    yield Farm(render, artists, tmp_path)
    await render.residents.end()


@pytest.fixture
def farm(real: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Farm:
    """Return a farm whose worker has no Blender, for tests of the process itself."""
    inside = tmp_path / "worker"
    shutil.copytree(blender.WORKER, inside, ignore=shutil.ignore_patterns("__pycache__"))
    (inside / "entry_point.py").write_text(QUICK_WORKER)
    monkeypatch.setattr(blender, "WORKER", inside)
    return real


def blenders() -> set[int]:
    """Return the ids of the workers below this process: the innermost process of each sandbox."""
    return innermost(os.getpid())


async def test_frames_of_a_job_have_one_blender_and_are_the_artists(
    real: Farm, artists: Path, tmp_path: Path
) -> None:
    """Frames in any order are the same as if each frame had a Blender of its own."""
    before, seen = blenders(), list[set[int]]()
    pictures: dict[int, Path] = {}
    for number in (7, 3, 5):
        result = await real.frame(number)
        assert isinstance(result, Completed), result
        assert result.file is not None
        pictures[number] = result.file
        seen.append(blenders() - before)
    assert len(seen[0]) == 1
    assert seen[0] == seen[1] == seen[2]
    expected = render_locally(artists, tmp_path / "local", 3, 5, 7)
    for number, file in pictures.items():
        assert (pixels(file) == pixels(expected[number])).all()


async def test_what_a_unit_gets_is_its_own(real: Farm) -> None:
    """Files, settings and log lines of the unit before are gone."""
    first = await real.render.run(real.unit({"frames": [1, 2], "width": 32, "height": 18}))
    work = real.unit({"frame": 3, "evidence": True})
    said = list[str]()
    second = await real.render.run(attrs.evolve(work, on_log=said.append))
    assert isinstance(first, Completed), first
    assert isinstance(second, Completed), second
    assert (second.work["width"], second.work["height"]) == (67, 37)
    assert {path.name for path in (work.folder / "out").iterdir()} == {
        "0003.thumbnail.jpg",
        "0003.evidence.exr",
        "0003.png",
    }
    assert not any("0001.png" in line for line in said)
    (kept,) = real.scratch
    assert not list((kept / "out").iterdir())


@pytest.mark.parametrize("other", [{"job": "another"}, {"content": "another"}])
async def test_other_jobs_and_inputs_have_a_blender_of_their_own(
    farm: Farm, other: dict[str, str]
) -> None:
    before = blenders()
    await farm.frame(1)
    first = blenders() - before
    await farm.frame(1, **other)
    second = blenders() - before
    assert len(first) == len(second) == 1
    assert first != second
    assert len(farm.scratch) == 1


async def test_one_that_died_meanwhile_is_replaced(farm: Farm) -> None:
    before = blenders()
    await farm.frame(1)
    (pid,) = blenders() - before
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not is_alive(pid))
    assert isinstance(await farm.frame(2), Completed)
    assert len(farm.scratch) == 1


async def test_one_that_dies_at_work_fails_its_unit_alone(farm: Farm) -> None:
    before = blenders()
    assert isinstance(await farm.frame(1), Completed)
    (pid,) = blenders() - before
    running = await farm.begin()
    os.kill(pid, signal.SIGSEGV)
    failed = await running
    assert isinstance(failed, Failed)
    assert (failed.failure, "SIGSEGV" in failed.error) == ("node", True)
    assert not farm.scratch
    assert isinstance(await farm.frame(2), Completed)


async def test_unit_that_is_cancelled_ends_its_blender(farm: Farm) -> None:
    before = blenders()
    await farm.frame(1)
    running = await farm.begin()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    await until(lambda: blenders() == before)
    assert not farm.scratch


async def test_unit_that_is_cancelled_while_its_blender_is_asked_ends_it(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, asked = blenders(), asyncio.Event()

    async def is_ready(_: ResidentBlender) -> bool:
        asked.set()
        return await asyncio.Event().wait()

    await farm.frame(1)
    monkeypatch.setattr(ResidentBlender, "is_ready", is_ready)
    running = asyncio.create_task(farm.frame(2))
    await asked.wait()
    running.cancel()
    await asyncio.wait({running})
    await until(lambda: blenders() == before)
    assert not farm.scratch


async def test_unit_that_fails_ends_its_blender(farm: Farm) -> None:
    before = blenders()
    assert isinstance(await farm.frame(1), Completed)
    failed = await farm.render.run(farm.unit({"samples": REFUSED}))
    assert isinstance(failed, Failed)
    assert (failed.failure, failed.error) == ("scene", "it is refused")
    await until(lambda: blenders() == before)
    assert not farm.scratch


async def test_one_that_left_a_process_behind_is_given_nothing_more(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scene that broke out of Blender must not run during the next unit."""
    before, left = blenders(), asyncio.Event()

    def family(pid: int) -> list[int]:
        """Return the worker's processes, and one more after the test sets ``left``."""
        return [pid, *descendants(pid), *([0] if left.is_set() else [])]

    monkeypatch.setattr("rendertrust.node.resident_blender.family", family)
    await farm.frame(1)
    assert len(blenders() - before) == 1
    left.set()
    assert isinstance(await farm.frame(2), Completed)
    await until(lambda: blenders() == before)


async def test_one_that_nothing_comes_for_ends(farm: Farm) -> None:
    before = blenders()
    farm.render.residents.rest_seconds = 0.05
    await farm.frame(1)
    await until(lambda: blenders() == before and not farm.scratch)


@pytest.mark.parametrize(("bound", "value"), [("LIFE_SECONDS", 0.0), ("LEFT_BYTES_MAX", -1)])
async def test_one_that_is_old_or_holds_much_of_units_before_is_replaced(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, bound: str, value: float
) -> None:
    """Memory that earlier units left must not count against the limits of the next unit."""
    monkeypatch.setattr(f"rendertrust.node.resident_blender.{bound}", value)
    before = blenders()
    await farm.frame(1)
    first = blenders() - before
    assert isinstance(await farm.frame(2), Completed)
    assert first != blenders() - before


async def test_two_slots_have_one_each(farm: Farm) -> None:
    before = blenders()
    both = await asyncio.gather(farm.frame(1), farm.frame(2))
    assert all(isinstance(result, Completed) for result in both)
    assert len(blenders() - before) == 2
    again = blenders()
    both = await asyncio.gather(farm.frame(3), farm.frame(4))
    assert all(isinstance(result, Completed) for result in both)
    assert blenders() == again


async def result_of(peer: Gateway, unit: int) -> JobResult:
    """Return the result of this unit; skip unacknowledged results of other units, which may come
    again.
    """
    while (result := await peer.result("j1")).unit != unit:
        pass
    return result


@pytest.mark.usefixtures("known_blender")
async def test_agent_gives_units_of_a_job_to_one_blender(
    peer: Gateway, start: Start, small: Path
) -> None:
    before, seen = blenders(), list[set[int]]()
    given = peer.input("scene.blend", small.read_bytes())
    async with start(attrs.evolve(QUICK, slots=1)):
        await peer.next(Hello)
        for unit in (0, 1):
            order = peer.dispatch(
                "render",
                unit=unit,
                inputs=(given,),
                params={"frame": unit + 1},
                output=peer.output(f"{unit}.png"),
            )
            await peer.send(order)
            assert (await result_of(peer, unit)).status == "completed"
            seen.append(blenders() - before)
    assert seen[0] == seen[1] != set()
    await until(lambda: blenders() == before)
