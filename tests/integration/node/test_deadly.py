"""Hostile files that make a verifier hang or crash other than by their size."""

import asyncio
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from PIL import Image

from rendertrust.node.blender import WORKER, Blender
from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import Failed, Task
from rendertrust.node.plugins.render import RenderPlugin, RenderProgress
from rendertrust.node.worker.checks.open_watchdog import OPEN_SECONDS
from rendertrust.node.worker.scene.output import SUFFIXES
from tests.integration.node.checks import DRAWS, Files, Stage
from tests.integration.node.resident import Resident
from tests.integration.node.scenes import build, unit

pytestmark = [pytest.mark.render, pytest.mark.heavy]
SIZE = 640, 360
JPEG = f"""
scene.render.resolution_x, scene.render.resolution_y = {SIZE}
scene.cycles.samples = 2
scene.render.image_settings.file_format = 'JPEG'
"""
SCANS = 1_500_000


def slow_jpeg() -> bytes:
    """Return a JPEG of the frame's size with endless scans that change nothing but cost time."""
    made = io.BytesIO()
    Image.new("L", SIZE, 90).save(made, "JPEG", progressive=True)
    whole = made.getvalue()
    codes = b"\xff\xc4\x00\x14\x10\x01" + bytes(15) + b"\xe0"  # a scan of 16,384 empty blocks
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" + b"\x00\x01"
    return whole[:-2] + codes + scan * SCANS + whole[-2:]


SLOW = "\nscene.cycles.samples, scene.cycles.use_adaptive_sampling = 1_000_000, False\n"


@pytest.fixture(scope="module")
def stage(
    resident_blender: Resident,
    found_blender: Blender,
    tmp_path_factory: pytest.TempPathFactory,
) -> Stage:
    """Return a stage that renders with the resident Blender, and checks with processes that may
    crash.
    """
    folder = tmp_path_factory.mktemp("deadly")
    render = resident_blender.render(folder / "scratch")
    bare = Stage(folder, render, build(folder / "s.blend", JPEG), Files(b"", None))
    honest = asyncio.run(bare.delivered("honest", bare.scene))
    checks = RenderPlugin(scratch=folder / "scratch", found=found_blender)
    return attrs.evolve(bare, render=checks, honest=honest)


async def told(stage: Stage, name: str, files: Files, seconds: float, **params: Any) -> Any:
    found = await attrs.evolve(stage, open_seconds=seconds).told(name, files, **params)
    assert not isinstance(found, Failed), found
    return found


@pytest.mark.parametrize(
    ("draws", "name"), [(DRAWS, "fault"), pytest.param([], "suspect", marks=pytest.mark.nightly)]
)
async def test_a_picture_that_is_never_read_is_found(
    stage: Stage, draws: list[Any], name: str
) -> None:
    lie = attrs.evolve(stage.honest, picture=slow_jpeg())
    found = await told(stage, f"slow-{len(draws)}", lie, 1.0, draws=draws)
    assert name in found, found
    assert found[name].startswith("every program that opens the picture crashes or hangs")


async def test_an_honest_file_of_which_a_checker_dies_is_no_fault(stage: Stage) -> None:
    """After a crash, the verifier opens the file again without the scene; a file that opens is not
    to blame.
    """
    looked = await told(stage, "looked", stage.honest, 1e-6, draws=[])
    assert looked["looked"] is True
    assert not {"fault", "suspect"} & {*looked}
    assert looked["seen"]
    dies = attrs.evolve(stage, open_seconds=1e-6)
    found = await dies.told("honest", stage.honest)
    assert isinstance(found, Failed)
    assert (found.failure, "opens without its scene" in found.error) == ("verifier", True)
    assert found.unread == "check/picture", "three such checks refuse the result without a strike"


@attrs.define
class CrashingChecks(RenderPlugin):
    """Renders, but dies in each check while no delivered file is open."""

    async def obey(
        self, order: Mapping[str, Any], task: Task, progress: RenderProgress
    ) -> ProcessExit:
        if order["do"] in ("check", "check_unit"):
            return ProcessExit(code=-11, last={}, tail="")
        return await super().obey(order, task, progress)


@pytest.mark.parametrize(
    "params", [{}, {"frame": None, "frames": [3, 4], "draws": [], "shown": [0.5]}]
)
async def test_delivered_files_are_to_blame_for_a_crash_if_the_scene_renders_without_them(
    stage: Stage, params: dict[str, Any]
) -> None:
    found = stage.render.found
    dies = attrs.evolve(stage, render=CrashingChecks(scratch=stage.folder / "x", found=found))
    failed = await dies.told(f"dies-{len(params)}", stage.honest, **params)
    assert isinstance(failed, Failed)
    assert (failed.failure, failed.unread) == ("verifier", "check/picture")
    assert failed.error == "Blender was killed by SIGSEGV"


async def test_a_scene_that_takes_longer_than_its_check_may_is_to_blame_itself(
    stage: Stage, tmp_path: Path
) -> None:
    """The limit leaves time to start Blender and to open the delivered files on a busy machine."""
    slow = attrs.evolve(stage, scene=build(tmp_path / "slow.blend", JPEG + SLOW))
    found = await slow.told("late", stage.honest, seconds=10.0)
    assert isinstance(found, Failed)
    assert found.failure == "scene"


@pytest.mark.parametrize("suffix", [*sorted({*SUFFIXES.values()}), ".avif", ""])
async def test_of_each_kind_there_is_one_of_ours_to_be_opened_before(
    render: RenderPlugin, tmp_path: Path, suffix: str
) -> None:
    """The verifier blames a file only after it opened a test file of the same type, so it needs a
    test file of every type.
    """
    made = tmp_path / f"made{suffix}"
    Image.new("RGB", SIZE, 90).save(made, "PNG")
    task = unit(tmp_path / "alone", {f"shown{suffix}": made}, {})
    assert render.found is not None
    view = render.found.box.view(task.folder, WORKER)
    order = {"do": "alone", "what": "picture", "size": SIZE, "open_seconds": OPEN_SECONDS}
    theirs = f"{view.inputs}/shown{suffix}"
    ending = await render.obey({**order, "theirs": theirs}, task, RenderProgress(task=task))
    assert ending.last.get("opened") is True, ending.last
