"""A check: parts of a frame rendered again, held against the evidence that lies beside a picture;
and the picture made anew of that evidence.

Picture and evidence are a stranger's, so their heads are looked at before Blender unpacks them.
What is wrong with them is told as a ``fault``, which is whoever's they are; what is wrong with the
scene, or with this machine, ends the order as it ends any other, and says nothing about them.
"""

import contextlib
import filecmp
import os
import shutil
import time
from collections.abc import Generator
from typing import Any, NamedTuple

from . import comparing, cutting, flat, layered, passes, pictures, uncut
from .headers import NoHeader, window_of
from .holding import held
from .opening import Fault as Fault  # noqa: PLC0414 - part of what this module offers
from .opening import may_be_opened as may_be_opened  # noqa: PLC0414
from .opening import pixels_of as pixels_of  # noqa: PLC0414
from .passes import Kinds, Layers
from .pixels import NoPixels
from .placing import Crop, place
from .proving import make
from .rendering import facts, other_format, still
from .scene import choose_format, opened, prepare, size_of
from .speech import MachineError, Progress, Say

COARSE_SIDE = 64  # pixels of the coarse picture's longer side
COARSE_SAMPLES = 4
VARIES = 0.02  # of a cell of the coarse picture: then it is not of one colour
CELLS = 8  # each way
CHANNELS_MORE = 8
PIECE = 1 << 20
SEED_STEP = 7919
SMALL = ("cycles.samples", "cycles.use_adaptive_sampling", "render.resolution_percentage")
PLAIN = "the picture is of one colour, and what it shows is not"


