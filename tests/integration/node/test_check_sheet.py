"""Comparison sheets of checks of the whole frame, drawn by Blender in the sandbox."""

import asyncio
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from PIL import Image

from rendertrust.node.plugin import Failed
from rendertrust.node.worker.checks.comparison_sheet import BAD, GOOD
from tests.integration.node.checks import Files, Stage
from tests.integration.node.resident import Resident
from tests.integration.node.scenes import ARTISTS, build

pytestmark = [pytest.mark.render, pytest.mark.heavy]
FEWER = "\nscene.cycles.samples = 2\n"
GUIDED = "\nscene.cycles.use_guiding = True\n"
MULTI = """
scene.render.image_settings.media_type = "MULTI_LAYER_IMAGE"
scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
"""
SINGLE = "\nscene.render.image_settings.file_format = 'OPEN_EXR'\n"
DRAWS = [[0.1, 0.2, None], [0.9, 0.9, None]]


@pytest.fixture(scope="module")
def stage(
    resident_blender: Resident, artists: Path, tmp_path_factory: pytest.TempPathFactory
) -> Stage:
    folder = tmp_path_factory.mktemp("sheet")
    bare = Stage(folder, resident_blender.render(folder / "scratch"), artists, Files(b"", None))
    return attrs.evolve(bare, honest=asyncio.run(bare.delivered("honest", artists)))


async def sheet_of(
    stage: Stage, name: str, files: Files, sheet: bool | str = True
) -> tuple[Any, Any]:
    """Return the report of a frame's check, and the pixels of its sheet."""
    told = await stage.told(name, files, whole=True, sheet=sheet, draws=DRAWS)
    assert not isinstance(told, Failed), told
    with Image.open(stage.sheet(name)) as image:
        return told, np.asarray(image)


def has(picture: Any, colour: tuple[int, int, int]) -> bool:
    return bool((picture == np.array(colour, np.uint8)).all(axis=2).any())


async def test_the_sheet_of_an_honest_frame_shows_no_difference(stage: Stage) -> None:
    told, picture = await sheet_of(stage, "same", stage.honest)
    assert all(one["equal"] for one in told["crops"])
    assert (has(picture, GOOD), has(picture, BAD)) == (True, False)
    told = await stage.told("quiet", stage.honest, whole=True, sheet="different", draws=DRAWS)
    assert not isinstance(told, Failed), told
    assert not stage.sheet("quiet").exists(), "nothing differs"


async def test_the_sheet_of_a_false_frame_shows_where_it_differs(
    stage: Stage, tmp_path: Path
) -> None:
    """The sheet does not change the report, which ends before the picture is finished."""
    lie = await stage.delivered("fewer", build(tmp_path / "l.blend", ARTISTS, FEWER))
    told, picture = await sheet_of(stage, "lie", lie, "different")
    without = await stage.told("bare", lie, whole=True, draws=DRAWS)
    assert not isinstance(without, Failed), without
    assert (has(picture, BAD), not stage.sheet("bare").exists()) == (True, True)
    for report in (told, without):
        assert "finish" not in report
        assert not all(one["equal"] for one in report["crops"])


async def test_a_picture_that_cannot_be_shown_leaves_the_report_as_it_is(
    stage: Stage, tmp_path: Path
) -> None:
    lie = await stage.delivered("lie", build(tmp_path / "l.blend", ARTISTS, FEWER))
    told = await stage.told("cut", Files(lie.picture[:100], lie.evidence), whole=True, sheet=True)
    assert not isinstance(told, Failed), told
    assert (told["whole"], stage.sheet("cut").exists()) == (True, False)


async def test_a_scene_without_comparable_regions_has_a_sheet_too(
    stage: Stage, tmp_path: Path
) -> None:
    scene = build(tmp_path / "g.blend", ARTISTS, GUIDED)
    guided = attrs.evolve(stage, scene=scene)
    told, picture = await sheet_of(guided, "guided", await guided.made("made", scene))
    assert (told["whole"], picture.ndim) == (True, 3)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(MULTI, SINGLE), (SINGLE, MULTI)], ids=["of one layer", "of several"]
)
async def test_a_picture_of_other_layers_leaves_the_report_as_it_is(
    stage: Stage, tmp_path: Path, ours: str, theirs: str
) -> None:
    layered = attrs.evolve(stage, folder=tmp_path, scene=build(tmp_path / "s.blend", ARTISTS, ours))
    lie = await layered.delivered("lie", build(tmp_path / "l.blend", ARTISTS, theirs + FEWER))
    told = await layered.told("other", lie, whole=True, sheet=True)
    assert not isinstance(told, Failed), told
    assert (told["whole"], layered.sheet("other").exists()) == (True, False)
    assert not all(one["equal"] for one in told["crops"])
