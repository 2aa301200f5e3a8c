"""Crops of a frame, which are rendered, read from a file, or cut out of delivered passes."""

from typing import Any, NamedTuple

from ..render import passes, tiles
from ..render.frames import still
from ..render.passes import Kinds, Layers
from .crop_placement import Crop


class EvidencePasses(NamedTuple):
    """Delivered passes of an area of a frame, and a folder for temporary files."""

    frame: int
    out: str
    kinds: Kinds
    layers: Layers
    area: Crop


class RenderedCrop(NamedTuple):
    """A crop, the area that was rendered for the crop, and the path of the file with this area."""

    crop: Crop
    area: Crop
    path: str


def render(bpy: Any, scene: Any, frame: int, crop: Crop, path: str) -> RenderedCrop:
    """Render the crop, with the margin that its passes need, to ``path``.

    ``scene`` has no compositor and denoiser any more.
    """
    area = tiles.rendered(crop, scene)
    tiles.select(scene, area)
    still(bpy, scene, frame, path)
    return RenderedCrop(crop, area, path)


def read(bpy: Any, rendered: RenderedCrop, kinds: Kinds) -> Layers:
    """Return all passes of the crop, the lowest row first."""
    crop, area, path = rendered
    left, below = crop[0] - area[0], (area[1] + area[3]) - (crop[1] + crop[3])
    found = passes.read(bpy, path, (area[2], area[3]), kinds)
    return cut(found, (left, below, crop[2], crop[3]))


def cut(layers: Layers, box: tuple[int, int, int, int]) -> Layers:
    """Cut all passes to a box (x, y, width, height), measured from the lower left corner."""
    left, below, across, up = box
    return {
        layer: {name: of[below : below + up, left : left + across] for name, of in bands.items()}
        for layer, bands in layers.items()
    }


def part(theirs: EvidencePasses, crop: Crop) -> Layers:
    """Cut the crop out of the delivered passes."""
    x, y, across, down = crop
    left, top, _, high = theirs.area
    return cut(theirs.layers, (x - left, (top + high) - (y + down), across, down))
