"""Render passes as arrays: read from and written to multi-layer files, denoised, fed to a scene.

Blender gives Python access to passes only inside a Blender render engine. The render engine of this
module renders nothing, but copies passes from a file or from arrays. An array is (height, width,
channels) of float32, the lowest row first, as in Blender.
"""

import os
from typing import Any

import numpy as np

from ..formats.bounds import NoPixels
from ..formats.exr import channels_of
from ..ipc import MachineError, one_line
from ..scene.output import set_format
from ..scene.settings import FLEETING_STAMPS

Array = Any
Layers = dict[str, dict[str, Array]]  # layer -> pass -> array
ENGINE = "RENDERTRUST_PASSES"
STANDARD = {
    "Combined": ("RGBA", "COLOR"),
    "Noisy Image": ("RGBA", "COLOR"),
    "Denoising Albedo": ("RGB", "COLOR"),
    "Denoising Specular Albedo": ("RGB", "COLOR"),
    "Denoising Normal": ("XYZ", "VECTOR"),
    "Denoising Roughness": ("X", "VALUE"),
    "Denoising Depth": ("Z", "VALUE"),
    "Vector": ("XYZW", "VECTOR"),
}
Kinds = dict[str, dict[str, tuple[str, str]]]  # layer -> pass -> (channels, kind)
# Limits below those of ``formats.exr``, which refuses more channels, parts or attributes.
LAYERS_MOST, PASSES_MOST, CHANNELS_MOST = 40, 240, 480
CHANNEL_KINDS = {"RGBA": "COLOR", "RGB": "COLOR", "XYZ": "VECTOR", "XYZW": "VECTOR"}
SEEN_BY_DENOISER = tuple(name for name in STANDARD if name not in ("Combined", "Vector"))


class EngineWork:
    """Input and output of the render engine; inputs are stored by the name of the scene."""

    def __init__(self) -> None:
        self.kinds: dict[str, Kinds] = {}
        self.given: dict[str, Layers] = {}
        self.path: dict[str, str] = {}
        self.stamps: dict[str, dict[str, str]] = {}
        self.read: Layers = {}


WORK = EngineWork()


def kinds_of(scene: Any) -> Kinds:
    """Return the passes that Cycles renders, for each enabled view layer."""
    from cycles.engine import (  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
        list_render_passes,  # pyright: ignore[reportUnknownVariableType]
    )

    return {
        layer.name: {
            name: (channels, kind) for name, channels, kind in list_render_passes(scene, layer)
        }
        for layer in scene.view_layers
        if layer.use
    }


def too_many(kinds: Kinds) -> str | None:
    """Return why a file of these passes could not be checked; None if it could."""
    count, channels = sum(map(len, kinds.values())), channels_in(kinds)
    if len(kinds) <= LAYERS_MOST and count <= PASSES_MOST and channels <= CHANNELS_MOST:
        return None
    return (
        f"its {len(kinds)} view layers have {count} passes with {channels} channels; at most "
        f"{LAYERS_MOST} layers, {PASSES_MOST} passes and {CHANNELS_MOST} channels can be checked"
    )


def register(bpy: Any) -> None:
    """Register the render engine with Blender, once."""
    if hasattr(bpy.types, ENGINE):
        return

    class Engine(bpy.types.RenderEngine):  # type: ignore[misc]
        bl_idname = ENGINE
        bl_label = "Passes"

        def update_render_passes(self, scene: Any = None, renderlayer: Any = None) -> None:
            wanted = WORK.kinds.get(scene.name, {}).get(renderlayer.name, {})
            for name, (channels, kind) in wanted.items():
                self.register_pass(scene, renderlayer, name, len(channels), channels, kind)

        def render(self, depsgraph: Any) -> None:
            copy(self, depsgraph.scene)

    bpy.utils.register_class(Engine)
    bpy.types.RENDERTRUST_PASSES = Engine


def copy(engine: Any, scene: Any) -> None:
    """Copy a file's passes, or the given arrays, to the render result."""
    for layer, wanted in WORK.kinds[scene.name].items():
        for name, (channels, _) in wanted.items():
            if name != "Combined":
                engine.add_pass(name, len(channels), channels, layer=layer)
    width, height = engine.resolution_x, engine.resolution_y
    result = engine.begin_result(0, 0, width, height)
    if scene.name in WORK.path:
        result.load_from_file(WORK.path[scene.name])
        WORK.read = {
            layer.name: {band.name: _taken(band, width, height) for band in layer.passes}
            for layer in result.layers
        }
    for layer in result.layers:
        given = WORK.given.get(scene.name, {}).get(layer.name, {})
        for band in layer.passes:
            if band.name in given:
                band.rect.foreach_set(np.ascontiguousarray(given[band.name], np.float32).ravel())
    for name, value in WORK.stamps.get(scene.name, {}).items():
        engine.get_result().stamp_data_add_field(name, value)
    engine.end_result(result)


def _taken(band: Any, width: int, height: int) -> Array:
    flat = np.empty(width * height * band.channels, np.float32)
    band.rect.foreach_get(flat)
    return flat.reshape(height, width, band.channels)


def feed(scene: Any, layers: Layers, kinds: Kinds) -> None:
    """Make ``layers`` the scene's render result, which Blender then composites and saves."""
    import bpy  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    register(bpy)
    WORK.kinds[scene.name], WORK.given[scene.name] = kinds, layers
    scene.render.engine = ENGINE
    for layer in scene.view_layers:
        layer.update_render_passes()


def read(bpy: Any, path: str, size: tuple[int, int], kinds: Kinds) -> Layers:
    """Read the passes ``kinds`` of a multi-layer file of ``size`` (width, height)."""
    desk = _desk(bpy, size, kinds)
    WORK.path[desk.name], WORK.read = path, {}
    try:
        bpy.ops.render.render(scene=desk.name)
        if not WORK.read:
            raise MachineError(f"the passes in {path.rpartition('/')[2]} cannot be read")
        return WORK.read
    finally:
        _clear(bpy, desk)


