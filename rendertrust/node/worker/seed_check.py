"""Check of a frame by a machine of another device kind or instruction set, in two steps.

The same seed comes first: all devices draw the same random numbers, so most renders are equal, or
nearly. Where that does not decide, renders with other seeds are what an honest delivery must not
stand out from (``exchangeable``). The report has the numbers; the gateway decides.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import exchangeability, frame_crops, view_transform
from .composited_check import other_seed
from .crop_placement import Crop, enlarged
from .exchangeability import ACCEPTED, FEW_NOISY, REFUSED, UNSAID, Exchangeability
from .frame_crops import EvidencePasses, RenderedCrop
from .open_watchdog import OpenProgress
from .render_passes import Array, Layers

CONSISTENT_MOST = 0.3  # times the noise, of the same seed
EXACT, CONSISTENT = "exact", "consistent"
COMBINED = "Combined"


class SeedCheck(NamedTuple):
    """``anew`` opens the stripped scene, of which nothing is kept. ``whole``: regions are cut out
    of the frame, or the tile, that is rendered at once.
    """

    anew: Callable[[], Any]
    whole: bool
    progress: OpenProgress


def same_seed(crops: list[dict[str, Any]]) -> str | None:
    """Outcome of the first step; None where it does not decide."""
    if all(one["equal"] for one in crops):
        return EXACT
    off = [0.0 if one["equal"] else one["off"] for one in crops]
    return CONSISTENT if all(of is not None and of <= CONSISTENT_MOST for of in off) else None


def other_seeds(
    bpy: Any, theirs: EvidencePasses, crops: tuple[list[Crop], list[Crop]], how: SeedCheck
) -> dict[str, Any]:
    """Result of the second step: of a look at the first crops and, where that refuses, of a second
    look at the other ones, with seeds that no look before it had.
    """
    first, second = exchangeability.SEEDS_FIRST, exchangeability.SEEDS_SECOND
    numbers = range(1, first + 1), range(first + 1, first + second + 1)
    looks = list[dict[str, Exchangeability]]()
    for places, of in zip(crops, numbers, strict=True):
        scene = how.anew()
        # No refusal rests on what was kept from another render: a second look keeps nothing.
        scene.render.use_persistent_data = not looks
        looks.append(_look(bpy, scene, theirs, (places, of), how))
        if together(looks[-1]) != REFUSED:
            break
    told = [[_told(layer, of) for layer, of in look.items()] for look in looks]
    return {"outcome": together(looks[-1]), "looks": told}


def together(look: dict[str, Exchangeability]) -> str:
    """Outcome of all view layers. One in which nothing differs says nothing, which does not matter
    beside others.
    """
    outcomes = {of.outcome for of in look.values() if of.noisy or of.unsaid != FEW_NOISY}
    if REFUSED in outcomes:
        return REFUSED
    return ACCEPTED if outcomes == {ACCEPTED} else UNSAID


def _look(
    bpy: Any, scene: Any, theirs: EvidencePasses, of: tuple[list[Crop], range], how: SeedCheck
) -> dict[str, Exchangeability]:
    """Compare each view layer in regions around the crops, with seeds of these numbers."""
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
    # Reading renders another scene, and with that all is lost that was kept for the next render.
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
        frame_crops.render(bpy, scene, area, theirs, f"seed-{number}-{place}.exr")
        for place, area in enumerate(areas)
    ]


def _regions(
    bpy: Any, theirs: EvidencePasses, rendered: list[RenderedCrop], regions: list[Crop]
) -> list[Layers]:
    """Passes of each region, wherever it was rendered."""
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
