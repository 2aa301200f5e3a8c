"""Test whether Cycles renders on a graphics card, and compile its kernels once.

A driver may compile Cycles' kernels for minutes. So the node renders a scene of its own once for
each state of Blender and the card's driver, before it offers work. All processes get a copy of what
was compiled then (``driver_cache``).
"""

import asyncio
import os
from pathlib import Path
from typing import Final

import attrs

from rendertrust.node.blender import Blender
from rendertrust.node.child_process import ProcessExit
from rendertrust.node.devices import AMD, INTEL, NVIDIA, Device
from rendertrust.node.driver_cache import (
    LIBRARY_FOLDERS,
    STATES_MAX,
    hash_of,
    is_stored,
    keep,
    turn,
    warm_folder,
)

SECONDS_MAX: Final = 600.0  # of a small picture, for which a driver may compile kernels
WARM_SECONDS_MAX: Final = 1800.0
# The libraries that compile kernels, and their folders besides the system's.
_COMPILERS: Final = {
    NVIDIA: ("libcuda.so*", "libnvidia-ptxjitcompiler.so*", "libnvoptix.so*", "libnvidia-rtcore*"),
    AMD: ("libamdhip64.so*", "libamd_comgr.so*"),
    INTEL: ("libze_loader.so*", "libze_intel_gpu.so*", "libigc.so*", "intel-opencl/libigdrcl.so"),
}
_FOLDERS: Final = ("/opt/rocm/lib", "/usr/local/lib")


def state_of(blender: Blender, device: Device) -> str:
    """Return a hash over all that compiled kernels depend on: Blender, card, user and driver."""
    card = device.card
    facts = [blender.build, blender.version, blender.is_sandboxed, os.getuid()]
    of_card = [device.backend, card.architecture, card.name, card.driver]
    return hash_of([*facts, *of_card], (*LIBRARY_FOLDERS, *_FOLDERS), _COMPILERS[card.maker])


def with_kernels(blender: Blender) -> Blender:
    """Return the Blender, which knows where the kernels for its card are stored."""
    if blender.device is None:
        return blender
    return attrs.evolve(blender, compiled=warm_folder(state_of(blender, blender.device)))


async def render(blender: Blender, folder: Path) -> ProcessExit:
    """Render a small picture on the card, in the work folder ``folder``."""
    blender.box.prepare(folder)
    return await blender.obey({"do": "try"}, folder, within=SECONDS_MAX, hear=lambda _: None)


async def warm(blender: Blender, folder: Path) -> None:
    """Store the kernels that Cycles needs for a scene of ours, unless they are stored.

    ``folder``: the work folder of ``render``, whose kernels are among those. If another node of
    this user does it now, or it fails, each job compiles what is missing. Raises OSError if nothing
    can be stored.
    """
    kernels = blender.compiled
    if kernels is None or is_stored(kernels):
        return
    with turn(kernels) as is_ours:
        if is_ours:
            order = {"do": "compile"}
            await blender.obey(order, folder, within=WARM_SECONDS_MAX, hear=lambda _: None)
            kind = blender.cache_kind
            await asyncio.to_thread(keep, folder / "home", kernels, STATES_MAX, kind)