def write(
    bpy: Any, path: str, layers: Layers, kinds: Kinds, stamps: dict[str, str] | None = None
) -> None:
    """Write the passes losslessly to a multi-layer OpenEXR file."""
    height, width, _ = next(iter(next(iter(layers.values())).values())).shape
    desk = _desk(bpy, (width, height), kinds)
    WORK.given[desk.name], WORK.stamps[desk.name] = layers, stamps or {}
    try:
        exact(desk.render.image_settings)
        desk.render.use_file_extension, desk.render.filepath = False, path
        bpy.ops.render.render(scene=desk.name, write_still=True)
    finally:
        _clear(bpy, desk)


def exact(settings: Any) -> None:
    """Choose a lossless file format."""
    set_format(settings, "MULTI_LAYER_IMAGE", "OPEN_EXR_MULTILAYER")
    settings.color_depth, settings.exr_codec = "32", "ZIP"
    if hasattr(settings, "use_exr_interleave"):
        settings.use_exr_interleave = True  # Blender 5.0's denoiser reads only a file's first part


def _desk(bpy: Any, size: tuple[int, int], kinds: Kinds) -> Any:
    """Create a separate scene for the render engine, so that the artist's scene stays unchanged."""
    register(bpy)
    desk = bpy.data.scenes.new("RenderTrust passes")
    first, *others = kinds
    desk.view_layers[0].name = first
    for name in others:
        desk.view_layers.new(name)
    camera = bpy.data.objects.new("RenderTrust camera", bpy.data.cameras.new("RenderTrust camera"))
    desk.collection.objects.link(camera)
    desk.camera = camera
    render = desk.render
    render.resolution_x, render.resolution_y = size
    render.resolution_percentage = 100
    render.use_compositing = render.use_sequencer = False
    for stamp in FLEETING_STAMPS:
        setattr(render, f"use_stamp_{stamp}", False)
    WORK.kinds[desk.name] = kinds
    render.engine = ENGINE
    return desk


def _clear(bpy: Any, desk: Any) -> None:
    for kept in (WORK.kinds, WORK.given, WORK.path, WORK.stamps):
        kept.pop(desk.name, None)
    camera = desk.camera
    bpy.data.scenes.remove(desk)
    bpy.data.cameras.remove(camera.data)


# ── multi-layer files ─────────────────────────────────────────────────────────────────────────────


def kinds_in(path: str) -> Kinds:
    """Return the passes of a file whose channels are named ``layer.pass.channel``.

    Raises OSError, NoPixels.
    """
    letters: dict[tuple[str, str], list[str]] = {}
    for name in channels_of(path):
        parts = name.rsplit(".", 2)
        if len(parts) != 3 or len(parts[2]) != 1:
            raise NoPixels("the file's channels are not named layer.pass.channel")
        letters.setdefault((parts[0], parts[1]), []).append(parts[2])
    kinds: Kinds = {}
    for (layer, band), found in letters.items():
        kinds.setdefault(layer, {})[band] = _kind(sorted(found))
    return kinds


def _kind(channels: list[str]) -> tuple[str, str]:
    """Return the channels of a pass in Blender's order, and the kind of the pass."""
    for order, kind in CHANNEL_KINDS.items():
        if sorted(order) == channels:
            return order, kind
    return "".join(channels), "VALUE"


def channels_in(kinds: Kinds) -> int:
    """Return the number of channels of all passes of all view layers."""
    return sum(len(of) for bands in kinds.values() for of, _ in bands.values())


# ── denoiser ──────────────────────────────────────────────────────────────────────────────────────


def denoise(bpy: Any, scene: Any, layers: Layers, out: str) -> None:
    """Replace the noisy picture by the denoised picture in layers with denoising."""
    if not scene.cycles.use_denoising:
        return
    for name, bands in layers.items():
        if scene.view_layers[name].cycles.use_denoising:
            bands["Noisy Image"] = bands["Combined"]
            bands["Combined"] = _denoised(bpy, scene, name, bands, out)


def _denoised(bpy: Any, scene: Any, layer: str, bands: dict[str, Array], out: str) -> Array:
    """Denoise with Cycles' denoiser and the scene's settings.

    The denoiser reads files from the top row, and the direction affects the result, so the file is
    flipped. The denoiser requires a motion pass, but uses it only between frames. The denoiser also
    requires a number of samples, by which values are multiplied and divided. With 1 sample, the
    values keep their bits.
    """
    import _cycles  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    height, width, _ = bands["Combined"].shape
    seen = {name: bands[name][::-1] for name in SEEN_BY_DENOISER if name in bands}
    seen["Combined"] = seen["Noisy Image"]
    seen["Vector"] = np.zeros((height, width, 4), np.float32)
    kinds = {layer: {name: STANDARD[name] for name in seen}}
    source, target = (os.path.join(out, name) for name in (".noisy.exr", ".denoised.exr"))
    write(bpy, source, {layer: seen}, kinds, {f"cycles.{layer}.samples": "1"})
    view_layer = scene.view_layers[layer]
    pointers = (bpy.context.preferences, scene, view_layer)
    try:
        _cycles.denoise(*(of.as_pointer() for of in pointers), input=[source], output=[target])
    except ValueError as fault:
        raise MachineError(f"the denoiser failed: {one_line(fault)}") from fault
    found = read(bpy, target, (width, height), {layer: {"Combined": STANDARD["Combined"]}})
    for path in (source, target):
        os.unlink(path)
    return found[layer]["Combined"][::-1]
