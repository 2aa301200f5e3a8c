"""Check of a frame by a machine of another device kind or instruction set, in two steps.

The first step renders with the same seed. All devices then draw the same random numbers, so most
renders are equal or nearly equal. If the first step does not decide, the second step tests whether
the result stands out among renders with other seeds (``exchangeability``). The report has the
numbers, and the gateway decides.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..render.passes import Array, Layers
from . import exchangeability, frame_crops, view_transform
from .composited_check import other_seed
from .crop_placement import Crop, enlarged
from .exchangeability import ACCEPTED, FEW_NOISY, REFUSED, UNSAID, Exchangeability
from .frame_crops import EvidencePasses, RenderedCrop
from .open_watchdog import OpenProgress

CONSISTENT_MOST = 0.3  # maximum difference with the same seed, as a multiple of the noise
EXACT, CONSISTENT = "exact", "consistent"
COMBINED = "Combined"


class SeedCheck(NamedTuple):
    """Settings of the renders for a check.

    ``anew`` opens the stripped scene without kept data. ``whole``: render the whole frame or tile,
    and cut the regions out, instead of rendering only regions.
    """

    anew: Callable[[], Any]
    whole: bool
    progress: OpenProgress


def same_seed(crops: list[dict[str, Any]]) -> str | None:
    """Return the outcome of the first step; None if the first step does not decide."""
    if all(one["equal"] for one in crops):
        return EXACT
    off = [0.0 if one["equal"] else one["off"] for one in crops]
    return CONSISTENT if all(of is not None and of <= CONSISTENT_MOST for of in off) else None


def other_seeds(
    bpy: Any, theirs: EvidencePasses, crops: tuple[list[Crop], list[Crop]], how: SeedCheck
) -> dict[str, Any]:
    """Return the result of the second step.

    The first look uses the first crops. If the first look leads to a refusal, a second look uses
    other crops and other seeds.
    """
    first, second = exchangeability.SEEDS_FIRST, exchangeability.SEEDS_SECOND
    numbers = range(1, first + 1), range(first + 1, first + second + 1)
    looks = list[dict[str, Exchangeability]]()
    for places, of in zip(crops, numbers, strict=True):
        scene = how.anew()
        # In the second look, Blender keeps no data between renders, so that no refusal depends on
        # kept data.
        scene.render.use_persistent_data = not looks
        looks.append(_look(bpy, scene, theirs, (places, of), how))
        if together(looks[-1]) != REFUSED:
            break
    told = [[_told(layer, of) for layer, of in look.items()] for look in looks]
    return {"outcome": together(looks[-1]), "looks": told}


def together(look: dict[str, Exchangeability]) -> str:
    """Return the outcome over all view layers; layers without any noise are ignored."""
    outcomes = {of.outcome for of in look.values() if of.noisy or of.unsaid != FEW_NOISY}
    if REFUSED in outcomes:
        return REFUSED
    return ACCEPTED if outcomes == {ACCEPTED} else UNSAID


def _look(
    bpy: Any, scene: Any, theirs: EvidencePasses, of: tuple[list[Crop], range], how: SeedCheck
) -> dict[str, Exchangeability]:
    """Compare each view layer in regions around the crops.

    The range in ``of`` selects the seeds.
    """
    crops, numbers = of
    left, top, *size = theirs.area
    inner = [(x - left, y - top, across, down) for x, y, across, down in crops]
    grid = enlarged(inner, (size[0], size[1]), exchangeability.CELLS_LEAST)
    regions = [(left + x, top + y, across, down) for x, y, across, down in grid]
    rendered = list[list[RenderedCrop]]()
    for number in numbers:
        how.progress.next(f"seed {number}")
        with other_seed(scene, number):
            rendered.append(_rendered(bpy, scene, theirs, regions, (number, how.whole)))
    # Read the regions after all renders, because reading renders another scene, which drops the
    # data kept for the next render.
    ours = [_regions(bpy, theirs, one, regions) for one in rendered]
    delivered = [frame_crops.part(theirs, region) for region in regions]

    def cells(pictures: list[Layers], layer: str) -> Array:
        light = [of[layer][COMBINED] for of in pictures]
        return exchangeability.cells_in(
            grid, [view_transform.shown(bpy, scene, p, theirs.out) for p in light]
        )

    found = dict[str, Exchangeability]()
    for layer, bands in theirs.kinds.items():
        if regions and COMBINED in bands:
            mine = np.stack([cells(one, layer) for one in ours])
            found[layer] = exchangeability.compare(mine, cells(delivered, layer))
    return found


def _rendered(
    bpy: Any, scene: Any, theirs: EvidencePasses, regions: list[Crop], how: tuple[int, bool]
) -> list[RenderedCrop]:
    number, whole = how
    areas = [theirs.area] if whole else regions
    return [
        frame_crops.render(
            bpy, scene, theirs.frame, area, os.path.join(theirs.out, f"seed-{number}-{place}.exr")
        )
        for place, area in enumerate(areas)
    ]


def _regions(
    bpy: Any, theirs: EvidencePasses, rendered: list[RenderedCrop], regions: list[Crop]
) -> list[Layers]:
    """Return the passes of each region, which was rendered alone or within a larger area."""
    read = [frame_crops.read(bpy, one, theirs.kinds) for one in rendered]
    if [one.crop for one in rendered] == regions:
        return read
    whole = theirs._replace(layers=read[0])
    return [frame_crops.part(whole, region) for region in regions]


def _told(layer: str, look: Exchangeability) -> dict[str, Any]:
    numbers = {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in look._asdict().items()
    }
    return {"layer": layer, "outcome": look.outcome, **numbers}
