"""Frames, chunks and tiles rendered by a node, compared with the artist's own renders."""

import io
import itertools
import json
import zipfile
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from PIL import Image

from rendertrust.node import scene_inspection
from rendertrust.node.plugin import Completed, Failed, Result, Task
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.preflight.layout import PATHS, laid_out
from rendertrust.tiling import Tile, grid
from tests.integration.node.scenes import SMALL, build, make, pixels, render_locally, task, unit

pytestmark = pytest.mark.render

FRAMES = (1, 4, 10)
SIZE = (67, 37)
# Read every pass of multi-layer files, and save it as an array.
READ = """
import bpy, numpy, sys
from rendertrust.node.worker.render import passes
kinds = {layer: {"Combined": ("RGBA", "COLOR")} for layer in sys.argv[1].split(",")}
for path in sys.argv[4:]:
    found = passes.read(bpy, path, (int(sys.argv[2]), int(sys.argv[3])), kinds)
    numpy.savez(path + ".npz", **{layer: of["Combined"] for layer, of in found.items()})
"""
# Render the frame without denoising and without the node's worker, with every pass.
NOISY = """
import bpy, sys
path, out, frame = sys.argv[1:]
bpy.ops.wm.open_mainfile(filepath=path)
scene = bpy.context.scene
scene.cycles.use_denoising = False
scene.render.use_compositing = False
scene.render.image_settings.media_type = "MULTI_LAYER_IMAGE"
scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
scene.render.image_settings.color_depth = "32"
scene.frame_set(int(frame))
scene.render.filepath = out
bpy.ops.render.render(write_still=True)
"""


@attrs.frozen
class Artist:
    """A scene, and its frames as the artist's own machine makes them."""

    scene: Path
    frames: dict[int, Path]


@pytest.fixture(scope="module")
def artist(artists: Path, tmp_path_factory: pytest.TempPathFactory) -> Artist:
    return Artist(artists, render_locally(artists, tmp_path_factory.mktemp("artist"), *FRAMES))


def completed(result: Result) -> Completed:
    assert isinstance(result, Completed), result
    return result


def file_of(result: Result) -> Path:
    file = completed(result).file
    assert file is not None
    return file


def keep_previews(order: Task, shown: dict[int | None, bytes]) -> Task:
    """Return the unit with a callback that keeps its previews by frame."""

    def keep(picture: bytes, frame: int | None) -> None:
        shown[frame] = picture

    return attrs.evolve(order, on_preview=keep)


def read(size: tuple[int, int], layers: str, *paths: Path) -> list[dict[str, Any]]:
    """Return the pixels of multi-layer files, by view layer; the first row is the lowest."""
    make(READ, layers, *map(str, size), *map(str, paths))
    return [dict(np.load(f"{path}.npz")) for path in paths]


async def test_a_frame_is_the_one_of_the_artists_own_machine(
    render: RenderPlugin, artist: Artist, tmp_path: Path
) -> None:
    file = file_of(await render.run(task(tmp_path, artist.scene, {"frame": 4})))
    assert np.array_equal(pixels(file), pixels(artist.frames[4]))
    different = pixels(artist.frames[1]) != pixels(artist.frames[4])
    assert different.mean() > 0.1, "frames that are alike would prove nothing"
    with Image.open(file) as image:
        assert not {"Date", "RenderTime", "File"} & image.info.keys()


async def test_a_chunk_is_many_frames_of_one_blender(
    render: RenderPlugin, artist: Artist, tmp_path: Path
) -> None:
    told: list[float] = []
    shown: dict[int | None, bytes] = {}
    order = keep_previews(task(tmp_path, artist.scene, {"frames": [10, 1, 4]}, told), shown)
    result = completed(await render.run(order))
    assert list(shown) == [10, 1, 4]
    with Image.open(io.BytesIO(shown[4])) as small, Image.open(artist.frames[4]) as whole:
        assert (small.format, small.size) == ("JPEG", (17, 9)), "a quarter of 67 by 37"
        seen = whole.convert("RGB").resize(small.size, Image.Resampling.BOX)
        off = np.asarray(small, float) - np.asarray(seen, float)
        assert np.abs(off).mean() < 8, "the preview looks like the picture"
    assert result.work["frames"] == 3
    assert told == sorted(told)
    assert sum(0.3 < share < 0.7 for share in told) > 0, "the progress covers all frames"
    with zipfile.ZipFile(file_of(result)) as packed:
        assert packed.namelist() == ["0010.png", "0001.png", "0004.png"]
        packed.extractall(tmp_path / "frames")
    for frame, path in artist.frames.items():
        mine = pixels(tmp_path / "frames" / f"{frame:04d}.png")
        assert np.array_equal(mine, pixels(path)), frame


