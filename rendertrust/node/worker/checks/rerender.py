"""Rendering of a frame again, in regions or whole, to compare it with the delivered picture.

The delivered picture is finished: the view transform and dither were applied, and the values
rounded. Therefore the new render is finished in the same way. Regions are rendered without denoiser
and compositor, and put into an empty frame, which is then finished. If a scene is denoised or
composited, or cannot be rendered in regions, the whole frame is rendered. If evidence was
delivered, regions are compared with the evidence, and the picture is rebuilt from the evidence.
"""

import os
import shutil
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..formats.bounds import NoPixels
from ..ipc import Say
from ..render import passes, tiles
from ..render.evidence import make
from ..render.frames import facts, written_size
from ..render.passes import Kinds, Layers, channels_in
from ..scene import nondeterminism
from ..scene.loader import opened
from ..scene.output import choose_format, compositor_tree
from ..scene.settings import prepare
from . import (
    coarse_render,
    composited_check,
    evidence_check,
    frame_crops,
    image_comparison,
)
from .crop_placement import Crop, place
from .delivered_files import (
    NOTHING,
    DeliveryFault,
    bytes_most,
    copy_picture,
    may_be_opened,
    pixels_of,
    read_evidence,
)
from .frame_crops import EvidencePasses, RenderedCrop
from .frame_sheet import Bands, DeliveredPicture, bands_of, draw, is_off, opened_picture
from .open_watchdog import EVIDENCE, MAKING, PICTURE, OpenProgress

FINISHED_MOST = 0.1  # maximum difference of a picture rebuilt from the same passes
SHOWN_MOST = 12  # maximum number of regions of a whole frame in the report
CELLS = 10  # cells of a whole frame, in each direction
SAME: dict[str, Any] = {"equal": True, "off": None}
BLOCK = 16  # side in pixels of the blocks that a JPEG codes together
BLEEDING = 2  # pixels at a block's edge that a decoder mixes with the next block


