"""Classes of machines, as nodes say them: device, instruction set, Blender's build."""

from functools import lru_cache
from typing import TypeAlias

Kin: TypeAlias = tuple[str, str]  # the kind of device, the build


def is_kin(one: str, other: str) -> bool:
    """Whether two classes render alike but for their instruction sets: the same kind of device, the
    same build of Blender.
    """
    return kin_of(one) == kin_of(other)


def are_comparable(one: str, other: str) -> bool:
    """Return whether renders of two classes can be compared: they have the same build of Blender,
    on whatever kind of device.
    """
    return kin_of(one)[1] == kin_of(other)[1]


@lru_cache(maxsize=256)
def kin_of(device_class: str) -> Kin:
    """What all classes have in common that render alike but for their instruction sets."""
    device, *rest = device_class.split("/")
    return device, rest[-1] if rest else ""