@pytest.mark.heavy
async def test_the_noisy_pass_is_the_undenoised_render_bit_by_bit(
    render: RenderPlugin, artist: Artist, tmp_path: Path
) -> None:
    result = await render.run(task(tmp_path / "unit", artist.scene, {"frame": 4, "noisy": True}))
    with zipfile.ZipFile(file_of(result)) as packed:
        assert packed.namelist() == ["0004.png", "0004.noisy.exr"]
        packed.extractall(tmp_path)
    assert np.array_equal(pixels(tmp_path / "0004.png"), pixels(artist.frames[4]))
    whole = tmp_path / "whole.exr"
    make(NOISY, str(artist.scene), str(whole), "4")
    noisy, plain = read(SIZE, "ViewLayer,raw", tmp_path / "0004.noisy.exr", whole)
    assert noisy["ViewLayer"].shape == (37, 67, 4)
    for layer in ("ViewLayer", "raw"):
        assert np.array_equal(noisy[layer], plain[layer]), layer


async def rendered_tiles(
    render: RenderPlugin, scene: Path, folder: Path, tiles: tuple[Tile, ...], frame: int
) -> dict[str, Path]:
    """Render each tile with a separate Blender; return the files as inputs of the merge."""
    inputs: dict[str, Path] = {}
    for number, tile in enumerate(tiles):
        part = unit(
            folder / f"tile{number}", {"s.blend": scene}, {"frame": frame, "tile": tile.members}
        )
        result = completed(await render.run(part))
        assert result.work["tile"] == tile.members
        x, y, width, height = result.work["rendered"]
        assert (width, height) == (result.work["width"], result.work["height"])
        assert (tile.x - x, tile.y - y) == (min(tile.x, 8), min(tile.y, 8)), "the tile's margin"
        inputs[f"tiles/{number}.exr"] = file_of(result)
    return inputs


async def test_tiles_become_the_artists_picture_by_the_finishing_step(
    render: RenderPlugin, artist: Artist, tmp_path: Path
) -> None:
    tiles = grid(*SIZE, 2, 1)
    inputs = await rendered_tiles(render, artist.scene, tmp_path, tiles, 10)
    params = {"frame": 10, "tiles": [tile.members for tile in tiles]}
    finishing = unit(tmp_path / "finish", {"scene.blend": artist.scene, **inputs}, params)
    result = await render.run(finishing)
    assert np.array_equal(pixels(file_of(result)), pixels(artist.frames[10]))
    assert completed(result).work["engine"] == "CYCLES"


@pytest.mark.heavy
async def test_undenoised_tiles_merged_are_the_whole_frame(
    render: RenderPlugin, tmp_path: Path
) -> None:
    """Without denoiser or compositor, every bit of every pixel is equal, even for uneven tiles."""
    scene = build(tmp_path / "s.blend", PLAIN)
    whole = tmp_path / "whole.exr"
    make(NOISY, str(scene), str(whole), "1")
    tiles = (Tile(0, 0, 64, 5), Tile(0, 5, 31, 31), Tile(31, 5, 33, 17), Tile(31, 22, 33, 14))
    inputs = await rendered_tiles(render, scene, tmp_path, tiles, 1)
    params = {"frame": 1, "tiles": [tile.members for tile in tiles]}
    finishing = unit(tmp_path / "finish", {"scene.blend": scene, **inputs}, params)
    mine = file_of(await render.run(finishing))
    merged, plain = read((64, 36), "ViewLayer", mine, whole)
    assert np.array_equal(merged["ViewLayer"], plain["ViewLayer"])


