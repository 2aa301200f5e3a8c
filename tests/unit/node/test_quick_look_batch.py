"""Results of a check batch, from its worker's lines and exit."""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from rendertrust.job_types import CHECK_BATCH
from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import Completed, Failed, Task, in_batch
from rendertrust.node.plugins.quick_look_batch import CheckBatchPlugin
from rendertrust.node.plugins.render import RenderPlugin, RenderProgress
from rendertrust.node.sandbox import DELIVERED

LOOKED = {"looked": True, "seen": "ab"}
DIED = ProcessExit(code=-9, last={"event": "about"}, tail="Killed")
DONE = ProcessExit(code=0, last={"event": "done"}, tail="")
SAID: Mapping[str, Any] = {"event": "opened", "number": 0, "told": LOOKED}


@attrs.define
class Worker:
    """A worker that sends these lines for any order, and ends."""

    lines: list[Mapping[str, Any]]
    ending: ProcessExit = DONE
    order: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    @contextlib.asynccontextmanager
    async def for_task(self, _: Task) -> "AsyncGenerator[Worker]":
        yield self

    async def obey(
        self, order: Mapping[str, Any], task: Task, progress: RenderProgress
    ) -> ProcessExit:
        self.order = order
        for line in self.lines:
            progress.hear(line)
        return self.ending


def task(folder: Path, results: Any = 3, missing: str = "") -> Task:
    placed = {
        name: folder / DELIVERED / f"{number}" / name.rpartition("/")[2]
        for number in range(3)
        for name in in_batch(number)
        if name != missing
    }
    return Task(
        job_id="j",
        job_type=CHECK_BATCH,
        payload_ref="x",
        unit=0,
        attempt=1,
        params={"frame": 3, "results": results},
        folder=folder,
        inputs={"s.blend": folder / "in" / "s.blend"},
        threads=1,
        on_progress=lambda share, words: None,
        delivered=placed,
    )


async def opened(worker: Worker, folder: Path) -> Completed | Failed:
    return await CheckBatchPlugin(cast("RenderPlugin", worker)).run(task(folder))


async def test_the_worker_is_told_where_each_result_lies(tmp_path: Path) -> None:
    worker = Worker([SAID])
    missing = in_batch(1)[1]
    await CheckBatchPlugin(cast("RenderPlugin", worker)).run(task(tmp_path, missing=missing))
    assert worker.order["do"] == "batch"
    assert worker.order["frames"] == [3]
    assert worker.order["results"] == [
        {"picture": "0/picture", "evidence": "0/evidence.exr"},
        {"picture": "1/picture"},
        {"picture": "2/picture", "evidence": "2/evidence.exr"},
    ]


async def test_what_was_said_before_the_worker_died_counts(tmp_path: Path) -> None:
    found = await opened(
        Worker([SAID, {**SAID, "number": 1, "told": {"fault": "no"}}], DIED), tmp_path
    )
    assert isinstance(found, Completed)
    assert found.work == {"opened": [LOOKED, {"fault": "no"}, None]}


async def test_a_worker_that_dies_without_a_word_is_the_verifiers_failure(tmp_path: Path) -> None:
    found = await opened(Worker([], DIED), tmp_path)
    assert isinstance(found, Failed)
    assert (found.failure, found.detail) == ("verifier", "Killed")


async def test_pictures_of_one_colour_are_no_failure(tmp_path: Path) -> None:
    """The worker reports on none of them, as only a render could decide."""
    found = await opened(Worker([], DONE), tmp_path)
    assert isinstance(found, Completed), found
    assert found.work == {"opened": [None, None, None]}


async def test_the_scenes_failure_is_told(tmp_path: Path) -> None:
    last = {"event": "failed", "failure": "scene", "error": "it has no camera"}
    found = await opened(Worker([], ProcessExit(code=1, last=last, tail="")), tmp_path)
    assert isinstance(found, Failed)
    assert (found.failure, found.error) == ("verifier", "it has no camera")


@pytest.mark.parametrize(
    "line",
    [
        {**SAID, "number": 3},
        {**SAID, "number": -1},
        {**SAID, "number": "0"},
        {**SAID, "number": True},
        {**SAID, "told": "looked"},
        {**SAID, "event": "progress"},
        {**SAID, "told": {"fault": "it came second"}},
    ],
)
async def test_what_a_scene_prints_beside_the_worker_changes_nothing(
    tmp_path: Path, line: Mapping[str, Any]
) -> None:
    found = await opened(Worker([SAID, line]), tmp_path)
    assert isinstance(found, Completed)
    assert found.work == {"opened": [LOOKED, None, None]}


async def test_words_are_cut_so_that_sixteen_reports_fit_into_a_frame(tmp_path: Path) -> None:
    told = {"fault": "x" * 5000, "more": "y" * 5000}
    found = await opened(Worker([{**SAID, "told": told}]), tmp_path)
    assert isinstance(found, Completed)
    assert found.work["opened"][0] == {"fault": "x" * 300}


@pytest.mark.parametrize("results", [0, 17, True, "3", None, 4])
async def test_an_order_that_names_no_results_is_refused(tmp_path: Path, results: Any) -> None:
    """An order may name the results 1 to 3 only."""
    found = await CheckBatchPlugin(cast("RenderPlugin", Worker([]))).run(task(tmp_path, results))
    assert isinstance(found, Failed)
    assert found.failure == "scene"
