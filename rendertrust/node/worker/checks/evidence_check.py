"""Check of a frame: renders parts of it again, and compares them with the picture's evidence.

The picture is also rebuilt from the evidence. Picture and evidence are untrusted, so headers are
checked before Blender decodes a file. A ``fault`` in the report is a fault of the delivering node.
Errors of the scene or of this machine end the order as usual, and say nothing about the result.
"""

import os
import shutil
import time
from typing import Any

from ..formats import picture_digest
from ..ipc import Say
from ..render import passes, tiles
from ..render.evidence import make
from ..render.frames import facts, still
from ..render.passes import Layers, channels_in
from ..scene import nondeterminism
from ..scene.loader import opened
from ..scene.output import choose_format, size_of
from ..scene.settings import prepare
from . import (
    composited_check,
    eevee_check,
    frame_crops,
    image_comparison,
    quick_look,
    seed_check,
)
from .coarse_render import coarse
from .composited_check import beside, other_seed
from .crop_placement import Crop, place
from .delivered_files import DeliveryFault, NoEvidence, bytes_most, files_of, read_evidence
from .exchangeability import REFUSED
from .frame_crops import EvidencePasses, RenderedCrop
from .frame_sheet import WHOLE, draw_checked, is_drawn
from .open_watchdog import EVIDENCE, MAKING, PICTURE, OpenProgress

OURS = "ours.exr"  # its copy for a second worker