# The note is burnt in at the size and place of the whole frame, with the same text each time.
BURNT_IN = """
render = scene.render
for name in dir(render):
    if name.startswith("use_stamp_"):
        setattr(render, name, name == "use_stamp_note")
render.use_stamp, render.stamp_note_text, render.stamp_font_size = True, "Shot 12", 8
"""
VOLUME = """
scene.cycles.use_adaptive_sampling = scene.cycles.use_denoising = False
tree = scene.world.node_tree
scatter = tree.nodes.new("ShaderNodeVolumeScatter")
scatter.inputs["Density"].default_value = 0.05
tree.links.new(scatter.outputs[0], tree.nodes["World Output"].inputs["Volume"])
"""


@pytest.mark.parametrize("lines", [BURNT_IN, VOLUME])
async def test_tiles_of_what_depends_on_its_surroundings_become_the_frame(
    render: RenderPlugin, tmp_path: Path, lines: str
) -> None:
    scene = build(tmp_path / "scene.blend", lines)
    whole = pixels(file_of(await render.run(task(tmp_path / "whole", scene, {"frame": 1}))))
    tiles = grid(whole.shape[1], whole.shape[0], 2, 1)
    inputs = dict[str, Path]()
    for number, tile in enumerate(tiles):
        order = unit(tmp_path / f"{number}", {"s.blend": scene}, {"frame": 1, "tile": tile.members})
        inputs[f"tiles/{number}.exr"] = file_of(await render.run(order))
    params = {"frame": 1, "tiles": [tile.members for tile in tiles]}
    merged = await render.run(unit(tmp_path / "all", {"s.blend": scene, **inputs}, params))
    assert np.array_equal(pixels(file_of(merged)), whole)


# Sampling stops early in places, so pixels beyond a tile's edge would matter.
PLAIN = """
scene.cycles.use_denoising = False
scene.cycles.samples, scene.cycles.adaptive_threshold = 64, 0.05
scene.cycles.adaptive_min_samples = 4
bpy.ops.mesh.primitive_monkey_add(location=(2, 0, 0))
bpy.data.lights[0].shadow_soft_size = 2
scene.render.image_settings.media_type = "MULTI_LAYER_IMAGE"
scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
scene.render.image_settings.color_depth = "32"
"""
GUIDED = "\nscene.cycles.use_guiding = True\n"


@pytest.mark.heavy
async def test_a_scene_that_cannot_be_cut_says_why(render: RenderPlugin, tmp_path: Path) -> None:
    scene = build(tmp_path / "s.blend", GUIDED)
    result = await render.run(task(tmp_path, scene, {"tile": [0, 0, 32, 36]}))
    assert isinstance(result, Failed)
    assert result.failure == "scene"
    assert "Path Guiding" in result.error


@pytest.mark.heavy
async def test_wrong_tiles_are_the_orders_fault(
    render: RenderPlugin, artist: Artist, tmp_path: Path
) -> None:
    outside = task(tmp_path / "a", artist.scene, {"tile": [60, 0, 8, 37]})
    inputs = await rendered_tiles(render, artist.scene, tmp_path, (Tile(0, 0, 67, 20),), 1)
    params = {"frame": 1, "tiles": [[0, 0, 67, 20]]}
    gap = unit(tmp_path / "b", {"scene.blend": artist.scene, **inputs}, params)
    for order, words in ((outside, "outside the frame"), (gap, "do not cover")):
        result = await render.run(order)
        assert isinstance(result, Failed)
        assert (result.failure, words in result.error) == ("scene", True), result


LINEAR = """
scene.render.image_settings.file_format = "OPEN_EXR"
scene.render.resolution_x, scene.render.resolution_y = 320, 180
scene.cycles.samples = 1
"""


@pytest.mark.heavy
async def test_a_linear_picture_is_shown_small_and_as_it_is_seen(
    render: RenderPlugin, tmp_path: Path
) -> None:
    shown: dict[int | None, bytes] = {}
    order = keep_previews(task(tmp_path, build(tmp_path / "s.blend", LINEAR), {"frame": 3}), shown)
    assert file_of(await render.run(order)).suffix == ".exr"
    with Image.open(io.BytesIO(shown[3])) as small:
        assert (small.format, small.size) == ("JPEG", (80, 45))
        # AgX shows Blender's grey world of 0.05 much lighter than 0.05 * 255.
        assert 40 < np.asarray(small)[0, 0].mean() < 90


