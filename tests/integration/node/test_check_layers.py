"""Checks of multi-layer OpenEXR pictures, in one part or, as Blender writes by default, in a part
per pass.
"""

import asyncio
from pathlib import Path

import attrs
import pytest

from actors.verifier.report import Report, read_report
from rendertrust.node.plugin import Failed
from tests.integration.node.checks import Files, Stage
from tests.integration.node.resident import Resident
from tests.integration.node.scenes import ARTISTS, build

pytestmark = [pytest.mark.render, pytest.mark.heavy]
LAYERED = """
settings = scene.render.image_settings
settings.media_type, settings.file_format = "MULTI_LAYER_IMAGE", "OPEN_EXR_MULTILAYER"
settings.color_depth = "16"
settings.use_exr_interleave = {together}
"""
PARTS = 0x1000  # flag in the header of a multi-part file
# the same passes, composited differently
BRIGHTER = "\nblur.inputs['Size'].default_value = (9, 9)\n"


@pytest.fixture(scope="module", params=[False, True], ids=["parts", "together"])
def stage(
    resident_blender: Resident,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Stage:
    folder = tmp_path_factory.mktemp("layers")
    render = resident_blender.render(folder / "scratch")
    scene = build(folder / "scene.blend", ARTISTS, LAYERED.format(together=request.param))
    bare = Stage(folder, render, scene, Files(b"", None))
    honest = asyncio.run(bare.delivered("honest", scene))
    assert bool(int.from_bytes(honest.picture[4:8], "little") & PARTS) is not request.param
    return attrs.evolve(bare, honest=honest)


async def test_an_honest_picture_of_layers_is_exact(stage: Stage) -> None:
    told = await stage.told("honest", stage.honest)
    assert not isinstance(told, Failed)
    assert told["finish"] == {"equal": True, "off": None}
    assert await stage.verdict("honest, layers", stage.honest) == "exact"


async def test_a_look_at_a_picture_of_layers_finds_no_fault(stage: Stage) -> None:
    told = await stage.told("look", stage.honest, draws=[])
    assert not isinstance(told, Failed)
    assert told["looked"]
    assert "fault" not in told


async def test_layers_that_were_not_made_of_the_evidence_are_found(
    stage: Stage, tmp_path: Path
) -> None:
    """Every pass is honest, but the composite of the passes is not."""
    change = LAYERED.format(together=not _are_parts(stage.honest.picture))
    scene = build(tmp_path / "lie.blend", ARTISTS, change, BRIGHTER)
    other = await stage.delivered("other", scene)
    lie = attrs.evolve(stage.honest, picture=other.picture)
    told = await stage.told("lie", lie)
    assert not isinstance(told, Failed)
    read = read_report(told)
    assert isinstance(read, Report)
    assert read.is_finished
    assert await stage.verdict("layers composed otherwise", lie) in ("open", "mismatch")


async def test_a_picture_of_other_layers_is_found(stage: Stage, tmp_path: Path) -> None:
    change = LAYERED.format(together=not _are_parts(stage.honest.picture))
    scene = build(tmp_path / "lie.blend", ARTISTS, change, "\nlayer.use_pass_mist = False\n")
    other = await stage.delivered("fewer", scene)
    lie = attrs.evolve(stage.honest, picture=other.picture)
    told = await stage.told("fewer layers", lie)
    assert not isinstance(told, Failed)
    assert "layers" in told["fault"]


async def test_a_picture_of_layers_that_ends_early_is_no_failure_of_the_verifier(
    stage: Stage,
) -> None:
    lie = attrs.evolve(stage.honest, picture=stage.honest.picture[:-4000])
    told = await stage.told("early", lie)
    assert not isinstance(told, Failed)
    assert "fault" in told or not told["finish"]["equal"]


def _are_parts(picture: bytes) -> bool:
    return bool(int.from_bytes(picture[4:8], "little") & PARTS)
