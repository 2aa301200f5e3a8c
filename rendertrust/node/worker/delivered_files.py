"""Delivered files: untrusted, so their headers are checked before Blender decodes them."""

import os
import shutil
from typing import Any

from . import render_passes
from .exr_headers import NoHeader, window_of
from .ipc import MachineError
from .render_passes import Kinds, Layers

CHANNELS_MORE = 8


class DeliveryFault(Exception):
    """The delivered file is invalid; the text says why."""


class NoEvidence(DeliveryFault):
    """The picture has no evidence."""


def bytes_most(size: tuple[int, int], kinds: Kinds) -> int:
    """Return the largest plausible size of a file with these pixels and passes."""
    channels = sum(len(of) for bands in kinds.values() for of, _ in bands.values())
    return size[0] * size[1] * (channels + CHANNELS_MORE) * 4 * 2 + (1 << 20)


def files_of(order: dict[str, Any], suffix: str, most: int) -> tuple[str, str]:
    """Copy picture and evidence, of ``most`` bytes each, to names with the right suffix."""
    if not order.get("evidence"):
        raise NoEvidence("the picture has no evidence")
    paths = []
    for name, ending in (("picture", suffix), ("evidence", ".exr")):
        if os.path.getsize(order[name]) > most:
            raise DeliveryFault(f"the {name} is larger than possible for this frame")
        paths.append(os.path.join(order["out"], f"their-{name}{ending}"))
        shutil.copyfile(order[name], paths[-1])
    return paths[0], paths[1]


def read_evidence(bpy: Any, path: str, size: tuple[int, int], kinds: Kinds) -> Layers:
    fits(path, size, kinds)
    try:
        return render_passes.read(bpy, path, size, kinds)
    except MachineError as fault:
        raise DeliveryFault(f"the evidence cannot be read: {fault}") from fault


def fits(path: str, size: tuple[int, int], kinds: Kinds) -> None:
    """Check the evidence's size and channels by its header, before anything decodes it."""
    try:
        width, height, channels = window_of(path)
    except NoHeader as fault:
        raise DeliveryFault(f"the evidence is invalid: {fault}") from fault
    wanted = sum(len(of) for bands in kinds.values() for of, _ in bands.values())
    if (width, height) != size or channels > wanted + CHANNELS_MORE:
        said = f"{width} by {height}, {channels} channels"
        raise DeliveryFault(f"the evidence is {said}; expected {size[0]} by {size[1]}, {wanted}")