STAMPED = """
scene.render.use_stamp = True
scene.render.use_stamp_note, scene.render.stamp_note_text = True, "shot 7"
scene.cycles.time_limit = 0.001
scene.render.resolution_x, scene.render.resolution_y = 128, 72
"""


@pytest.mark.heavy
async def test_two_renders_are_one_picture_though_stamped_with_time(
    render: RenderPlugin, tmp_path: Path
) -> None:
    scene = build(tmp_path / "s.blend", STAMPED)
    pictures = [
        pixels(file_of(await render.run(task(tmp_path / name, scene, {}))))
        for name in ("one", "two")
    ]
    assert all(np.array_equal(a, b) for a, b in itertools.pairwise(pictures))
    bare = build(tmp_path / "bare.blend", STAMPED, "\nscene.render.use_stamp = False\n")
    plain = pixels(file_of(await render.run(task(tmp_path / "bare", bare, {}))))
    assert not np.array_equal(plain, pictures[0]), "what the artist stamps into the picture is kept"


# One texture has an absolute path; a linked library uses a texture beside its own file.
MOVED = """
import os
folder = sys.argv[-1].rpartition("/artist/")[0]
def picture(path, red):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    made = bpy.data.images.new("made", 4, 4)
    made.pixels = [red, 1 - red, 0.2, 1] * 16
    made.filepath_raw, made.file_format = path, "PNG"
    made.save()
    bpy.data.images.remove(made)
def textured(path):
    nodes = bpy.data.materials["Material"].node_tree
    node = nodes.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.new("texture", 4, 4)
    node.image.source, node.image.filepath = "FILE", path
    nodes.links.new(node.outputs[0], nodes.nodes["Principled BSDF"].inputs[0])
picture(folder + "/far/wood.png", 0.9)
picture(folder + "/lib/tex/wood.png", 0.1)
bpy.data.objects["Cube"].name = "Chair"
bpy.data.objects["Chair"].location[0] = 2.5
textured("//tex/wood.png")
bpy.ops.wm.save_as_mainfile(filepath=folder + "/lib/chair.blend", relative_remap=False)
bpy.ops.wm.read_factory_settings()
scene = bpy.context.scene
scene.render.engine, scene.cycles.samples = "CYCLES", 8
scene.render.resolution_x, scene.render.resolution_y = 64, 36
textured(folder + "/far/wood.png")
with bpy.data.libraries.load(folder + "/lib/chair.blend", link=True) as (have, take):
    take.objects = ["Chair"]
scene.collection.objects.link(take.objects[0])
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1], relative_remap=False)
"""


async def test_files_from_elsewhere_are_found_among_the_inputs(
    render: RenderPlugin, tmp_path: Path
) -> None:
    # so deep that no relative path is valid elsewhere
    artists = tmp_path / "artist" / "so" / "far" / "down"
    artists.mkdir(parents=True)
    scene = artists / "s.blend"
    make(SMALL + MOVED, str(scene))
    expected = render_locally(scene, tmp_path / "out", 1)[1]
    facts = await scene_inspection.look(scene)
    assert isinstance(facts, dict), facts
    layout = laid_out(scene, facts["files"])
    assert layout.missing == ()
    paths = tmp_path / PATHS
    paths.write_text(json.dumps(dict(layout.paths)))
    inputs = {layout.scene: scene, PATHS: paths}
    inputs |= {file.path: Path(file.source) for file in layout.files}
    assert sorted(inputs) == sorted(
        [layout.scene, PATHS, "linked/0/wood.png", "linked/1/chair.blend", "linked/1/tex/wood.png"]
    )
    result = await render.run(unit(tmp_path / "u", inputs, {"scene": layout.scene, "frame": 1}))
    assert completed(result).work["warnings"] == []
    assert np.array_equal(pixels(file_of(result)), pixels(expected))
