"""What was delivered: a stranger's files, whose heads are looked at before Blender unpacks them."""

import os
import shutil
from typing import Any

from . import render_passes
from .exr_headers import NoHeader, window_of
from .ipc import MachineError
from .render_passes import Kinds, Layers

CHANNELS_MORE = 8


class DeliveryFault(Exception):
    """What was delivered is not what it must be; the text says what."""


class NoEvidence(DeliveryFault):
    """There is no evidence beside the picture."""


def bytes_most(size: tuple[int, int], kinds: Kinds) -> int:
    """What a file of so many pixels can have at most, packed badly."""
    channels = sum(len(of) for bands in kinds.values() for of, _ in bands.values())
    return size[0] * size[1] * (channels + CHANNELS_MORE) * 4 * 2 + (1 << 20)


def files_of(order: dict[str, Any], suffix: str, most: int) -> tuple[str, str]:
    """Both files, under names that say what they are; so many bytes each at most."""
    if not order.get("evidence"):
        raise NoEvidence("there is no evidence beside the picture")
    paths = []
    for name, ending in (("picture", suffix), ("evidence", ".exr")):
        if os.path.getsize(order[name]) > most:
            raise DeliveryFault(f"the {name} is larger than that of such a frame can be")
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
    """By its head, before anything unpacks it."""
    try:
        width, height, channels = window_of(path)
    except NoHeader as fault:
        raise DeliveryFault(f"the evidence is none: {fault}") from fault
    wanted = sum(len(of) for bands in kinds.values() for of, _ in bands.values())
    if (width, height) != size or channels > wanted + CHANNELS_MORE:
        said = f"{width} by {height}, {channels} channels"
        raise DeliveryFault(
            f"the evidence is {said}; {size[0]} by {size[1]}, {wanted} are expected"
        )
