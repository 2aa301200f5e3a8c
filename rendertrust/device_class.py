"""Device classes as nodes report them: device, instruction set, Blender build."""

from functools import lru_cache
from typing import TypeAlias

Kin: TypeAlias = tuple[str, str]  # the kind of device, the build


def is_kin(one: str, other: str) -> bool:
    """Return True if two device classes have the same kind of device and the same build of Blender.

    The instruction sets of the two may differ.
    """
    return kin_of(one) == kin_of(other)


def are_comparable(one: str, other: str) -> bool:
    """Return True if renders of two device classes can be compared: both have the same build of
    Blender.
    """
    return kin_of(one)[1] == kin_of(other)[1]


def with_build(device_class: str, own: str, build: str) -> str:
    """Return the device class of a node that renders in another ``build`` than its ``own``."""
    return f"{device_class.removesuffix(f'/{own}')}/{build}"


@lru_cache(maxsize=256)
def kin_of(device_class: str) -> Kin:
    """Return the kind of device and the Blender build of a device class, without the instruction
    set.
    """
    device, *rest = device_class.split("/")
    return device, rest[-1] if rest else ""
