"""Check of a frame by rendering the frame as its node did, denoised and composited."""

import contextlib
import filecmp
import os
from collections.abc import Generator
from typing import Any

from ..formats import picture_digest
from ..formats.bounds import NoPixels
from ..formats.exr import channels_of
from ..formats.image_headers import showing_of
from ..render import passes
from ..render.frames import still, written_size
from ..render.passes import kinds_in
from ..scene.loader import opened
from ..scene.output import choose_format
from ..scene.settings import held, prepare
from . import coarse_render, image_comparison
from .delivered_files import DeliveryFault, may_be_opened, pixels_of, read_passes
from .open_watchdog import PICTURE, OpenProgress

SEED_STEP = 7919


@contextlib.contextmanager
def other_seed(scene: Any, number: int = 1) -> Generator[None]:
    """Give the scene a different seed, which depends on ``number``, inside this context."""
    seed = scene.cycles.seed
    try:
        with held(scene, "cycles.seed"):
            scene.cycles.seed = (seed + number * SEED_STEP) % SEED_STEP**2
            yield
    finally:
        scene.cycles.seed = seed


def render(bpy: Any, order: dict[str, Any], frame: int, name: str) -> str:
    """Render the frame as a node does. If the name is ``other``, the seed is different.

    ``before`` in the order: the frames that a node renders before this frame.
    """
    scene = opened(bpy, order)
    prepare(scene, order)
    coarse_render.pass_through(bpy, scene, order, order.get("before", []))
    path = os.path.join(order["out"], name + choose_format(scene.render, order.get("format")))
    if name == "other" and scene.render.engine == "CYCLES":
        with other_seed(scene):
            still(bpy, scene, frame, path)
    else:
        still(bpy, scene, frame, path)
    return path


def compared(
    bpy: Any, order: dict[str, Any], frame: int, of: tuple[str, str], progress: OpenProgress
) -> dict[str, Any] | None:
    """Compare our render with the delivered picture.

    If the pictures differ, render with a different seed to measure the noise. Return None if the
    pictures differ, and their format cannot be read.
    """
    path, picture = of
    scene = bpy.context.scene
    size, is_cycles = written_size(scene), scene.render.engine == "CYCLES"
    with progress.about(PICTURE, size, theirs=picture, ours=path):
        found = beside(bpy, path, picture, size)
    if found is not None and not found["equal"]:
        progress.doubt()
    if found is None or found["equal"] or found["off"] is None or not is_cycles:
        return found
    other = render(bpy, order, frame, "other")
    ours, theirs, noisy = (pixels_of(bpy, one) for one in (path, picture, other))
    if not ours.size:
        return _compared_passes(bpy, (path, picture, other), size)
    if ours.shape == theirs.shape == noisy.shape:
        return image_comparison.compared(ours, theirs, noisy)
    return found


def beside(bpy: Any, path: str, picture: str, size: tuple[int, int]) -> dict[str, Any] | None:
    """Compare our picture with the delivered picture.

    Return None if the pictures differ and their format cannot be read.
    """
    suffix = os.path.splitext(path)[1]
    known = may_be_opened(picture, suffix, size)
    _is_shown_alike(path, picture, suffix)
    if not known and _same(path, picture):
        return {"equal": True, "off": None}
    if path.endswith(".exr") and not _has_same_channels(path, picture):
        raise DeliveryFault("the picture has other layers or passes than this frame")
    ours = pixels_of(bpy, path)
    if not ours.size:  # multi-layer: Blender gives no access to the pixels
        return _layers(bpy, path, picture, size) if known else None
    theirs = pixels_of(bpy, picture)
    if theirs.shape != ours.shape:
        raise DeliveryFault("the picture cannot be decoded, or has another size or other channels")
    return image_comparison.compared(ours, theirs)


def _is_shown_alike(ours: str, theirs: str, suffix: str) -> None:
    """Raise DeliveryFault if viewers would show the delivered picture by other metadata than ours.

    Missing metadata is no fault, except in OpenEXR files.
    """
    try:
        wanted = showing_of(ours, suffix)
    except NoPixels:
        return
    try:
        found = showing_of(theirs, suffix)
    except NoPixels as fault:
        raise DeliveryFault(f"the picture is invalid: {fault}") from fault
    if found - wanted:
        raise DeliveryFault(
            "viewers show the picture otherwise: it has another profile, orientation or window"
        )


def _layers(bpy: Any, ours: str, theirs: str, size: tuple[int, int]) -> dict[str, Any] | None:
    """Compare all passes of two multi-layer pictures."""
    if _same(ours, theirs):
        return {"equal": True, "off": None}
    try:
        return _compared_passes(bpy, (ours, theirs), size)
    except NoPixels:
        return None


def _same(one: str, other: str) -> bool:
    """Return True if both files have equal pixels or, if the pixels cannot be read, equal bytes."""
    try:
        return bool(
            picture_digest.of_file(one)["sha256"] == picture_digest.of_file(other)["sha256"]
        )
    except NoPixels:
        return filecmp.cmp(one, other, shallow=False)


def _has_same_channels(ours: str, theirs: str) -> bool:
    """Return True if both files have the same channels. Raises DeliveryFault, NoPixels, OSError."""
    wanted = channels_of(ours)
    try:
        return wanted == channels_of(theirs)
    except NoPixels as fault:
        raise DeliveryFault(f"the picture is invalid: {fault}") from fault


def _compared_passes(bpy: Any, files: tuple[str, ...], size: tuple[int, int]) -> dict[str, Any]:
    """Compare all passes of our file, the delivered file and, if given, ours with a different seed.

    Return the comparison of the pass that differs most. Raises DeliveryFault, NoPixels,
    MachineError.
    """
    ours, theirs, *others = files
    kinds = kinds_in(ours)
    read = [passes.read(bpy, ours, size, kinds), read_passes(bpy, theirs, size, kinds)]
    read += [passes.read(bpy, path, size, kinds) for path in others]
    return image_comparison.worst(
        [
            image_comparison.compared(*(of[layer][name] for of in read))
            for layer, bands in kinds.items()
            for name in bands
        ]
    )
