"""Encoding of numbered pictures to a video with Blender's ffmpeg."""

import os
import time
from typing import Any

from ..ipc import MachineError, Say, SceneError, one_line
from ..scene.loader import opened
from ..scene.output import set_format

# Container, codec and suffix. Browsers play both kinds.
KINDS = {"MP4": ("MPEG4", "H264", ".mp4"), "WEBM": ("WEBM", "WEBM", ".webm")}

FPS_MAX = 32_767
EXR = b"\x76\x2f\x31\x01"  # magic number of OpenEXR


def encode(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Encode ``pictures`` (paths, in order) to a video, and report the video's file.

    The rate is ``fps`` / ``fps_base`` frames a second; the default is the rate of the scene. Linear
    pictures need a ``scene``, whose view transform is applied.
    """
    scene = played(bpy, order)
    path = os.path.join(order["out"], "video" + KINDS[order["container"]][2])
    write(bpy, scene, order["container"], path, say)
    say("done", **_facts(scene, path, len(order["pictures"])))


def write(bpy: Any, scene: Any, container: str, path: str, say: Say) -> None:
    """Encode a scene that plays pictures to a video at ``path``."""
    _choose(scene.render, *KINDS[container][:2])
    _run(bpy, scene, path, say)


def played(bpy: Any, order: dict[str, Any]) -> Any:
    """Return a scene that plays the order's pictures, one per frame from frame 1.

    The scene has the rate and size of the video.
    """
    artist = opened(bpy, order) if "scene" in order else None
    width, height, is_linear = _look_at(bpy, order["pictures"][0])
    if is_linear and artist is None:
        raise SceneError(
            "OpenEXR frames also need the view transform of the scene; add the scene to the inputs"
        )
    scene = studio(bpy, artist if is_linear else None)
    rate = artist.render if artist is not None else scene.render
    base = order.get("fps_base") or (1.0 if "fps" in order else rate.fps_base)
    scene.render.fps, scene.render.fps_base = exact(order.get("fps") or rate.fps, base)
    # The codec subsamples colours by two, so width and height must be even.
    scene.render.resolution_x, scene.render.resolution_y = width - width % 2, height - height % 2
    _lay(scene, order["pictures"])
    return scene


def exact(fps: int, base: float) -> tuple[int, float]:
    """Return a broadcast rate in whole numbers, because Blender stores 1.001 as 1.00100004673."""
    if abs(base - 1.001) < 1e-6 and fps * 1000 <= FPS_MAX:
        return fps * 1000, 1001.0
    return fps, base


def _look_at(bpy: Any, path: str) -> tuple[int, int, bool]:
    try:
        image = bpy.data.images.load(path)
    except RuntimeError as fault:
        raise SceneError(f"the first frame cannot be read: {one_line(fault)}") from fault
    (width, height), is_linear = image.size, bool(image.is_float)
    if width == 0 and _is_exr(path):  # the size of a multi-layer file is not known yet
        (width, height), is_linear = _size_in_layers(bpy, path), True
    if min(width, height) < 2:
        raise SceneError("the frames are not pictures, or smaller than 2 x 2 pixels")
    return width, height, is_linear


def _is_exr(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(len(EXR)) == EXR


def _size_in_layers(bpy: Any, path: str) -> tuple[int, int]:
    """Return the size of a multi-layer file from the sequencer, which reads the combined pass."""
    scene = bpy.data.scenes.new("RenderTrust size")
    strip = scene.sequence_editor_create().strips.new_image("size", path, 1, 1)
    size = strip.elements[0].orig_width, strip.elements[0].orig_height
    bpy.data.scenes.remove(scene)
    return size


def studio(bpy: Any, artist: Any) -> Any:
    """Create a scene that shows pictures unchanged, or with the artist's view transform."""
    scene = bpy.data.scenes.new("RenderTrust video")
    view = scene.view_settings
    view.view_transform, view.look = "Standard", "None"
    if artist is not None:
        scene.display_settings.display_device = artist.display_settings.display_device
        for name in ("view_transform", "look", "exposure", "gamma", "use_curve_mapping"):
            setattr(view, name, getattr(artist.view_settings, name))
    scene.sequencer_colorspace_settings.name = "sRGB" if artist is None else "Linear Rec.709"
    scene.render.resolution_percentage = 100
    scene.render.dither_intensity = 0.0
    scene.render.use_sequencer, scene.render.use_compositing = True, False
    return scene


def _lay(scene: Any, pictures: list[str]) -> None:
    """Add a strip with the pictures; each frame shows one picture, unscaled."""
    editor = scene.sequence_editor_create()
    first, *rest = pictures
    strip = editor.strips.new_image("frames", first, 1, 1, fit_method="ORIGINAL")
    for path in rest:
        if os.path.dirname(path) != os.path.dirname(first):
            raise SceneError("the frames of a video must be in one folder")
        strip.elements.append(os.path.basename(path))
    strip.frame_final_duration = len(pictures)
    strip.transform.filter = "NEAREST"
    scene.frame_start, scene.frame_end, scene.frame_step = 1, len(pictures), 1


def _choose(render: Any, container: str, codec: str) -> None:
    set_format(render.image_settings, "VIDEO", "FFMPEG")
    video = render.ffmpeg
    video.format, video.codec = container, codec
    video.constant_rate_factor = "HIGH"
    video.ffmpeg_preset = "GOOD"
    video.audio_codec = "NONE"
    video.gopsize = max(round(render.fps / render.fps_base), 1)


def _run(bpy: Any, scene: Any, path: str, say: Say) -> None:
    def written(*_: Any) -> None:
        done = scene.frame_current / scene.frame_end
        say("progress", progress=round(min(done, 1.0), 4), remaining=None, detail="encoding")

    bpy.app.handlers.render_write.append(written)
    scene.render.use_file_extension, scene.render.filepath = False, path
    try:
        bpy.ops.render.render(animation=True, scene=scene.name)
    except RuntimeError as fault:
        raise MachineError(f"the video was not written: {one_line(fault)}") from fault
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        raise MachineError("Blender wrote no video; the disk may be full")


def _facts(scene: Any, path: str, frames: int) -> dict[str, Any]:
    render = scene.render
    return {
        "file": os.path.basename(path),
        "frames": frames,
        "width": render.resolution_x,
        "height": render.resolution_y,
        "fps": round(render.fps / render.fps_base, 4),
        "seconds": round(time.process_time(), 3),
    }
