"""The comparison sheet of a check: what the agent takes from its sandbox."""

import contextlib
import os
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import attrs
import pytest

from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import PICTURE, Completed, Task
from rendertrust.node.plugins.check import PNG, CheckPlugin
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.relay_frames import SHEET_BYTES_MAX
from tests.integration.node.scenes import unit

SHOWN: Final = PNG + b"pixels"
DONE: Final = {"event": "done", "crops": [{"equal": True, "off": None}], "whole": True}


@attrs.frozen
class Worker:
    """A worker that leaves ``sheet`` in its folder."""

    sheet: bytes | None
    is_link: bool = False
    found: Any = None
    runtime_seconds_max: float = 9.0

    @contextlib.asynccontextmanager
    async def for_task(self, _: Task) -> "AsyncGenerator[Worker]":
        yield self

    async def obey(self, order: Mapping[str, Any], task: Task, _: object) -> ProcessExit:
        out = task.folder / "out"
        out.mkdir(parents=True)
        if self.sheet is not None and order.get("sheet"):
            (out / "kept").write_bytes(self.sheet)
            (os.symlink if self.is_link else os.rename)(out / "kept", out / "shown.png")
        return ProcessExit(code=0, last=DONE, tail="")


async def checked(folder: Path, worker: Worker, **params: Any) -> Completed:
    (folder / "p").write_bytes(b"picture")
    (folder / "s").write_bytes(b"scene")
    given = {"frame": 1, "draws": [[0.1, 0.1, None]], "whole": True, **params}
    inputs = {"s.blend": folder / "s", PICTURE: folder / "p"}
    task = attrs.evolve(unit(folder / "work", inputs, given), job_type="check")
    found = await CheckPlugin(cast("RenderPlugin", worker)).run(task)
    assert isinstance(found, Completed), found
    assert found.work == {name: DONE[name] for name in ("crops", "whole")}
    return found


async def test_the_sheet_is_copied_to_where_the_sandbox_does_not_write(tmp_path: Path) -> None:
    found = await checked(tmp_path, Worker(SHOWN), sheet=True)
    assert found.file is not None
    assert (found.file.read_bytes(), found.file.parent) == (SHOWN, tmp_path / "work")


@pytest.mark.parametrize(
    "worker",
    [
        Worker(None),
        Worker(b"<html>"),
        Worker(PNG + bytes(SHEET_BYTES_MAX)),
        Worker(SHOWN, is_link=True),
    ],
    ids=["none", "no PNG", "too large", "a link"],
)
async def test_what_is_no_sheet_is_not_taken(worker: Worker, tmp_path: Path) -> None:
    assert (await checked(tmp_path, worker, sheet=True)).file is None


async def test_a_check_that_asks_for_no_sheet_takes_none(tmp_path: Path) -> None:
    assert (await checked(tmp_path, Worker(SHOWN))).file is None
