"""Videos made of frames, inspected with another Blender and through the container's own tables."""

import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rendertrust.node.plugin import Completed, Failed
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.plugins.video import VideoPlugin
from tests.integration.node.scenes import build, make, unit

pytestmark = pytest.mark.render

# Play a film, and print its properties and the brightness of each frame.
PLAY = """
import bpy, json, os, sys
film, out = sys.argv[1:]
clip = bpy.data.movieclips.load(film)
scene = bpy.context.scene
editor = scene.sequence_editor_create()
strip = editor.strips.new_movie("film", film, 1, 1)
scene.view_settings.view_transform = "Standard"
scene.render.resolution_x, scene.render.resolution_y = clip.size
scene.render.dither_intensity = 0
brightness = []
for frame in range(1, clip.frame_duration + 1):
    scene.frame_set(frame)
    scene.render.filepath = os.path.join(out, "seen.png")
    bpy.ops.render.render(write_still=True)
    seen = bpy.data.images.load(scene.render.filepath)
    reds = list(seen.pixels)[0::4]
    brightness.append(round(255 * sum(reds) / len(reds)))
    bpy.data.images.remove(seen)
told = {"frames": clip.frame_duration, "fps": clip.fps, "size": list(clip.size)}
with open(os.path.join(out, "told.json"), "w") as file:
    json.dump(told | {"brightness": brightness}, file)
"""
LEVELS = {1: 20, 3: 90, 5: 160, 10: 230}  # brightness by frame, for a job with frames 1-5x2,10


@pytest.fixture
def video(render: RenderPlugin) -> VideoPlugin:
    return VideoPlugin(render=render)


def pictures(folder: Path, size: tuple[int, int] = (64, 36)) -> dict[int, Path]:
    folder.mkdir(exist_ok=True)
    for frame, level in LEVELS.items():
        flat = np.full((size[1], size[0], 3), level, np.uint8)
        Image.fromarray(flat).save(folder / f"{frame:04d}.png")
    return {frame: folder / f"{frame:04d}.png" for frame in LEVELS}


def packed(path: Path, files: dict[int, Path]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for file in files.values():
            made.write(file, file.name)
        made.writestr("0001.noisy.exr", b"of the check, not of the film")
    return path


def played(film: Path, out: Path) -> dict[str, Any]:
    out.mkdir()
    make(PLAY, str(film), str(out))
    told: dict[str, Any] = json.loads((out / "told.json").read_text())
    return told


def boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the boxes of an MP4 file, including nested boxes."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        if size < 8:
            return
        kind, body = name.decode("latin-1"), data[at + 8 : at + size]
        yield kind, body
        if kind in ("moov", "trak", "mdia", "minf", "stbl"):
            yield from boxes(body)
        at += size


async def test_mp4_has_every_frame_once_at_the_right_rate(
    video: VideoPlugin, tmp_path: Path
) -> None:
    zipped = packed(tmp_path / "z.zip", pictures(tmp_path / "p"))
    params = {"fps": 30000, "fps_base": 1001, "container": "MP4"}
    result = await video.run(unit(tmp_path / "unit", {"frames.zip": zipped}, params))
    assert isinstance(result, Completed), result
    assert result.file is not None
    assert result.work["frames"] == 4
    found = dict(boxes(result.file.read_bytes()))
    assert struct.unpack(">I", found["stsz"][8:12])[0] == 4, "the track's number of samples"
    (scale, length) = struct.unpack(">II", found["mdhd"][12:20])
    assert length / scale == pytest.approx(4 * 1001 / 30000, abs=1e-4)
    told = played(result.file, tmp_path / "seen")
    assert told["fps"] == pytest.approx(30000 / 1001, abs=1e-3)
    assert told["size"] == [64, 36]
    assert told["brightness"] == pytest.approx(list(LEVELS.values()), abs=4)


@pytest.mark.heavy
async def test_webm_of_single_frames_at_the_scenes_rate(video: VideoPlugin, tmp_path: Path) -> None:
    scene = build(tmp_path / "s.blend", "\nscene.render.fps = 25\n")
    files = pictures(tmp_path / "p", (67, 37))  # the codec has no odd sizes and leaves out a row
    inputs = {"scene.blend": scene} | {f"f/{path.name}": path for path in files.values()}
    result = await video.run(unit(tmp_path / "unit", inputs, {"container": "WEBM"}))
    assert isinstance(result, Completed), result
    assert result.file is not None
    assert result.file.read_bytes()[:4] == b"\x1a\x45\xdf\xa3"
    told = played(result.file, tmp_path / "seen")
    assert (told["frames"], told["fps"], told["size"]) == (4, 25, [66, 36])
    assert told["brightness"] == pytest.approx(list(LEVELS.values()), abs=4)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("params", "scenes", "rate"),
    [
        ({}, "scene.render.fps, scene.render.fps_base = 24, 1.001", (24000, 1001)),
        pytest.param(
            *({"container": "WEBM", "fps": 30000, "fps_base": 1001}, None, (30000, 1001)),
            marks=pytest.mark.nightly,
        ),
        pytest.param({"fps": 25, "fps_base": 2}, None, (25, 2), marks=pytest.mark.nightly),
    ],
)
async def test_fractional_rate(
    video: VideoPlugin,
    tmp_path: Path,
    params: dict[str, Any],
    scenes: str | None,
    rate: tuple[int, int],
) -> None:
    inputs = {"frames.zip": packed(tmp_path / "z.zip", pictures(tmp_path / "p"))}
    if scenes is not None:
        inputs["scene.blend"] = build(tmp_path / "s.blend", f"\n{scenes}\n")
    result = await video.run(unit(tmp_path / "unit", inputs, params))
    assert isinstance(result, Completed), result
    assert result.file is not None
    told = played(result.file, tmp_path / "seen")
    assert told["fps"] == pytest.approx(rate[0] / rate[1], abs=1e-3)
    if "container" not in params:
        found = dict(boxes(result.file.read_bytes()))
        scale, length = struct.unpack(">II", found["mdhd"][12:20])
        assert length * rate[0] == 4 * rate[1] * scale, "the length is exact to the tick"


