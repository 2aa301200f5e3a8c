"""Check of a frame: renders parts of it again and compares them with the picture's evidence.

The picture is also made again from that evidence. Picture and evidence are untrusted, so their
headers are checked before Blender decodes them. A ``fault`` in them is the delivering node's.
Errors of the scene or of this machine end the order as usual and say nothing about the result.
"""

import contextlib
import os
import time
from collections.abc import Generator
from typing import Any

from . import (
    device_differences,
    frame_crops,
    image_comparison,
    picture_digest,
    raw_exr,
    render_passes,
    seed_check,
    tile_rendering,
    untileable,
)
from .composited_check import beside, other_seed
from .crop_placement import Crop, place
from .delivered_files import DeliveryFault, NoEvidence, bytes_most, files_of, fits, read_evidence
from .evidence import make
from .exchangeability import REFUSED
from .frame_crops import EvidencePasses, RenderedCrop
from .frozen_properties import held
from .guarded_open import may_be_opened, pixels_of, undecoded
from .ipc import Say
from .open_watchdog import EVIDENCE, MAKING, PICTURE, OpenProgress, channels_in
from .render_passes import Layers
from .rendering import facts, other_format, still
from .scene import choose_format, opened, prepare, size_of

COARSE_SIDE = 64  # pixels of the coarse picture's longer side
COARSE_SAMPLES = 4
VARIES = 0.02  # deviation within a cell of the coarse picture: it has several colours
CELLS = 8  # each way
PIECE = 1 << 20
WHOLE = "whole.exr"  # our whole render
SMALL = ("cycles.samples", "cycles.use_adaptive_sampling", "render.resolution_percentage")
PLAIN = "the picture has one colour, but the scene does not"