def check(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """``picture`` and ``evidence`` were delivered, ``draws`` say where the crops lie; says of each
    crop, and of the picture, how it compares; or a ``fault`` of the result, or why it is
    ``unable`` to check such a scene. Without any draws it only looks: whether these are such a
    picture and such evidence; a ``suspect`` is one that a check should decide about. With
    ``whole`` the crops are cut out of the whole frame, rendered as who delivered it had to.
    """
    started = time.monotonic()
    scene = opened(bpy, order)
    prepare(scene, order)
    frame = (order.get("frames") or [scene.frame_current])[0]
    reasons = cutting.obstacles(scene)
    progress = Progress(say, len(order["draws"]) + 2)
    progress.watch(bpy)
    look = _compare if order["draws"] else _look
    try:
        if reasons:
            told = {"unable": reasons[0]} | _look_uncut(bpy, scene, order, progress)
        else:
            told = look(bpy, scene, order, frame, progress)
        told |= pictures.seen(order["picture"])
    except Fault as fault:
        told = {"fault": str(fault)}
    say("done", frame=frame, **told, **facts(bpy, bpy.context.scene, started))  # opened anew


def _compare(
    bpy: Any, scene: Any, order: dict[str, Any], frame: int, progress: Progress
) -> dict[str, Any]:
    size, kinds = size_of(scene), cutting.tile_kinds(scene)
    suffix = choose_format(scene.render, order.get("format"))
    picture, evidence = _delivered(order, suffix, bytes_most(size, kinds))
    theirs = _Evidence(frame, order["out"], kinds, read_evidence(bpy, evidence, size, kinds))
    scene.render.use_persistent_data = True  # what was prepared for one render serves the next
    grid = coarse(bpy, scene, order, progress)
    crops = [place((x, y, cell), size, grid) for x, y, cell in order["draws"]]
    if order.get("whole"):
        told = {"whole": True, "crops": _of_whole(bpy, _anew(bpy, order), crops, theirs, progress)}
    else:
        found = _held(bpy, scene, crops, theirs, (progress, False))
        if not all(one["equal"] for one in found):
            # Nobody is blamed by what was kept from another render: all is prepared anew.
            found = _held(bpy, _anew(bpy, order), crops, theirs, (progress, True))
        told = {"crops": found}
    progress.next("picture")
    return {**told, "finish": _finish(bpy, order, frame, (picture, theirs.layers))}


def _anew(bpy: Any, order: dict[str, Any]) -> Any:
    """The stripped scene, of which nothing is kept from one render to the next."""
    scene = opened(bpy, order)
    prepare(scene, order)
    cutting.strip(scene)
    scene.render.use_persistent_data = False
    return scene


def _look(
    bpy: Any, scene: Any, order: dict[str, Any], frame: int, progress: Progress
) -> dict[str, Any]:
    """What costs next to nothing. A picture of one colour may be what its compositor makes: so
    that is no fault, but a reason to check it.
    """
    size, kinds = size_of(scene), cutting.tile_kinds(scene)
    suffix = choose_format(scene.render, order.get("format"))
    picture, evidence = _delivered(order, suffix, bytes_most(size, kinds))
    _fits(evidence, size, kinds)
    if not may_be_opened(picture, suffix, size):
        return {"looked": True}
    pixels = comparing.visible(pixels_of(bpy, picture))
    if not pixels.size or (pixels != pixels[0, 0]).any():
        return {"looked": True}
    grid = coarse(bpy, scene, order, progress)
    if max(map(max, grid), default=0.0) < VARIES:
        return {"looked": True}
    return {"looked": True, "suspect": PLAIN}


def _look_uncut(bpy: Any, scene: Any, order: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The same of a scene that cannot be cut; what is suspect of it no check can decide."""
    if not (uncut.is_plain(bpy, scene, order) and uncut.shows_itself(scene)):
        return {}
    grid = coarse(bpy, scene, order, progress)
    return {} if max(map(max, grid), default=0.0) < VARIES else {"suspect": PLAIN}


# ── what was delivered ───────────────────────────────────────────────────────────────────────────


def bytes_most(size: tuple[int, int], kinds: Kinds) -> int:
    """What a file of so many pixels can have at most, packed badly."""
    channels = sum(len(of) for bands in kinds.values() for of, _ in bands.values())
    return size[0] * size[1] * (channels + CHANNELS_MORE) * 4 * 2 + (1 << 20)


def _delivered(order: dict[str, Any], suffix: str, most: int) -> tuple[str, str]:
    """Both files, under names that say what they are; so many bytes each at most."""
    if not order.get("evidence"):
        raise Fault("there is no evidence beside the picture")
    paths = []
    for name, ending in (("picture", suffix), ("evidence", ".exr")):
        if os.path.getsize(order[name]) > most:
            raise Fault(f"the {name} is larger than that of such a frame can be")
        paths.append(os.path.join(order["out"], f"their-{name}{ending}"))
        shutil.copyfile(order[name], paths[-1])
    return paths[0], paths[1]


def read_evidence(bpy: Any, path: str, size: tuple[int, int], kinds: Kinds) -> Layers:
    _fits(path, size, kinds)
    try:
        return passes.read(bpy, path, size, kinds)
    except MachineError as fault:
        raise Fault(f"the evidence cannot be read: {fault}") from fault


def _fits(path: str, size: tuple[int, int], kinds: Kinds) -> None:
    """By its head, before anything unpacks it."""
    try:
        width, height, channels = window_of(path)
    except NoHeader as fault:
        raise Fault(f"the evidence is none: {fault}") from fault
    wanted = sum(len(of) for bands in kinds.values() for of, _ in bands.values())
    if (width, height) != size or channels > wanted + CHANNELS_MORE:
        said = f"{width} by {height}, {channels} channels"
        raise Fault(f"the evidence is {said}; {size[0]} by {size[1]}, {wanted} are expected")


# ── what it is held against ──────────────────────────────────────────────────────────────────────


def coarse(bpy: Any, scene: Any, order: dict[str, Any], progress: Progress) -> list[list[float]]:
    """How much varies where, by a small picture of our own; the scene is stripped afterwards."""
    progress.next("coarse picture")
    cutting.strip(scene)
    path = os.path.join(order["out"], "coarse.exr")
    frame = (order.get("frames") or [scene.frame_current])[0]
    with _small(scene), other_format(scene) as settings:
        flat.choose(settings)
        still(bpy, scene, frame, path)
    return comparing.variance(flat.read(path), CELLS)


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


class _Evidence(NamedTuple):
    """Of which frame, a folder to work in, and the passes that were delivered."""

    frame: int
    out: str
    kinds: Kinds
    layers: Layers


class _Rendered(NamedTuple):
    """A crop, the pixels that were rendered for it, and the file that has them."""

    crop: Crop
    area: Crop
    path: str


def _held(
    bpy: Any, scene: Any, crops: list[Crop], theirs: _Evidence, how: tuple[Progress, bool]
) -> list[dict[str, Any]]:
    """How each view layer of each crop compares, rendered of the stripped scene. ``how``: whether
    what differs is measured, too, by the noise.
    """
    progress, measures = how
    rendered = list[_Rendered]()
    for number, crop in enumerate(crops):
        progress.next(f"crop {number + 1}")
        rendered.append(_render(bpy, scene, crop, theirs, f"crop-{number}.exr"))
    # Reading renders another scene, and with that all is lost that was kept for the next crop.
    found = list[dict[str, Any]]()
    for one in rendered:
        ours, delivered = _read(bpy, one, theirs.kinds), _part(theirs, one.crop, size_of(scene))
        other: Layers = {}
        if measures and not _all_same(ours, delivered):
            with _other_seed(scene):
                noisy = _render(bpy, scene, one.crop, theirs, "other.exr")
            other = _read(bpy, noisy, theirs.kinds)
        found += _of_layers(one.crop, ours, delivered, other)
    return found


def _of_whole(
    bpy: Any, scene: Any, crops: list[Crop], theirs: _Evidence, progress: Progress
) -> list[dict[str, Any]]:
    """How the crops compare when they are cut out of the whole frame: a scene may come out
    otherwise in parts, which is no fault of who rendered it.
    """
    progress.next("whole frame")
    size = size_of(scene)
    ours, parts = _whole(bpy, scene, theirs, "whole.exr"), [_part(theirs, c, size) for c in crops]
    mine, other = [_part(ours, crop, size) for crop in crops], ours
    if not all(_all_same(of, part) for of, part in zip(mine, parts, strict=True)):
        progress.next("whole frame, another seed")
        with _other_seed(scene):
            other = _whole(bpy, scene, theirs, "whole-other.exr")
    found = list[dict[str, Any]]()
    for crop, of, part in zip(crops, mine, parts, strict=True):
        found += _of_layers(crop, of, part, _part(other, crop, size))
    return found


def _whole(bpy: Any, scene: Any, theirs: _Evidence, name: str) -> _Evidence:
    """The frame as a node renders its evidence."""
    path = os.path.join(theirs.out, name)
    still(bpy, scene, theirs.frame, path)
    return theirs._replace(layers=passes.read(bpy, path, size_of(scene), theirs.kinds))


def _render(bpy: Any, scene: Any, crop: Crop, theirs: _Evidence, name: str) -> _Rendered:
    area = cutting.rendered(crop, scene)
    cutting.select(scene, area)
    path = os.path.join(theirs.out, name)
    still(bpy, scene, theirs.frame, path)
    return _Rendered(crop, area, path)


def _read(bpy: Any, rendered: _Rendered, kinds: Kinds) -> Layers:
    """Every pass of the crop, its first row the lowest."""
    crop, area, path = rendered
    left, below = crop[0] - area[0], (area[1] + area[3]) - (crop[1] + crop[3])
    found = passes.read(bpy, path, (area[2], area[3]), kinds)
    return _cut(found, (left, below, crop[2], crop[3]))


def _all_same(ours: Layers, theirs: Layers) -> bool:
    return all(
        comparing.is_same(of, theirs[layer][name])
        for layer, bands in ours.items()
        for name, of in bands.items()
    )


def _of_layers(crop: Crop, ours: Layers, theirs: Layers, other: Layers) -> list[dict[str, Any]]:
    """Of each layer the pass that is farthest off: every one of them may make the picture."""
    found = list[dict[str, Any]]()
    for layer, bands in ours.items():
        noisy = other.get(layer, {})
        told = [
            {"pass": name} | comparing.compared(of, theirs[layer][name], noisy.get(name, of))
            for name, of in bands.items()
        ]
        found.append({"at": list(crop), "layer": layer, **comparing.worst(told)})
    return found


@contextlib.contextmanager
def _other_seed(scene: Any) -> Generator[None]:
    """The scene with another one; as it was, afterwards."""
    seed = scene.cycles.seed
    try:
        with held(scene, "cycles.seed"):
            scene.cycles.seed = (seed + SEED_STEP) % SEED_STEP**2
            yield
    finally:
        scene.cycles.seed = seed


def _cut(layers: Layers, box: tuple[int, int, int, int]) -> Layers:
    """Columns and rows from the lower left corner."""
    left, below, across, up = box
    return {
        layer: {name: of[below : below + up, left : left + across] for name, of in bands.items()}
        for layer, bands in layers.items()
    }


def _part(theirs: _Evidence, crop: Crop, size: tuple[int, int]) -> Layers:
    x, y, across, down = crop
    return _cut(theirs.layers, (x, size[1] - y - down, across, down))


def _finish(
    bpy: Any, order: dict[str, Any], frame: int, delivered: tuple[str, Layers]
) -> dict[str, Any] | None:
    """The picture made anew of the evidence, beside the one that was delivered; None where nobody
    here reads such a picture, and the files are not the same.
    """
    picture, layers = delivered
    scene = opened(bpy, order)
    prepare(scene, order)
    suffix = choose_format(scene.render, order.get("format"))
    path = os.path.join(order["out"], "our" + suffix)
    make(bpy, scene, frame, layers, (order["out"], "our" + suffix))
    known = may_be_opened(picture, suffix, size_of(scene))
    if not known and _same(path, picture):
        return {"equal": True, "off": None}
    ours = pixels_of(bpy, path)
    if not ours.size:  # of several layers: Blender shows no pixels of such an image
        return _layers(bpy, path, picture, size_of(scene)) if known else None
    theirs = pixels_of(bpy, picture)
    if theirs.shape != ours.shape:
        raise Fault("the picture is none, or has another size or other channels")
    return comparing.compared(ours, theirs)


def _layers(bpy: Any, ours: str, theirs: str, size: tuple[int, int]) -> dict[str, Any] | None:
    """The same of pictures of several layers, by every pass of them."""
    if not layered.same_layers(ours, theirs):
        raise Fault("the picture has other layers or passes than that of such a frame")
    if _same(ours, theirs):
        return {"equal": True, "off": None}
    try:
        return layered.compared(bpy, ours, theirs, size)
    except NoPixels:
        return None


def _same(one: str, other: str) -> bool:
    """Whether both are the same picture, however they are written; else the same file."""
    try:
        return bool(pictures.of_file(one)["sha256"] == pictures.of_file(other)["sha256"])
    except NoPixels:
        return filecmp.cmp(one, other, shallow=False)