def check(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Check the delivered ``picture`` and ``evidence``.

    ``draws`` place the crops. The report has the difference of each crop and of the picture, or a
    ``fault`` of the result. ``unable`` in the report is the reason why the scene cannot be checked.
    Without draws, the order is a quick look at picture and evidence; a ``suspect`` result should
    get a check. ``whole``: render the whole frame as its node did, and cut the crops out.
    ``across``: another kind of device or instruction set made the result; the value lists the draws
    of a second look. ``keep``: leave our render of the whole frame to a second worker. ``places``:
    a previous worker rendered the evidence; compare only these crops. ``sheet``: also draw a
    comparison sheet of the whole frame; ``different``: only if the frame differs.
    """
    started = time.monotonic()
    scene = opened(bpy, order)
    prepare(scene, order)
    frame = (order.get("frames") or [scene.frame_current])[0]
    reasons, depends = tiles.obstacles(scene), nondeterminism.device_note(scene, order)
    excuse = nondeterminism.fault_note(bpy)
    progress = OpenProgress(say, len(order["draws"]) + 2, order)
    progress.watch(bpy)
    try:
        if reasons:
            told = quick_look.uncut_frame(bpy, scene, order, progress)
            again = _again(bpy, order, frame, progress) if order.get("whole") else None
            told = told | (again or {"unable": reasons[0], "uncut": True})
        elif order["draws"]:
            told = _compare(bpy, scene, order, frame, progress)
        else:
            told = quick_look.frame(bpy, scene, order, progress)
    except DeliveryFault as fault:
        told = {"fault": str(fault), **({"bare": True} if isinstance(fault, NoEvidence) else {})}
        told |= excuse
    # ``depends`` and ``excuse`` were computed above, because the checks change the scene.
    told |= depends
    if told.get("whole") and is_drawn(order.get("sheet"), told):
        draw_checked(bpy, order, frame, told, progress)
    say("done", frame=frame, **told, **facts(bpy, bpy.context.scene, started))


def _compare(
    bpy: Any, scene: Any, order: dict[str, Any], frame: int, progress: OpenProgress
) -> dict[str, Any]:
    size, kinds = size_of(scene), tiles.tile_kinds(scene)
    suffix = choose_format(scene.render, order.get("format"))
    picture, evidence = files_of(order, suffix, bytes_most(size, kinds))
    with progress.about(EVIDENCE, size, channels_in(kinds), theirs=evidence, kinds=kinds):
        layers = read_evidence(bpy, evidence, size, kinds)
    theirs = EvidencePasses(frame, order["out"], kinds, layers, (0, 0, *size))
    told = crops_of(bpy, scene, order, theirs, progress)
    progress.next("picture")
    # Opening the picture may crash this process, so record the crops' results first.
    progress.found = told
    across = told.get("across", {}).get("outcome")
    is_refused = across is None and image_comparison.is_far(told["crops"])
    if across == REFUSED or is_refused or "places" in order:
        return told
    if order.get("whole"):  # delivered passes may crash the compositor of this process
        ours = passes.read(bpy, os.path.join(order["out"], WHOLE), size, kinds)
        told |= finished(bpy, order, frame, (picture, ours), progress)
        if told["finish"] is None or told["finish"]["equal"] or _are_equal(told["crops"]):
            return told
        # A denoiser amplifies small differences of the passes, so an honest picture may equal only
        # the picture of its own evidence.
        progress.found = told
    return told | finished(bpy, order, frame, (picture, theirs.layers), progress)


def _are_equal(crops: list[dict[str, Any]]) -> bool:
    return all(crop["equal"] for crop in crops)


def crops_of(
    bpy: Any, scene: Any, order: dict[str, Any], theirs: EvidencePasses, progress: OpenProgress
) -> dict[str, Any]:
    """Compare the drawn crops with the delivered passes, for each view layer."""
    scene.render.use_persistent_data = True  # keep prepared data between renders
    grid = coarse(bpy, scene, order, progress, theirs.area)
    crops = _placed(order["draws"], theirs.area, grid)
    if "places" in order:
        crops = [(x, y, across, down) for x, y, across, down in order["places"]]
    told: dict[str, Any]
    if order.get("whole"):
        found = _of_whole(bpy, _anew(bpy, order), crops, theirs, progress)
        told = {"whole": True, "crops": found}
        if order.get("keep"):
            told |= {"kept": [keep(os.path.join(theirs.out, WHOLE), OURS)]}
    else:
        told = {"crops": (found := _of_crops(bpy, scene, crops, theirs, (order, progress)))}
    if order.get("across"):
        told["across"] = _across(bpy, order, (found, crops), (theirs, grid), progress)
    return told


def keep(path: str, name: str) -> str:
    """Copy our render to the parent folder, as this order's folder has a random name."""
    shutil.copyfile(path, os.path.join(os.path.dirname(path), os.pardir, name))
    return name


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
    """Return the comparison across devices, with the same seed or, if undecided, other seeds."""
    (found, crops), (theirs, grid) = first, of
    outcome = seed_check.same_seed(found)
    if outcome is not None:
        return {"outcome": outcome}
    second = _placed(order["across"], theirs.area, grid)
    how = seed_check.SeedCheck(lambda: _anew(bpy, order), bool(order.get("whole")), progress)
    return seed_check.other_seeds(bpy, theirs, (crops, second), how)


def _anew(bpy: Any, order: dict[str, Any]) -> Any:
    """Open the scene again and strip the scene. Blender keeps no prepared data between renders."""
    scene = opened(bpy, order)
    prepare(scene, order)
    tiles.strip(scene)
    scene.render.use_persistent_data = False
    return scene


def _of_crops(
    bpy: Any,
    scene: Any,
    crops: list[Crop],
    theirs: EvidencePasses,
    how: tuple[dict[str, Any], OpenProgress],
) -> list[dict[str, Any]]:
    """Render the crops of the stripped scene, and compare them for each view layer.

    Crops that differ are rendered again, with the same seed and with another seed. Before, the
    scene is opened again, because Blender has kept data of the small picture, which has other
    details.
    """
    (order, progress), rendered = how, list[RenderedCrop]()
    for number, crop in enumerate(crops):
        progress.next(f"crop {number + 1}")
        rendered.append(_render(bpy, scene, theirs, crop, f"crop-{number}.exr"))
    # Read the crops after all renders, because reading renders another scene, which drops the data
    # kept for the next crop.
    ours = [frame_crops.read(bpy, one, theirs.kinds) for one in rendered]
    delivered = [frame_crops.part(theirs, crop) for crop in crops]
    differing = [n for n in range(len(crops)) if not _all_same(ours[n], delivered[n])]
    others: dict[int, Layers] = {}
    if differing:
        progress.doubt()
        again = _with_other_seed(bpy, order, {n: crops[n] for n in differing}, theirs)
        for n, (same, other) in again.items():
            ours[n] = frame_crops.read(bpy, same, theirs.kinds)
            others[n] = frame_crops.read(bpy, other, theirs.kinds)
    found = list[dict[str, Any]]()
    for n, crop in enumerate(crops):
        found += _of_layers(crop, ours[n], delivered[n], others.get(n, {}))
    return found


def _with_other_seed(
    bpy: Any, order: dict[str, Any], crops: dict[int, Crop], theirs: EvidencePasses
) -> dict[int, tuple[RenderedCrop, RenderedCrop]]:
    """Render each crop with the scene's seed and with another seed.

    The scene is prepared only once.
    """
    scene, found = _anew(bpy, order), dict[int, tuple[RenderedCrop, RenderedCrop]]()
    scene.render.use_persistent_data = True
    for n, crop in crops.items():
        same = _render(bpy, scene, theirs, crop, f"crop-{n}.exr")
        with other_seed(scene):
            found[n] = same, _render(bpy, scene, theirs, crop, f"other-{n}.exr")
    return found


def _render(bpy: Any, scene: Any, theirs: EvidencePasses, crop: Crop, name: str) -> RenderedCrop:
    return frame_crops.render(bpy, scene, theirs.frame, crop, os.path.join(theirs.out, name))


def _of_whole(
    bpy: Any, scene: Any, crops: list[Crop], theirs: EvidencePasses, progress: OpenProgress
) -> list[dict[str, Any]]:
    """Compare crops that are cut out of the whole frame.

    Some scenes render differently in regions, and the node is not to blame for this difference.
    """
    progress.next("whole frame")
    ours, delivered = (
        _whole(bpy, scene, theirs, WHOLE),
        [frame_crops.part(theirs, c) for c in crops],
    )
    mine, other = [frame_crops.part(ours, crop) for crop in crops], ours
    if not all(_all_same(of, part) for of, part in zip(mine, delivered, strict=True)):
        progress.doubt()
        progress.next("whole frame, another seed")
        with other_seed(scene):
            other = _whole(bpy, scene, theirs, "whole-other.exr")
    found = list[dict[str, Any]]()
    for crop, of, part in zip(crops, mine, delivered, strict=True):
        found += _of_layers(crop, of, part, frame_crops.part(other, crop))
    return found


def _whole(bpy: Any, scene: Any, theirs: EvidencePasses, name: str) -> EvidencePasses:
    """Render the whole frame or tile, as a node renders evidence."""
    path, size = os.path.join(theirs.out, name), theirs.area[2:]
    if size != size_of(scene):
        tiles.select(scene, theirs.area)
    still(bpy, scene, theirs.frame, path)
    return theirs._replace(layers=passes.read(bpy, path, size, theirs.kinds))


def _all_same(ours: Layers, theirs: Layers) -> bool:
    return all(
        image_comparison.is_same(of, theirs[layer][name])
        for layer, bands in ours.items()
        for name, of in bands.items()
    )


def _of_layers(crop: Crop, ours: Layers, theirs: Layers, other: Layers) -> list[dict[str, Any]]:
    """Return the pass that differs most in each layer. Any layer may affect the picture."""
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
    """Rebuild the picture from the evidence, and compare the result with the delivered picture.

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


# ── a frame that cannot be split ──────────────────────────────────────────────────────────────────


def _again(
    bpy: Any, order: dict[str, Any], frame: int, progress: OpenProgress
) -> dict[str, Any] | None:
    """Render the whole frame as its node did, and compare the result with the delivered picture.

    Return None if the picture's format cannot be read.
    """
    progress.next("whole frame")
    path = composited_check.render(bpy, order, frame, "our")
    is_drawn = nondeterminism.is_drawn(bpy.context.scene)
    theirs = os.path.join(order["out"], "their" + os.path.splitext(path)[1])
    found = composited_check.compared(bpy, order, frame, (path, theirs), progress)
    if found is None:
        return None
    told: dict[str, Any] = {"whole": True, "crops": [found], "finish": {"equal": True, "off": None}}
    if is_drawn:
        told["across"] = eevee_check.compare(
            bpy, order, frame, (path, theirs), progress, is_equal=found["equal"]
        )
    return told