def check(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Check the delivered ``picture`` and ``evidence``.

    ``draws`` place the crops. The report has the difference of each crop and of the picture, a
    ``fault`` of the result, or why the scene is ``unable`` to be checked. Without draws it is a
    quick look at picture and evidence; a ``suspect`` result should get a check. ``whole``: cut the
    crops out of the whole frame, rendered as its node had to. ``across``: another kind of device or
    instruction set made the result; the draws of a second look.
    """
    started = time.monotonic()
    scene = opened(bpy, order)
    prepare(scene, order)
    frame = (order.get("frames") or [scene.frame_current])[0]
    reasons, depends = tile_rendering.obstacles(scene), device_differences.told(scene, order)
    progress = OpenProgress(say, len(order["draws"]) + 2, order)
    progress.watch(bpy)
    look = _compare if order["draws"] else _look
    try:
        if reasons:
            told = _look_uncut(bpy, scene, order, progress)
            again = untileable.again(bpy, order, frame, progress) if order.get("whole") else None
            told = told | (again or {"unable": reasons[0], "uncut": True})
        else:
            told = look(bpy, scene, order, frame, progress)
    except DeliveryFault as fault:
        told = {"fault": str(fault), **({"bare": True} if isinstance(fault, NoEvidence) else {})}
    # The scene was opened again since.
    say("done", frame=frame, **told, **depends, **facts(bpy, bpy.context.scene, started))


def _compare(
    bpy: Any, scene: Any, order: dict[str, Any], frame: int, progress: OpenProgress
) -> dict[str, Any]:
    size, kinds = size_of(scene), tile_rendering.tile_kinds(scene)
    suffix = choose_format(scene.render, order.get("format"))
    picture, evidence = files_of(order, suffix, bytes_most(size, kinds))
    with progress.about(EVIDENCE, size, channels_in(kinds), theirs=evidence, kinds=kinds):
        layers = read_evidence(bpy, evidence, size, kinds)
    theirs = EvidencePasses(frame, order["out"], kinds, layers, (0, 0, *size))
    told = crops_of(bpy, scene, order, theirs, progress)
    progress.next("picture")
    # Opening the picture may crash this process; keep the crops' results.
    progress.found = told
    across = told.get("across", {}).get("outcome")
    if across == REFUSED or (across is None and image_comparison.is_far(told["crops"])):
        return told
    made_of = theirs.layers
    if order.get("whole"):  # making a picture from the delivered passes may crash this process
        made_of = render_passes.read(bpy, os.path.join(order["out"], WHOLE), size, kinds)
    return told | finished(bpy, order, frame, (picture, made_of), progress)


def crops_of(
    bpy: Any, scene: Any, order: dict[str, Any], theirs: EvidencePasses, progress: OpenProgress
) -> dict[str, Any]:
    """Compare the drawn crops with the delivered passes, by view layer."""
    scene.render.use_persistent_data = True  # keep prepared data between renders
    grid = coarse(bpy, scene, order, progress, theirs.area)
    crops = _placed(order["draws"], theirs.area, grid)
    told: dict[str, Any]
    if order.get("whole"):
        found = _of_whole(bpy, _anew(bpy, order), crops, theirs, progress)
        told = {"whole": True, "crops": found}
    else:
        found = _held(bpy, scene, crops, theirs, (progress, False))
        if not all(one["equal"] for one in found):
            # Confirm a difference without data that was kept from an earlier render.
            found = _held(bpy, _anew(bpy, order), crops, theirs, (progress, True))
        told = {"crops": found}
    if order.get("across"):
        told["across"] = _across(bpy, order, (found, crops), (theirs, grid), progress)
    return told


def _placed(draws: list[Any], area: Crop, grid: list[list[float]]) -> list[Crop]:
    left, top, *size = area
    placed = [place((x, y, cell), (size[0], size[1]), grid) for x, y, cell in draws]
    return [(left + x, top + y, across, down) for x, y, across, down in placed]


def _across(
    bpy: Any,
    order: dict[str, Any],
    first: tuple[list[dict[str, Any]], list[Crop]],
    of: tuple[EvidencePasses, list[list[float]]],
    progress: OpenProgress,
) -> dict[str, Any]:
    """Return the comparison across devices, by the same seed or, if undecided, other seeds."""
    (found, crops), (theirs, grid) = first, of
    outcome = seed_check.same_seed(found)
    if outcome is not None:
        return {"outcome": outcome}
    second = _placed(order["across"], theirs.area, grid)
    how = seed_check.SeedCheck(lambda: _anew(bpy, order), bool(order.get("whole")), progress)
    return seed_check.other_seeds(bpy, theirs, (crops, second), how)


def _anew(bpy: Any, order: dict[str, Any]) -> Any:
    """Open the stripped scene again, without keeping data between renders."""
    scene = opened(bpy, order)
    prepare(scene, order)
    tile_rendering.strip(scene)
    scene.render.use_persistent_data = False
    return scene


def _look(
    bpy: Any, scene: Any, order: dict[str, Any], frame: int, progress: OpenProgress
) -> dict[str, Any]:
    """Take a quick look, which costs next to nothing.

    A compositor may make a picture of one colour, so that is not a fault, but a reason to check.
    """
    is_plain, told = seen(bpy, scene, order, progress)
    if is_plain and max(map(max, coarse(bpy, scene, order, progress)), default=0.0) >= VARIES:
        told["suspect"] = PLAIN
    return told


def seen(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress
) -> tuple[bool, dict[str, Any]]:
    """Return True if the picture has one colour, and the rest of the report on a quick look.

    Raises DeliveryFault if picture or evidence is invalid. The scene stays unchanged.
    """
    size, kinds = size_of(scene), tile_rendering.tile_kinds(scene)
    suffix = choose_format(scene.render, order.get("format"))
    picture, evidence = files_of(order, suffix, bytes_most(size, kinds))
    fits(evidence, size, kinds)
    told: dict[str, Any] = {"looked": True}
    with progress.about(PICTURE, size, theirs=picture):
        is_known, is_plain = may_be_opened(picture, suffix, size), False
        if is_known:
            pixels = pixels_of(bpy, picture)
            is_plain, told = _is_plain(pixels), told | undecoded(picture, pixels)
        told |= picture_digest.seen(picture)
    return is_plain, told


def _is_plain(picture: Any) -> bool:
    pixels = image_comparison.visible(picture)
    return bool(pixels.size) and not (pixels != pixels[0, 0]).any()


def _look_uncut(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress
) -> dict[str, Any]:
    """Take a quick look at a frame that cannot be split; no check could decide a suspicion."""
    is_plain, told = untileable.seen(bpy, scene, order, progress)
    if not (is_plain and untileable.shows_itself(scene)):
        return told
    grid = coarse(bpy, scene, order, progress)
    return told if max(map(max, grid), default=0.0) < VARIES else told | {"suspect": PLAIN}


# ── our renders ──────────────────────────────────────────────────────────────────────────────────


def coarse(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress, area: Crop | None = None
) -> list[list[float]]:
    """Return the variance in a grid over the frame or ``area``, from a small render.

    The scene is stripped afterwards.
    """
    progress.next("coarse picture")
    tile_rendering.strip(scene)
    path = os.path.join(order["out"], "coarse.exr")
    frame = (order.get("frames") or [scene.frame_current])[0]
    with _small(scene), other_format(scene) as settings:
        raw_exr.choose(settings)
        still(bpy, scene, frame, path)
    return image_comparison.variance(_within(raw_exr.read(path), area, size_of(scene)), CELLS)


def _within(picture: Any, area: Crop | None, size: tuple[int, int]) -> Any:
    """Return the area within a small picture of the frame; at least one pixel."""
    if area is None:
        return picture
    x, y, across, down = area
    high, wide = picture.shape[:2]
    left, right = x * wide // size[0], -(-(x + across) * wide // size[0])
    above, below = y * high // size[1], -(-(y + down) * high // size[1])
    return picture[high - below : high - above, left:right]  # the lowest row comes first


@contextlib.contextmanager
def _small(scene: Any) -> Generator[None]:
    """Give the scene few pixels and samples inside this context."""
    render, cycles = scene.render, scene.cycles
    sides = render.resolution_x, render.resolution_y, render.resolution_percentage
    sampling = cycles.samples, cycles.use_adaptive_sampling
    share = COARSE_SIDE / max(size_of(scene))
    if share < 1:
        width, height = (max(round(side * share), 4) for side in size_of(scene))
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    cycles.samples, cycles.use_adaptive_sampling = min(cycles.samples, COARSE_SAMPLES), False
    try:
        with held(scene, *SMALL):
            yield
    finally:
        render.resolution_x, render.resolution_y, render.resolution_percentage = sides
        cycles.samples, cycles.use_adaptive_sampling = sampling


def _held(
    bpy: Any, scene: Any, crops: list[Crop], theirs: EvidencePasses, how: tuple[OpenProgress, bool]
) -> list[dict[str, Any]]:
    """Render the crops of the stripped scene and compare them by view layer.

    ``how``: the progress, and True to measure differences by the noise.
    """
    progress, measures = how
    rendered = list[RenderedCrop]()
    for number, crop in enumerate(crops):
        progress.next(f"crop {number + 1}")
        rendered.append(frame_crops.render(bpy, scene, crop, theirs, f"crop-{number}.exr"))
    # Reading renders another scene, which drops the data that was kept for the next crop.
    found = list[dict[str, Any]]()
    for one in rendered:
        ours, delivered = (
            frame_crops.read(bpy, one, theirs.kinds),
            frame_crops.part(theirs, one.crop),
        )
        other: Layers = {}
        if measures and not _all_same(ours, delivered):
            with other_seed(scene):
                noisy = frame_crops.render(bpy, scene, one.crop, theirs, "other.exr")
            other = frame_crops.read(bpy, noisy, theirs.kinds)
        found += _of_layers(one.crop, ours, delivered, other)
    return found


def _of_whole(
    bpy: Any, scene: Any, crops: list[Crop], theirs: EvidencePasses, progress: OpenProgress
) -> list[dict[str, Any]]:
    """Compare crops that are cut out of the whole frame.

    Some scenes render differently in parts, which is not the node's fault.
    """
    progress.next("whole frame")
    ours, delivered = (
        _whole(bpy, scene, theirs, WHOLE),
        [frame_crops.part(theirs, c) for c in crops],
    )
    mine, other = [frame_crops.part(ours, crop) for crop in crops], ours
    if not all(_all_same(of, part) for of, part in zip(mine, delivered, strict=True)):
        progress.next("whole frame, another seed")
        with other_seed(scene):
            other = _whole(bpy, scene, theirs, "whole-other.exr")
    found = list[dict[str, Any]]()
    for crop, of, part in zip(crops, mine, delivered, strict=True):
        found += _of_layers(crop, of, part, frame_crops.part(other, crop))
    return found


def _whole(bpy: Any, scene: Any, theirs: EvidencePasses, name: str) -> EvidencePasses:
    """Render the frame, or the tile, as a node renders its evidence."""
    path, size = os.path.join(theirs.out, name), theirs.area[2:]
    if size != size_of(scene):
        tile_rendering.select(scene, theirs.area)
    still(bpy, scene, theirs.frame, path)
    return theirs._replace(layers=render_passes.read(bpy, path, size, theirs.kinds))


def _all_same(ours: Layers, theirs: Layers) -> bool:
    return all(
        image_comparison.is_same(of, theirs[layer][name])
        for layer, bands in ours.items()
        for name, of in bands.items()
    )


def _of_layers(crop: Crop, ours: Layers, theirs: Layers, other: Layers) -> list[dict[str, Any]]:
    """Return the pass that differs most in each layer, since each may affect the picture."""
    found = list[dict[str, Any]]()
    for layer, bands in ours.items():
        noisy = other.get(layer, {})
        told = [
            {"pass": name} | image_comparison.compared(of, theirs[layer][name], noisy.get(name, of))
            for name, of in bands.items()
        ]
        found.append({"at": list(crop), "layer": layer, **image_comparison.worst(told)})
    return found


def finished(
    bpy: Any,
    order: dict[str, Any],
    frame: int,
    delivered: tuple[str, Layers],
    progress: OpenProgress,
) -> dict[str, Any]:
    """Make the picture again from the evidence and compare it with the delivered one.

    ``finish`` is None if the files differ and their format cannot be read.
    """
    picture, layers = delivered
    scene = opened(bpy, order)
    prepare(scene, order)
    suffix = choose_format(scene.render, order.get("format"))
    path = os.path.join(order["out"], "our" + suffix)
    size = size_of(scene)
    with progress.about(MAKING, size):
        make(bpy, scene, frame, layers, (order["out"], "our" + suffix))
    with progress.about(PICTURE, size, theirs=picture, ours=path):
        return {"finish": beside(bpy, path, picture, size), **picture_digest.seen(picture)}
