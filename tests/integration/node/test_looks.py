"""Quick looks at results that are not compared with their scene: are they frames, or a tile, at
all?
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from PIL import Image

from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.check import PICTURE, CheckPlugin
from rendertrust.node.plugins.render import RenderPlugin
from tests.integration.node.scenes import build, unit
from tests.integration.node.test_check_uncut import COMPOSED, TIMED
from tests.unit.proof.receipts import animated

pytestmark = [pytest.mark.render, pytest.mark.heavy]
FRAMES = [3, 4]
LOOKED = {"looked": True}
PLAIN_SCENE = """
bpy.data.objects.remove(bpy.data.objects["Cube"])
"""


def png(size: tuple[int, int] = (64, 36)) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size).save(written, "PNG")
    return written.getvalue()


def packed(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return written.getvalue()


NOISE = Image.effect_noise((64, 36), 60)


def noise() -> bytes:
    written = io.BytesIO()
    NOISE.save(written, "PNG")
    return written.getvalue()


@attrs.frozen
class Stage:
    """A scene, and the plugin that renders it and looks at results."""

    folder: Path
    render: RenderPlugin
    scene: Path

    async def delivered(self, **params: Any) -> bytes:
        result = await self.render.run(unit(self.folder / "made", {"s.blend": self.scene}, params))
        assert isinstance(result, Completed), result
        assert result.file is not None
        return result.file.read_bytes()

    async def told(self, name: str, picture: bytes, **params: Any) -> Any:
        path = self.folder / f"{name}.bin"
        path.write_bytes(picture)
        given = {"draws": [], **params}
        task = unit(self.folder / name, {"s.blend": self.scene, PICTURE: path}, given)
        found = await CheckPlugin(self.render).run(attrs.evolve(task, job_type="check"))
        if isinstance(found, Failed):
            return found
        told = found.work
        return {
            of: told[of] for of in ("looked", "suspect", "fault", "unable", "loose") if of in told
        }


@pytest.fixture
def stage(render: RenderPlugin, small: Path, tmp_path: Path) -> Stage:
    return Stage(tmp_path, render, small)


async def test_a_chunk_is_frames(stage: Stage) -> None:
    honest = await stage.delivered(frames=FRAMES)
    assert await stage.told("honest", honest, frames=FRAMES) == LOOKED
    lies = {
        "text": (b"I am not a picture", "the zip of frames cannot be read"),
        "one": (packed({"0003.png": noise()}), "0004.png is missing (1 of 2 frames)"),
        "small": (
            packed({"0003.png": noise(), "0004.png": png((32, 18))}),
            "the picture is 32 by 18, not 64 by 36",
        ),
    }
    for name, (lie, fault) in lies.items():
        assert await stage.told(name, lie, frames=FRAMES) == {"fault": fault}
    played = packed({"0003.png": noise(), "0004.png": animated(noise())})
    fault = "the picture is invalid: the file has a chunk (acTL) that Blender does not write"
    assert await stage.told("played", played, frames=FRAMES) == {"fault": fault}
    for name in ("00003.png", "0003.jpg", "setup.exe"):
        more = {"0003.png": noise(), "0004.png": noise(), name: noise()}
        fault = "the zip has files that are not frames of the chunk"
        assert await stage.told(name, packed(more), frames=FRAMES) == {"fault": fault}
    torn = await stage.told("torn", packed({"0003.png": b"x", "0004.png": b"y"}), frames=FRAMES)
    assert torn["fault"].startswith("the picture is invalid: ")
    cut = packed({"0003.png": noise(), "0004.png": noise()[:-60]})
    suspect = await stage.told("cut", cut, frames=FRAMES)
    assert suspect == {**LOOKED, "suspect": "the picture cannot be decoded"}


async def test_a_chunk_of_one_colour_is_suspect_where_the_scene_is_not(
    stage: Stage, tmp_path: Path
) -> None:
    black = packed({"0003.png": png(), "0004.png": png()})
    told = await stage.told("black", black, frames=FRAMES)
    assert told == {
        "looked": True,
        "suspect": "all frames have one colour, but the scene does not",
    }
    half = packed({"0003.png": noise(), "0004.png": png()})
    assert await stage.told("half", half, frames=FRAMES) == LOOKED  # a video may cut to black
    empty = attrs.evolve(stage, scene=build(tmp_path / "empty.blend", PLAIN_SCENE))
    assert await empty.told("empty", black, frames=FRAMES) == LOOKED


async def test_so_it_is_where_a_compositor_makes_the_picture(stage: Stage, tmp_path: Path) -> None:
    """A black chunk is suspect although the compositor might make it black; the comparison
    decides.
    """
    composed = attrs.evolve(stage, scene=build(tmp_path / "composed.blend", COMPOSED))
    black = packed({"0003.png": png(), "0004.png": png()})
    told = await composed.told("composed", black, frames=FRAMES)
    assert told["suspect"] == "all frames have one colour, but the scene does not"


async def test_a_chunk_of_which_honest_frames_may_differ_says_so(
    stage: Stage, tmp_path: Path
) -> None:
    chunk = packed({"0003.png": noise(), "0004.png": noise()})
    timed = attrs.evolve(stage, scene=build(tmp_path / "timed.blend", TIMED))
    assert await timed.told("timed", chunk, frames=FRAMES) == {**LOOKED, "loose": True}


SECOND = "\nother = bpy.data.scenes.new('storyboard')\nother.render.engine = 'BLENDER_EEVEE'\n"
BEHIND = SECOND + "scene.background_set = other\n"


@pytest.mark.parametrize(("change", "more"), [(SECOND, {}), (BEHIND, {"loose": True})])
async def test_only_a_scene_that_the_frame_may_show_makes_honest_frames_differ(
    stage: Stage, tmp_path: Path, change: str, more: dict[str, bool]
) -> None:
    chunk = packed({"0003.png": noise(), "0004.png": noise()})
    of = attrs.evolve(stage, scene=build(tmp_path / "s.blend", change))
    assert await of.told("looked", chunk, frames=FRAMES) == {**LOOKED, **more}


async def test_a_tile_and_what_is_made_of_tiles(stage: Stage) -> None:
    tile = await stage.delivered(frame=3, tile=[0, 0, 32, 36])
    assert await stage.told("tile", tile, frame=3, tile=[0, 0, 32, 36]) == LOOKED
    wrong = await stage.told("wrong", tile, frame=3, tile=[0, 0, 16, 36])
    assert wrong["fault"].startswith("the tile is ")
    none = await stage.told("none", b"no tile", frame=3, tile=[0, 0, 32, 36])
    assert none == {"fault": "the tile cannot be read: the file is not an OpenEXR file"}
    tiles = [[0, 0, 32, 36], [32, 0, 32, 36]]
    assert await stage.told("merged", noise(), frame=3, tiles=tiles) == LOOKED
    text = await stage.told("unmerged", b"no picture", frame=3, tiles=tiles)
    assert text["fault"].startswith("the picture is invalid: ")
    assert "suspect" in await stage.told("dark", png(), frame=3, tiles=tiles)


UNNAMED = """
curve = bpy.data.objects["Cube"].driver_add("rotation_euler", 2)
variable = curve.driver.variables.new()
variable.targets[0].id_type, variable.targets[0].id = "SCENE", scene
variable.targets[0].data_path = '["no text"].render.threads'
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1] + ".plain", compress=False)
"""


@pytest.mark.parametrize("shown", [[], [0.9]])
async def test_a_name_that_is_no_text_does_not_end_a_check(
    stage: Stage, tmp_path: Path, shown: list[float]
) -> None:
    """Results are free if their checks fail, so a creator could get all chunks for nothing."""
    scene = build(tmp_path / "unnamed.blend", UNNAMED)
    plain = Path(f"{scene}.plain").read_bytes()
    scene.write_bytes(plain.replace(b"no text", b"no tex\xff"))
    unnamed = attrs.evolve(stage, scene=scene)
    honest = await unnamed.delivered(frames=FRAMES)
    told = await unnamed.told("unnamed", honest, frames=FRAMES, shown=shown)
    assert not isinstance(told, Failed), told
    assert told["loose"]
