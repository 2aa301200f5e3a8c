"""Attribution of a check that ends early: to the scene only if no delivered file was open."""

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
    """A worker that always sends ``lines`` and exits as ``ending`` says."""

    lines: Sequence[Mapping[str, Any]]
    ending: ProcessExit

    async def obey(self, _: object, __: Task, heard: Any) -> ProcessExit:
        for line in self.lines:
            heard.hear(line)
        return self.ending


def ended(
    code: int | None = -9,
    excess: LimitExceeded | None = None,
    last: Mapping[str, Any] | None = None,
) -> ProcessExit:
    return ProcessExit(code=code, last=last or {}, tail="", excess=excess)


async def is_of_scene(worker: Worker, folder: Path) -> bool:
    task = unit(folder, {}, {})
    order = {"do": "check", "draws": [[0.1, 0.1, None]], "open_seconds": 1.0}
    told = await crash_attribution.run_check(cast("RenderPlugin", worker), order, task)
    return told.get("of_scene") is True


@pytest.mark.parametrize(
    ("ending", "is_scene"),
    [
        (ended(excess=out_of_memory(9)), True),
        (ended(excess=FILES), True),
        (ended(None), True),
        (ended(1, last={"event": "failed", "error": "MemoryError"}), True),
        (ended(excess=FULL), False),
        (ended(-11), False),
        (ended(1, last={"event": "failed", "error": "x", "of_scene": True}), False),
        (ended(0, last={"event": "done", "of_scene": True}), False),
    ],
)
@pytest.mark.parametrize("lines", [[], [ABOUT, PAST]])
async def test_the_scene_is_to_blame_if_memory_or_time_runs_out(
    ending: ProcessExit, lines: list[Mapping[str, Any]], *, is_scene: bool, tmp_path: Path
) -> None:
    assert await is_of_scene(Worker(lines, ending), tmp_path) is is_scene


@pytest.mark.parametrize("ending", [ended(excess=out_of_memory(9)), ended(None), ended(-11)])
async def test_a_report_is_complete_without_its_comparison_sheet(
    ending: ProcessExit, tmp_path: Path
) -> None:
    found = {"crops": [{"equal": False, "off": 0.9}], "whole": True}
    worker = Worker([{**ABOUT, "what": "sheet", "found": found}], ending)
    order = {"do": "check", "draws": [[0.1, 0.1, None]], "open_seconds": 1.0}
    task = unit(tmp_path, {}, {})
    told = await crash_attribution.run_check(cast("RenderPlugin", worker), order, task)
    assert told == {**found, "event": "done"}


@pytest.mark.parametrize("ending", [ended(excess=out_of_memory(9)), ended(None), ended(-11)])
async def test_the_scene_is_not_to_blame_while_a_delivered_file_is_open(
    ending: ProcessExit, tmp_path: Path
) -> None:
    assert not await is_of_scene(Worker([ABOUT], ending), tmp_path)


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
    assert not await is_of_scene(Worker(lines, ending), tmp_path)
