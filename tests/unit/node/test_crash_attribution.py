"""Attribution of a check that ends early: to the scene only if no delivered file was open."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import attrs
import pytest

from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import Task
from rendertrust.node.plugins import crash_attribution
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.resource_monitor import LimitExceeded, out_of_memory
from tests.integration.node.scenes import unit

ABOUT: Final = {"event": "about", "what": "evidence", "size": [8, 8]}
PAST: Final = {"event": "past"}
DOUBT: Final = {"event": "doubt"}
FULL: Final = LimitExceeded("this machine's disk is nearly full", "node")
FILES: Final = LimitExceeded("the scene made more than 9 files", "scene")


@attrs.define
class Worker:
    """A worker that sends ``lines`` at first, and exits as ``endings`` say; the last one repeats.

    ``asked`` has the orders.
    """

    lines: Sequence[Mapping[str, Any]]
    endings: Sequence[ProcessExit]
    runtime_seconds_max: float = 60.0
    asked: list[Mapping[str, Any]] = attrs.field(factory=list[Mapping[str, Any]])

    async def obey(self, order: Mapping[str, Any], _: Task, heard: Any) -> ProcessExit:
        self.asked.append(order)
        for line in self.lines if len(self.asked) == 1 else ():
            heard.hear(line)
        return self.endings[min(len(self.asked), len(self.endings)) - 1]


def ended(
    code: int | None = -9,
    excess: LimitExceeded | None = None,
    last: Mapping[str, Any] | None = None,
) -> ProcessExit:
    return ProcessExit(code=code, last=last or {}, tail="", excess=excess)


async def blamed(worker: Worker, folder: Path, left: float = 60.0, **more: Any) -> Any:
    task, until = unit(folder, {}, {}), time.monotonic() + left
    order = {"do": "check", "draws": [[0.1, 0.1, None]], "open_seconds": 1.0, "frames": [3]} | more
    told = await crash_attribution.run_check(cast("RenderPlugin", worker), order, task, until)
    return told.get("blamed")


async def is_of_scene(worker: Worker, folder: Path) -> bool:
    return bool(await blamed(worker, folder) == crash_attribution.SCENE)


@pytest.mark.parametrize(
    ("ending", "is_scene"),
    [
        (ended(excess=out_of_memory(9)), True),
        (ended(excess=FILES), True),
        (ended(None), True),
        (ended(1, last={"event": "failed", "error": "MemoryError"}), True),
        (ended(excess=FULL), False),
        (ended(-11), True),
        (ended(139), True),
        (ended(1), False),
        (ended(1, last={"event": "failed", "error": "x", "blamed": "scene"}), False),
        (ended(0, last={"event": "done", "blamed": "scene"}), False),
    ],
)
@pytest.mark.parametrize("lines", [[], [ABOUT, PAST]])
async def test_the_scene_is_to_blame_if_memory_or_time_runs_out_or_blender_crashes(
    ending: ProcessExit, lines: list[Mapping[str, Any]], *, is_scene: bool, tmp_path: Path
) -> None:
    assert await is_of_scene(Worker(lines, [ending]), tmp_path) is is_scene


FAILED: Final = ended(1, last={"event": "failed", "error": "x"})


@pytest.mark.parametrize(
    "ending", [ended(excess=out_of_memory(9)), ended(None), ended(-11), FAILED]
)
async def test_a_report_is_complete_without_its_comparison_sheet(
    ending: ProcessExit, tmp_path: Path
) -> None:
    found = {"crops": [{"equal": False, "off": 0.9}], "whole": True}
    worker = Worker([{**ABOUT, "what": "sheet", "found": found}], [ending])
    order = {"do": "check", "draws": [[0.1, 0.1, None]], "open_seconds": 1.0}
    task = unit(tmp_path, {}, {})
    told = await crash_attribution.run_check(cast("RenderPlugin", worker), order, task, 0.0)
    assert told == {**found, "event": "done"}


DONE: Final = ended(0, last={"event": "done"})


@pytest.mark.parametrize(
    ("again", "of", "left", "found"),
    [
        (ended(-6), {}, 60.0, "scene"),
        (DONE, {}, 60.0, "files"),
        (DONE, {"do": "check_unit"}, 60.0, "files"),
        (ended(None), {}, 60.0, None),
        (ended(excess=FULL), {}, 60.0, None),
        (ended(1, last={"event": "failed", "error": "x"}), {}, 60.0, None),
        (DONE, {}, 0.0, None),
        (DONE, {"tiles": [[0, 0, 8, 8]]}, 60.0, None),
        (DONE, {"do": "look"}, 60.0, None),
    ],
)
async def test_after_a_crash_the_unit_is_rendered_without_the_delivered_files(
    again: ProcessExit, of: Mapping[str, Any], left: float, found: str | None, tmp_path: Path
) -> None:
    worker = Worker([ABOUT, PAST], [ended(-11), again])
    more = {"picture": "delivered/x", "evidence": "delivered/y", "keep": True, **of}
    assert await blamed(worker, tmp_path, left, **more) == found
    if len(worker.asked) > 1:
        do = "render" if of else "prove"
        assert worker.asked[1] == {"do": do, "frames": [3]}


@pytest.mark.parametrize(
    ("alone", "found"),
    [
        (DONE, "files"),  # it opens without its scene
        (ended(-11), "scene"),  # of a test file of the same size
        (ended(excess=out_of_memory(9)), "scene"),
        (ended(excess=FULL), None),
        (ended(1, last={"event": "failed", "error": "x", "blamed": "scene"}), None),
    ],
)
async def test_a_crash_while_a_file_is_open_is_its_fault_or_that_of_the_frames_size(
    alone: ProcessExit, found: str | None, tmp_path: Path
) -> None:
    assert await blamed(Worker([ABOUT], [ended(-11), alone]), tmp_path) == found


@attrs.define
class FailingWorker(Worker):
    """A worker that also announces a delivered file in its second order, and fails in both."""

    async def obey(self, order: Mapping[str, Any], _: Task, heard: Any) -> ProcessExit:
        if self.asked:
            heard.hear(ABOUT)
        return await super().obey(order, _, heard)


@pytest.mark.parametrize("what", ["picture", "evidence"])
@pytest.mark.parametrize(
    ("worker", "found"),
    [
        (FailingWorker, "files"),  # with the delivered file
        (Worker, None),  # with the test file, as on a full disk
    ],
)
async def test_a_failure_while_a_file_is_open_is_its_fault_unless_a_test_file_fails_too(
    what: str, worker: type[Worker], found: str | None, tmp_path: Path
) -> None:
    started = worker([{**ABOUT, "what": what}], [FAILED])
    assert await blamed(started, tmp_path) == found
    assert [order["do"] for order in started.asked] == ["check", "alone"]


async def test_a_failure_while_a_file_is_open_is_no_fault_if_the_file_opens_alone(
    tmp_path: Path,
) -> None:
    """The failed check is then complete, or fails and blames the files, as after a crash."""
    lines, endings = [{**ABOUT, "what": "picture"}], [FAILED, DONE]
    assert await blamed(Worker(lines, endings), tmp_path) == "files"
    task = unit(tmp_path, {}, {})
    order = {"do": "check", "draws": [], "open_seconds": 1.0}
    worker = cast("RenderPlugin", Worker(lines, endings))
    told = await crash_attribution.run_check(worker, order, task, 0.0)
    assert (told["event"], told["looked"]) == ("done", True)


async def test_a_failure_while_the_picture_is_made_blames_nothing(tmp_path: Path) -> None:
    worker = Worker([{**ABOUT, "what": "making"}], [FAILED])
    assert await blamed(worker, tmp_path) is None
    assert len(worker.asked) == 1


@pytest.mark.parametrize("ending", [ended(excess=out_of_memory(9)), ended(None)])
async def test_the_scene_is_not_to_blame_while_a_delivered_file_is_open(
    ending: ProcessExit, tmp_path: Path
) -> None:
    worker = Worker([ABOUT], [ending, DONE])
    assert not await is_of_scene(worker, tmp_path)


@pytest.mark.parametrize(
    "ending", [ended(excess=out_of_memory(9)), ended(excess=FILES), ended(None)]
)
@pytest.mark.parametrize("lines", [[DOUBT], [ABOUT, PAST, DOUBT], [DOUBT, ABOUT, PAST]])
async def test_the_scene_is_not_to_blame_after_the_result_differed(
    ending: ProcessExit, lines: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    """A check of a lie takes longer than a check of an honest result, which must not help
    the liar.
    """
    assert not await is_of_scene(Worker(lines, [ending]), tmp_path)
