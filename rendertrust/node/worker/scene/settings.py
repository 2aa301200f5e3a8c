"""Settings of a scene for a render: settings of the order, and settings for a repeatable render."""

import contextlib
from collections.abc import Container, Generator, Iterator
from typing import Any

from ..ipc import SceneError
from . import device
from .output import WORDS, compositor_nodes, shows_strips, unmade

# Metadata that Blender can stamp into pictures. These stamps differ between machines or renders.
FLEETING_STAMPS = ("date", "render_time", "memory", "hostname", "filename")
# Settings that this module chooses. Their animation would change them again at each frame.
FIXED = (
    *("cycles.device", "cycles.time_limit", "render.threads", "render.threads_mode"),
    *("render.use_multiview", *(f"render.use_stamp_{stamp}" for stamp in FLEETING_STAMPS)),
)
SAMPLES = ("cycles.samples", "eevee.taa_render_samples")
COMPOSITOR_DEVICES = ("compositor_device", "compositor_denoise_device")


def prepare(scene: Any, order: dict[str, Any]) -> None:
    """Apply the order's settings, and choose the device. Raises SceneError, MachineError."""
    render = scene.render
    if "width" in order:
        render.resolution_x, render.resolution_y = order["width"], order["height"]
        render.resolution_percentage = 100
    if "samples" in order:
        _mute(scene, SAMPLES)
        set_samples(scene, order["samples"])
    if render.engine == "CYCLES":
        device.choose(scene, order.get("device"))
    if order.get("threads"):
        render.threads_mode, render.threads = "FIXED", order["threads"]
    if scene.camera is None and not shows_strips(scene):
        raise SceneError("the scene has no camera; add one with Add > Camera and set it active")
    for code in unmade(scene):
        if code in WORDS:  # all codes except ``format``, which the order may replace
            raise SceneError(WORDS[code])


def make_repeatable(scene: Any) -> None:
    """Remove what makes two renders of a frame differ: time limits, and stamps of time and machine.

    The animation of these settings is muted. Seed and dither stay as the artist set them, because
    they are repeatable.
    """
    _mute(scene, FIXED)
    if hasattr(scene, "cycles"):
        scene.cycles.time_limit = 0.0
    for stamp in FLEETING_STAMPS:
        setattr(scene.render, f"use_stamp_{stamp}", False)
    for node in compositor_nodes(scene):
        if node.bl_idname == "CompositorNodeOutputFile":
            node.mute = True  # the node's files are not delivered; the picture stays the same


def composite_on_processor(scene: Any) -> None:
    """Run the compositor on the processor, because graphics drivers round differently.

    Without a driver Blender would crash.
    """
    for name in COMPOSITOR_DEVICES:
        if hasattr(scene.render, name):
            setattr(scene.render, name, "CPU")
    _mute(scene, [f"render.{name}" for name in COMPOSITOR_DEVICES])


def samples_of(scene: Any) -> int | None:
    """Return the samples per pixel of the scene's engine; None if it has none."""
    if scene.render.engine == "CYCLES":
        return int(scene.cycles.samples)
    return int(scene.eevee.taa_render_samples) if is_eevee(scene) else None


def is_eevee(scene: Any) -> bool:
    """Return True if EEVEE draws the scene."""
    return bool(scene.render.engine.startswith("BLENDER_EEVEE"))


def set_samples(scene: Any, samples: int) -> None:
    """Set the samples per pixel for the scene's engine."""
    if scene.render.engine == "CYCLES":
        scene.cycles.samples = samples
    elif is_eevee(scene):
        scene.eevee.taa_render_samples = samples


# ── animation ─────────────────────────────────────────────────────────────────────────────────────


def _mute(scene: Any, paths: Container[str]) -> None:
    """Mute the animation of these properties. The properties keep their values."""
    for curve in animating(scene):
        if curve.data_path in paths:
            curve.mute = True


@contextlib.contextmanager
def held(scene: Any, *paths: str) -> Generator[None]:
    """Mute the animation of these properties inside this context.

    The properties keep their values.
    """
    found = [of for of in animating(scene) if of.data_path in paths and not of.mute]
    for curve in found:
        curve.mute = True
    try:
        yield
    finally:
        for curve in found:
            curve.mute = False


def animating(scene: Any) -> Iterator[Any]:
    """Yield the drivers and curves that animate settings of the scene."""
    animation = scene.animation_data
    if animation is None:
        return
    yield from animation.drivers
    strips = (strip for track in animation.nla_tracks for strip in track.strips)
    for action in (animation.action, *(strip.action for strip in strips)):
        if action is not None:
            yield from curves_of(action)


def curves_of(action: Any) -> Iterator[Any]:
    """Yield the curves of an action, or nothing for None."""
    if action is not None and not hasattr(action, "layers"):  # before Blender 4.4
        yield from action.fcurves
    for layer in getattr(action, "layers", ()):
        for strip in layer.strips:
            for bag in strip.channelbags:
                yield from bag.fcurves
