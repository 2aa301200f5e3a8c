"""Choice of the device that Cycles renders on: the processor, or one graphics card.

If no card is active, Cycles renders on the processor and does not say so. Therefore each render
checks the card first.
"""

import sys
from dataclasses import dataclass
from typing import Any

from ..ipc import MachineError


@dataclass
class _Chosen:
    """The backend and the identifier of the card that this process renders on, if any."""

    backend: str = ""
    card: str = ""


_chosen = _Chosen()


def choose(scene: Any, wanted: dict[str, str] | None) -> None:
    """Let Cycles render on the card ``wanted`` (``type``, ``pci``) alone; on the processor if None.

    Raises MachineError if Cycles does not find the card.
    """
    _chosen.backend = _chosen.card = ""
    if wanted is None:
        scene.cycles.device = "CPU"
        return
    bpy = sys.modules["bpy"]
    backend, preferences = wanted["type"], _preferences(bpy)
    try:
        preferences.compute_device_type = backend
    except TypeError as fault:
        raise MachineError(f"this Blender does not render with {backend}") from fault
    found = [one for one in preferences.get_device_list(backend) if one[1] == backend]
    ours = [one[2] for one in found if wanted["pci"].lower() in one[2].lower()]
    if len(ours) != 1:
        names = ", ".join(one[0] for one in found) or "none"
        raise MachineError(f"Cycles does not find the card {wanted['pci']} with {backend}: {names}")
    for entry in preferences.devices:
        entry.use = entry.type == backend and entry.id == ours[0]
    _chosen.backend, _chosen.card = backend, ours[0]
    for each in bpy.data.scenes:  # strips and the compositor show other scenes
        each.cycles.device = "GPU"
    check(scene)


def check(scene: Any) -> None:
    """Raise MachineError if Cycles would not render on exactly the chosen card."""
    if not _chosen.card or scene.render.engine != "CYCLES":
        return
    preferences = _preferences(sys.modules["bpy"])
    there = {one[2] for one in preferences.get_device_list(_chosen.backend)}
    active = [one.id for one in preferences.devices if one.use and one.id in there]
    is_set = preferences.compute_device_type == _chosen.backend and scene.cycles.device == "GPU"
    if not is_set or active != [_chosen.card]:
        raise MachineError("the graphics card is not active: Cycles would render on the processor")


def _preferences(bpy: Any) -> Any:
    return bpy.context.preferences.addons["cycles"].preferences
