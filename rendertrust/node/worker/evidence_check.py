"""A check: parts of a frame rendered again, held against the evidence that lies beside a picture;
and the picture made anew of that evidence.

Picture and evidence are a stranger's, so their heads are looked at before Blender unpacks them.
What is wrong with them is told as a ``fault``, which is whoever's they are; what is wrong with the
scene, or with this machine, ends the order as it ends any other, and says nothing about them.
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
VARIES = 0.02  # of a cell of the coarse picture: then it is not of one colour
CELLS = 8  # each way
PIECE = 1 << 20
WHOLE = "whole.exr"  # of one's own
SMALL = ("cycles.samples", "cycles.use_adaptive_sampling", "render.resolution_percentage")
PLAIN = "the picture is of one colour, and what it shows is not"


def check(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """``picture`` and ``evidence`` were delivered, ``draws`` say where the crops lie; says of each
    crop, and of the picture, how it compares; or a ``fault`` of the result, or why it is
    ``unable`` to check such a scene. Without any draws it only looks: whether these are such a
    picture and such evidence; a ``suspect`` is one that a check should decide about. With
    ``whole`` the crops are cut out of the whole frame, rendered as who delivered it had to.
    ``across`` says that a device of another kind or instruction set delivered it, and where a
    second look at it lies.
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
    # It was opened anew.
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
    # A picture may make whoever opens it die: what its crops have shown must not be lost with it.
    progress.found = told
    across = told.get("across", {}).get("outcome")
    if across == REFUSED or (across is None and image_comparison.is_far(told["crops"])):
        return told
    made_of = theirs.layers
    if order.get("whole"):  # what was delivered may make whoever makes a picture of it die
        made_of = render_passes.read(bpy, os.path.join(order["out"], WHOLE), size, kinds)
    return told | finished(bpy, order, frame, (picture, made_of), progress)


def crops_of(
    bpy: Any, scene: Any, order: dict[str, Any], theirs: EvidencePasses, progress: OpenProgress
) -> dict[str, Any]:
    """How each view layer of each crop compares that the order draws within what was delivered."""
    scene.render.use_persistent_data = True  # what was prepared for one render serves the next
    grid = coarse(bpy, scene, order, progress, theirs.area)
    crops = _placed(order["draws"], theirs.area, grid)
    told: dict[str, Any]
    if order.get("whole"):
        found = _of_whole(bpy, _anew(bpy, order), crops, theirs, progress)
        told = {"whole": True, "crops": found}
    else:
        found = _held(bpy, scene, crops, theirs, (progress, False))
        if not all(one["equal"] for one in found):
            # Nobody is blamed by what was kept from another render: all is prepared anew.
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
    """What the comparison across devices says: by the same seed, else by others."""
    (found, crops), (theirs, grid) = first, of
    outcome = seed_check.same_seed(found)
    if outcome is not None:
        return {"outcome": outcome}
    second = _placed(order["across"], theirs.area, grid)
    how = seed_check.SeedCheck(lambda: _anew(bpy, order), bool(order.get("whole")), progress)
    return seed_check.other_seeds(bpy, theirs, (crops, second), how)


def _anew(bpy: Any, order: dict[str, Any]) -> Any:
    """The stripped scene, of which nothing is kept from one render to the next."""
    scene = opened(bpy, order)
    prepare(scene, order)
    tile_rendering.strip(scene)
    scene.render.use_persistent_data = False
    return scene


def _look(
    bpy: Any, scene: Any, order: dict[str, Any], frame: int, progress: OpenProgress
) -> dict[str, Any]:
    """What costs next to nothing. A picture of one colour may be what its compositor makes: so
    that is no fault, but a reason to check it.
    """
    is_plain, told = seen(bpy, scene, order, progress)
    if is_plain and max(map(max, coarse(bpy, scene, order, progress)), default=0.0) >= VARIES:
        told["suspect"] = PLAIN
    return told


def seen(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress
) -> tuple[bool, dict[str, Any]]:
    """Return whether the picture is of one colour, and the rest of the report on a look at it.

    Raises Fault where these are no such picture and evidence. The scene stays as it was.
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
    """The same of a scene that cannot be cut; what is suspect of it no check can decide."""
    is_plain, told = untileable.seen(bpy, scene, order, progress)
    if not (is_plain and untileable.shows_itself(scene)):
        return told
    grid = coarse(bpy, scene, order, progress)
    return told if max(map(max, grid), default=0.0) < VARIES else told | {"suspect": PLAIN}


# ── what it is held against ──────────────────────────────────────────────────────────────────────


def coarse(
    bpy: Any, scene: Any, order: dict[str, Any], progress: OpenProgress, area: Crop | None = None
) -> list[list[float]]:
    """How much varies where, in all of the frame or that area of it, by a small picture of our own;
    the scene is stripped afterwards.
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
    """The area of a small picture of the whole; a pixel of it at least."""
    if area is None:
        return picture
    x, y, across, down = area
    high, wide = picture.shape[:2]
    left, right = x * wide // size[0], -(-(x + across) * wide // size[0])
    above, below = y * high // size[1], -(-(y + down) * high // size[1])
    return picture[high - below : high - above, left:right]  # its first row is the lowest


@contextlib.contextmanager
def _small(scene: Any) -> Generator[None]:
    """The scene with few pixels and few samples; as it was, afterwards."""
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
    """How each view layer of each crop compares, rendered of the stripped scene. ``how``: whether
    what differs is measured, too, by the noise.
    """
    progress, measures = how
    rendered = list[RenderedCrop]()
    for number, crop in enumerate(crops):
        progress.next(f"crop {number + 1}")
        rendered.append(frame_crops.render(bpy, scene, crop, theirs, f"crop-{number}.exr"))
    # Reading renders another scene, and with that all is lost that was kept for the next crop.
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
    """How the crops compare when they are cut out of the whole frame: a scene may come out
    otherwise in parts, which is no fault of who rendered it.
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
    """The frame, or the tile, as a node renders its evidence."""
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
    """Of each layer the pass that is farthest off: every one of them may make the picture."""
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
    """The picture made anew of the evidence, beside the one that was delivered (``finish``; None
    where nobody here reads such a picture, and the files are not the same).
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