def rerender(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Render the order's frame again, and compare it with ``picture``.

    ``draws``: regions to render; ``whole``: render the whole frame. The report has ``regions``,
    ``whole`` and ``shown``, a comparison sheet.
    """
    started = time.monotonic()
    scene = opened(bpy, order)
    prepare(scene, order)
    frame = (order.get("frames") or [scene.frame_current])[0]
    has_evidence = "evidence" in order
    why = "you asked for it" if order.get("whole") else why_whole(scene, has_evidence=has_evidence)
    progress = OpenProgress(say, 3 if why else len(order["draws"]) + 2, order)
    progress.watch(bpy)
    told: dict[str, Any]
    try:
        theirs = _delivered(bpy, scene, order, progress)
        told = _compared(bpy, order, frame, theirs, (progress, say, why))
    except DeliveryFault as fault:
        told = {"fault": str(fault)}
    except NoPixels as fault:
        told = {"unable": f"the picture's pixels cannot be read: {fault}"}
    say("done", frame=frame, **told, **facts(bpy, bpy.context.scene, started))


def why_whole(scene: Any, *, has_evidence: bool) -> str | None:
    """Return why this scene cannot be compared in regions; None if nothing prevents it."""
    if has_evidence:
        return next(iter(tiles.obstacles(scene)), None)
    if scene.render.engine == "CYCLES" and scene.cycles.use_denoising:
        denoised = [of.name for of in scene.view_layers if of.use and of.cycles.use_denoising]
        if denoised:
            return f"view layer {denoised[0]} is denoised"
    if scene.render.use_compositing and compositor_tree(scene) is not None:
        return "the scene has a compositor"
    return next(iter(tiles.obstacles(scene)), None)


def _delivered(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress
) -> DeliveredPicture:
    """Open the delivered picture. Raises DeliveryFault, and NoPixels for an unsupported format."""
    suffix = choose_format(scene.render, order.get("format"))
    size = written_size(scene)
    path = copy_picture(order, suffix, size)
    with progress.about(PICTURE, size, theirs=path):
        if not may_be_opened(path, suffix, size):
            raise NoPixels("the picture's format is not supported")
        if suffix != ".exr" and not pixels_of(bpy, path).size:
            raise DeliveryFault(NOTHING)
        return opened_picture(bpy, scene, path)


def _compared(
    bpy: Any,
    order: dict[str, Any],
    frame: int,
    theirs: DeliveredPicture,
    how: tuple[OpenProgress, Say, str | None],
) -> dict[str, Any]:
    """Compare regions first, if possible. If regions differ, render and compare the whole frame."""
    progress, say, why = how
    told: dict[str, Any] = {}
    if why is None:
        if "evidence" in order:
            ours, found, told = _by_evidence(bpy, order, frame, theirs, progress)
        else:
            ours, found = _regions(bpy, order, frame, theirs, progress)
        told |= {"regions": found}
        is_made = not is_off([told.get("finish", SAME)], FINISHED_MOST)
        if is_made and not is_off(found):
            return told | draw(order, theirs, ours, told)
        why = (
            "regions of the frame differ" if is_made else "the picture does not match its evidence"
        )
    say("whole", why=why)
    told["parts"] = told.pop("regions", None)
    ours, whole, cells = _whole(bpy, order, frame, theirs, progress)
    told |= {"whole": whole, "why_whole": why, "regions": cells}
    if nondeterminism.may_differ(bpy, bpy.context.scene):
        told["loose"] = True
    return told | draw(order, theirs, ours, told)


# ── regions ───────────────────────────────────────────────────────────────────────────────────────


def _regions(
    bpy: Any, order: dict[str, Any], frame: int, theirs: DeliveredPicture, progress: OpenProgress
) -> tuple[Bands, list[dict[str, Any]]]:
    """Return a finished frame that has only the regions, and the comparison of each region."""
    scene = opened(bpy, order)
    prepare(scene, order)
    scene.render.use_persistent_data = True  # keep prepared data between regions
    grid = coarse_render.coarse(bpy, scene, order, progress)
    placed = [place((x, y, cell), theirs.size, grid) for x, y, cell in order["draws"]]
    crops = [aligned(crop, theirs) for crop in placed]
    ours = _finished(bpy, order, frame, theirs, _rendered(bpy, scene, crops, order, (progress, "")))
    found = [_of_region(crop, ours, theirs) for crop in crops]
    far = [number for number, one in enumerate(found) if not one["equal"]]
    if far:
        scene = opened(bpy, order)
        prepare(scene, order)
        tiles.strip(scene)
        with composited_check.other_seed(scene):
            again_of = [crops[number] for number in far]
            told = (progress, ", another seed")
            noisy = _rendered(bpy, scene, again_of, order, told)
        other = _finished(bpy, order, frame, theirs, noisy)
        for number in far:
            found[number] = _of_region(crops[number], ours, theirs, other)
    return ours, found


def aligned(crop: Crop, theirs: DeliveredPicture) -> Crop:
    """Extend the region to whole blocks, if the format codes pixels in blocks."""
    if theirs.suffix != ".jpg":
        return crop
    x, y, across, down = crop
    left, top = x - x % BLOCK, y - y % BLOCK
    right, bottom = (-(-side // BLOCK) * BLOCK for side in (x + across, y + down))
    return left, top, min(right, theirs.size[0]) - left, min(bottom, theirs.size[1]) - top


def _rendered(
    bpy: Any, scene: Any, crops: list[Crop], order: dict[str, Any], told: tuple[OpenProgress, str]
) -> list[RenderedCrop]:
    """Render all regions of the stripped scene before a region is read.

    Reading renders another scene, which drops the data that Blender keeps for the next region.
    """
    progress, words = told
    found = list[RenderedCrop]()
    frame = (order.get("frames") or [scene.frame_current])[0]
    for number, crop in enumerate(crops):
        progress.next(f"region {number + 1} of {len(crops)}{words}")
        path = os.path.join(order["out"], f"region-{number}.exr")
        found.append(frame_crops.render(bpy, scene, frame, crop, path))
    return found


def _finished(
    bpy: Any,
    order: dict[str, Any],
    frame: int,
    theirs: DeliveredPicture,
    regions: list[RenderedCrop],
) -> Bands:
    """Return a frame with only these regions, finished and saved as the scene's settings say."""
    scene = opened(bpy, order)
    prepare(scene, order)
    choose_format(scene.render, order.get("format"))
    kinds = tiles.tile_kinds(scene)
    layers = empty(theirs.size, kinds)
    for region in regions:
        paste(layers, region, passes.read(bpy, region.path, region.area[2:], kinds))
    name = "our" + theirs.suffix
    make(bpy, scene, frame, layers, (order["out"], name))
    return bands_of(bpy, os.path.join(order["out"], name), theirs.size)


def empty(size: tuple[int, int], kinds: Kinds) -> Layers:
    """Return all passes of an empty frame."""
    width, height = size
    return {
        layer: {
            name: np.zeros((height, width, len(of)), np.float32) for name, (of, _) in bands.items()
        }
        for layer, bands in kinds.items()
    }


def paste(layers: Layers, region: RenderedCrop, read: Layers) -> None:
    """Copy the region into the frame, without the margin that was rendered around it."""
    x, y, across, down = region.crop
    left, below = x - region.area[0], (region.area[1] + region.area[3]) - (y + down)
    for layer, bands in read.items():
        for name, of in bands.items():
            target = box(layers[layer][name], region.crop)
            target[:] = of[below : below + down, left : left + across]


def box(of: Any, crop: Crop, less: int = 0) -> Any:
    """Cut the crop out of an array with the lowest row first.

    ``less`` pixels are left out at each side that is not an edge of the frame.
    """
    height, width = of.shape[:2]
    x, y, across, down = crop
    left, right = x + less * (x > 0), x + across - less * (x + across < width)
    top, bottom = y + less * (y > 0), y + down - less * (y + down < height)
    return of[height - bottom : height - top, left:right]


def _of_region(
    crop: Crop, ours: Bands, theirs: DeliveredPicture, other: Bands | None = None
) -> dict[str, Any]:
    less = BLEEDING if theirs.suffix == ".jpg" else 0
    return {"at": list(crop)} | _worst(ours, theirs, other, lambda of: box(of, crop, less))


def _worst(
    ours: Bands,
    theirs: DeliveredPicture,
    other: Bands | None,
    cut: Callable[[Any], Any] = lambda of: of,
) -> dict[str, Any]:
    """Return the comparison of the pass that differs most. A plain picture has only one pass."""
    if {name: of.shape for name, of in ours.items()} != {
        name: of.shape for name, of in theirs.bands.items()
    }:
        raise DeliveryFault("the picture has other layers, passes or channels than this frame")
    return image_comparison.worst(
        [
            image_comparison.compared(
                cut(of),
                cut(theirs.bands[name]),
                None if other is None else cut(other[name]),
                step=theirs.step,
            )
            for name, of in ours.items()
        ]
    )


# ── evidence ──────────────────────────────────────────────────────────────────────────────────────


def _by_evidence(
    bpy: Any, order: dict[str, Any], frame: int, theirs: DeliveredPicture, progress: OpenProgress
) -> tuple[Bands, list[dict[str, Any]], dict[str, Any]]:
    """Compare regions with the delivered passes.

    Rebuild the picture from these passes, and compare.
    """
    scene, size = opened(bpy, order), theirs.size
    prepare(scene, order)
    kinds = tiles.tile_kinds(scene)
    path = os.path.join(order["out"], "their-evidence.exr")
    if os.path.getsize(order["evidence"]) > bytes_most(size, kinds):
        raise DeliveryFault("the evidence is larger than possible for this frame")
    shutil.copyfile(order["evidence"], path)
    with progress.about(EVIDENCE, size, channels_in(kinds), theirs=path, kinds=kinds):
        layers = read_evidence(bpy, path, size, kinds)
    evidence = EvidencePasses(frame, order["out"], kinds, layers, (0, 0, *size))
    told = evidence_check.crops_of(bpy, scene, {**order, "whole": False}, evidence, progress)[
        "crops"
    ]
    found = [
        {"at": list(at)} | image_comparison.worst([one for one in told if tuple(one["at"]) == at])
        for at in dict.fromkeys(tuple(one["at"]) for one in told)
    ]
    scene = opened(bpy, order)
    prepare(scene, order)
    choose_format(scene.render, order.get("format"))
    name = "our" + theirs.suffix
    with progress.about(MAKING, size):
        make(bpy, scene, frame, layers, (order["out"], name))
    ours = bands_of(bpy, os.path.join(order["out"], name), size)
    return ours, found, {"finish": _worst(ours, theirs, None)}


# ── the whole frame ───────────────────────────────────────────────────────────────────────────────


def _whole(
    bpy: Any, order: dict[str, Any], frame: int, theirs: DeliveredPicture, progress: OpenProgress
) -> tuple[Bands, dict[str, Any], list[dict[str, Any]]]:
    """Render the frame as a node does.

    Return the frame, its comparison, and the cells that differ.
    """
    progress.next("whole frame")
    ours = bands_of(bpy, composited_check.render(bpy, order, frame, "our"), theirs.size)
    whole = _worst(ours, theirs, None)
    if whole["equal"]:
        return ours, whole, []
    other: Bands | None = None
    if bpy.context.scene.render.engine == "CYCLES":
        progress.next("whole frame, another seed")
        other = bands_of(bpy, composited_check.render(bpy, order, frame, "other"), theirs.size)
        whole = _worst(ours, theirs, other)
    if not is_off([whole]):
        return ours, whole, []
    cells = [_of_region(crop, ours, theirs, other) for crop in cells_of(theirs.size)]
    cells = [one for one in cells if is_off([one])]
    cells.sort(key=lambda one: float("inf") if one["off"] is None else one["off"], reverse=True)
    return ours, whole, cells[:SHOWN_MOST]


def cells_of(size: tuple[int, int]) -> list[Crop]:
    """Divide the frame into about 10 by 10 cells, with sides of at least eight pixels."""
    sides = [max(-(-side // CELLS), image_comparison.CELL) for side in size]
    lines, rows = (range(0, side, step) for side, step in zip(size, sides, strict=True))
    return [
        (x, y, min(sides[0], size[0] - x), min(sides[1], size[1] - y)) for y in rows for x in lines
    ]