LINEAR = """
import bpy, os, sys
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
scene = bpy.context.scene
for frame in (1, 2):
    for kind in (sys.argv[3], "PNG"):
        image = scene.render.image_settings
        image.media_type = "MULTI_LAYER_IMAGE" if kind == "OPEN_EXR_MULTILAYER" else "IMAGE"
        image.file_format = kind
        scene.render.filepath = os.path.join(sys.argv[2], kind, f"{frame:04d}")
        bpy.ops.render.render(write_still=True)
"""


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["OPEN_EXR", "OPEN_EXR_MULTILAYER"])
async def test_linear_frames_get_the_scenes_view_transform(
    video: VideoPlugin, tmp_path: Path, kind: str
) -> None:
    scene = build(tmp_path / "s.blend")
    make(LINEAR, str(scene), str(tmp_path), kind)
    frames = {f"{n:04d}.exr": tmp_path / kind / f"{n:04d}.exr" for n in (1, 2)}
    without = await video.run(unit(tmp_path / "a", frames, {"fps": 24}))
    assert isinstance(without, Failed)
    assert "add the scene to the inputs" in without.error or "needs the scene" in without.error
    result = await video.run(unit(tmp_path / "b", {"s.blend": scene, **frames}, {}))
    assert isinstance(result, Completed), result
    assert result.file is not None
    told = played(result.file, tmp_path / "seen")
    with Image.open(tmp_path / "PNG" / "0001.png") as png:
        expected = np.asarray(png)[..., 0].mean()
    assert told["brightness"][0] == pytest.approx(expected, abs=4)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"container": "GIF", "fps": 24}, "MP4, WEBM"),
        ({"fps": 0}, "fps"),
        ({"fps_base": 1.001}, "needs fps"),
        ({"fps": 24, "fps_base": 0}, "fps_base"),
        ({"fps": 24, "codec": "x"}, "'codec'"),
        ({}, "fps is missing"),
        ({"fps": 24}, "no numbered frames"),
    ],
)
async def test_wrong_order_is_refused(
    video: VideoPlugin, tmp_path: Path, params: dict[str, Any], words: str
) -> None:
    (tmp_path / "picture.png").write_bytes(b"")
    result = await video.run(unit(tmp_path / "u", {"a.png": tmp_path / "picture.png"}, params))
    assert isinstance(result, Failed)
    assert (result.failure, words in result.error) == ("scene", True), result.error


async def test_frames_that_are_no_pictures_are_the_jobs_fault(
    video: VideoPlugin, tmp_path: Path
) -> None:
    (tmp_path / "0001.png").write_bytes(b"no picture")
    result = await video.run(unit(tmp_path / "u", {"0001.png": tmp_path / "0001.png"}, {"fps": 24}))
    assert isinstance(result, Failed)
    assert result.failure == "scene", result
