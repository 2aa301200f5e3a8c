"""Comparison sheet of a frame: its delivered picture, our render and their difference.

``comparison_sheet`` draws the sheet. This module opens the two pictures and marks the regions.
"""

import os
from typing import Any, NamedTuple

from ..formats.bounds import NoPixels
from ..ipc import MachineError, SceneError
from ..render import passes, tiles
from ..render.evidence import make
from ..render.frames import written_size
from ..scene.loader import opened
from ..scene.output import choose_format, size_of
from ..scene.settings import prepare
from . import comparison_sheet, image_comparison
from .delivered_files import DeliveryFault, copy_picture, may_be_opened, pixels_of
from .open_watchdog import SHEET, OpenProgress

Bands = dict[str, Any]  # array of a picture, or an array for each pass of each layer
OFF_MOST = 0.3  # maximum difference of device classes, as a multiple of the noise
FLOATS = (".exr", ".hdr")
SHOWN = "shown.png"
WHOLE = "whole.exr"  # our render of the whole frame in a check
UNDRAWN = (
    *(DeliveryFault, NoPixels, MachineError, SceneError, OSError, MemoryError, ValueError),
    LookupError,  # the delivered picture has other layers or passes
)


class DeliveredPicture(NamedTuple):
    """The decoded delivered picture. ``step``: the smallest difference in the picture's format."""

    path: str
    suffix: str
    size: tuple[int, int]
    step: float
    bands: Bands


def opened_picture(bpy: Any, scene: Any, path: str) -> DeliveredPicture:
    """Decode the delivered picture at ``path``. Raises DeliveryFault and NoPixels."""
    suffix, size = os.path.splitext(path)[1], written_size(scene)
    depth = int(scene.render.image_settings.color_depth)
    step = 0.0 if suffix in FLOATS else 1 / (2 ** min(depth, 16) - 1)
    return DeliveredPicture(path, suffix, size, step, bands_of(bpy, path, size))


def bands_of(bpy: Any, path: str, size: tuple[int, int]) -> Bands:
    """Return a picture's arrays by layer and pass, the lowest row first.

    A plain picture has one array.
    """
    pixels = pixels_of(bpy, path)
    if pixels.size:
        return {"": pixels}
    read = passes.read(bpy, path, size, passes.kinds_in(path))
    return {f"{layer}.{name}": of for layer, found in read.items() for name, of in found.items()}


def is_off(found: list[dict[str, Any]], most: float = OFF_MOST) -> bool:
    """Return True if a region differs by more than device classes do."""
    return any(not one["equal"] and (one["off"] is None or one["off"] > most) for one in found)


def draw(
    order: dict[str, Any], theirs: DeliveredPicture, ours: Bands, told: dict[str, Any]
) -> dict[str, Any]:
    """Write a sheet with both pictures and their difference, with the regions of the report marked.

    The file goes to the parent folder, because this order's folder has a random name.
    """
    name = next(iter(theirs.bands))
    pair = comparison_sheet.PicturePair(
        theirs.bands[name],
        ours[name],
        is_linear=theirs.step < 1 / 255,
        is_whole="whole" in told,
    )
    marks = [
        comparison_sheet.MarkedRegion((at[0], at[1], at[2], at[3]), is_off([one]), _words(one))
        for one in told["regions"]
        for at in (one["at"],)
    ]
    path = os.path.join(os.path.dirname(order["out"]), SHOWN)
    try:
        factor = comparison_sheet.write(path, pair, marks)
    except (OSError, MemoryError) as fault:
        raise SceneError(f"the comparison sheet cannot be written: {fault}") from fault
    return {"shown": SHOWN, "amplified": factor}


def _words(one: dict[str, Any]) -> str:
    if one["equal"]:
        return "equal"
    return "cannot be compared" if one["off"] is None else f"{one['off']:.2g} times the noise"


def is_drawn(sheet: Any, told: dict[str, Any]) -> bool:
    """Return True if the order asks for a sheet of this report: always, or of a difference."""
    if sheet != "different":
        return bool(sheet)
    found = [*told["crops"], told.get("finish") or {"equal": True}]
    return not all(one["equal"] for one in found)


def draw_checked(
    bpy: Any, order: dict[str, Any], frame: int, told: dict[str, Any], progress: OpenProgress
) -> None:
    """Write the sheet of a frame that a check has rendered whole; ``told``: the check's report.

    The report does not depend on the sheet: there is none if a picture cannot be shown, and if this
    process dies, the report is complete.
    """
    progress.found = told
    scene = opened(bpy, order)
    prepare(scene, order)
    size, suffix = written_size(scene), choose_format(scene.render, order.get("format"))
    try:
        theirs = copy_picture(order, suffix, size)
        with progress.about(SHEET, size):
            if may_be_opened(theirs, suffix, size):
                ours = bands_of(bpy, _our_picture(bpy, scene, order, frame, suffix), size)
                marks = {"regions": _by_place(told["crops"]), "whole": True}
                draw(order, opened_picture(bpy, scene, theirs), ours, marks)
    except UNDRAWN:
        return


def _our_picture(bpy: Any, scene: Any, order: dict[str, Any], frame: int, suffix: str) -> str:
    """Return the path of our picture. If the check ended before, make it of our passes."""
    path = os.path.join(order["out"], "our" + suffix)
    if not os.path.exists(path):
        kinds = tiles.tile_kinds(scene)
        whole = os.path.join(order["out"], WHOLE)
        layers = passes.read(bpy, whole, size_of(scene), kinds)
        make(bpy, scene, frame, layers, (order["out"], "our" + suffix))
    return path


def _by_place(crops: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a crop for each place, worst first; of several view layers the one that differs most.

    A frame that was compared at once has no places.
    """
    left, found = [one for one in crops if "at" in one], list[dict[str, Any]]()
    while left:
        found.append(image_comparison.worst(left))
        left = [one for one in left if one["at"] != found[-1]["at"]]
    return found
