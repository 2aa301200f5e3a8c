"""Multi-layer OpenEXR pictures, read as passes because Blender exposes no pixels of them."""

from typing import Any

from . import image_comparison, render_passes
from .exr_headers import NoHeader, channels_of
from .png_pixels import NoPixels
from .render_passes import Kinds

KINDS = {"RGBA": "COLOR", "RGB": "COLOR", "XYZ": "VECTOR", "XYZW": "VECTOR"}


def same_layers(one: str, other: str) -> bool:
    """Return True if both files have the same channels. Raises OSError, NoHeader."""
    return channels_of(one) == channels_of(other)


def compared(bpy: Any, files: tuple[str, ...], size: tuple[int, int]) -> dict[str, Any]:
    """Compare all passes of our file, theirs and, if given, ours with another seed.

    The worst pass counts. Raises NoPixels, MachineError.
    """
    kinds = kinds_in(files[0])
    read = [render_passes.read(bpy, path, size, kinds) for path in files]
    return image_comparison.worst(
        [
            image_comparison.compared(*(of[layer][name] for of in read))
            for layer, bands in kinds.items()
            for name in bands
        ]
    )


def kinds_in(path: str) -> Kinds:
    """Return a file's passes from channels named ``layer.pass.channel``. Raises NoPixels."""
    letters: dict[tuple[str, str], list[str]] = {}
    try:
        names = channels_of(path)
    except NoHeader as fault:
        raise NoPixels(str(fault)) from fault
    for name in names:
        parts = name.rsplit(".", 2)
        if len(parts) != 3 or len(parts[2]) != 1:
            raise NoPixels("its channels are not those of layers")
        letters.setdefault((parts[0], parts[1]), []).append(parts[2])
    kinds: Kinds = {}
    for (layer, band), found in letters.items():
        kinds.setdefault(layer, {})[band] = _kind(sorted(found))
    return kinds


def _kind(channels: list[str]) -> tuple[str, str]:
    """Return the channels in Blender's order, and their kind."""
    for order, kind in KINDS.items():
        if sorted(order) == channels:
            return order, kind
    return "".join(channels), "VALUE"
