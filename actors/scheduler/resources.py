"""What a node is made of, as its hello says, and what of it a unit needs."""

from typing import Any, Final

import attrs

from actors.scheduler.messages import MEMORY_MOST

CPU: Final = "cpu"
GPU: Final = "gpu"
NEEDS: Final = "_needs"  # in a job's parameters, written by us
GIB: Final = 1 << 30


@attrs.frozen(order=True)
class Requirements:
    """``device``: cpu or gpu; ``blender``: at least (major, minor); ``memory``: bytes at least.

    ``device_class``: exactly this device, instruction set and build of Blender. ``opengl``: the
    scene's engine draws with it (EEVEE, Workbench).
    """

    device: str = ""
    blender: tuple[int, int] = (0, 0)
    memory: int = 0
    device_class: str = ""
    opengl: bool = False


@attrs.frozen
class NodeResources:
    """A node that said no hello has nothing of all this, as far as anybody knows.

    ``memory`` is what it gives to one unit. A node that does not say whether it has OpenGL is
    believed to have it.
    """

    device: str = ""
    blender: tuple[int, int] = (0, 0)
    memory: int = 0
    device_class: str = ""
    opengl: bool = True

    def has(self, needs: Requirements) -> bool:
        """Whether it is enough."""
        return (
            needs.device in ("", self.device)
            and needs.blender <= self.blender
            and needs.memory <= self.memory
            and needs.device_class in ("", self.device_class)
            and needs.opengl <= self.opengl
        )


NOTHING: Final = Requirements()
UNKNOWN: Final = NodeResources()


def resources_of(
    device_class: str | None,
    blender: str | None,
    ram: int | None,
    vram: int | None = None,
    slots: int | None = None,
    *,
    opengl: bool | None = None,
) -> NodeResources:
    """From the fields of a hello; the class begins with the kind of its device (``cpu/x86_64``).

    Memory is for all its slots together, and a unit gets one of them. What a device of its own
    renders must fit into that device's memory too, where the node says how much it gives of it.
    """
    kind = (device_class or "").partition("/")[0].lower()
    device = "" if not kind else CPU if kind == CPU else GPU
    given = min(ram or 0, MEMORY_MOST)
    if device == GPU and vram is not None:
        given = min(given, vram)
    memory = given // max(slots or 1, 1)
    return NodeResources(
        device, version_of(blender or ""), memory, device_class or "", opengl is not False
    )


def version_of(text: str) -> tuple[int, int]:
    """``5.2.0 LTS`` is (5, 2); (0, 0) where it is no version."""
    major, _, rest = text.strip().partition(".")
    minor = rest.split(".")[0].split(" ")[0]
    if not (major.isdecimal() and minor.isdecimal()):
        return (0, 0)
    return int(major[:4]), int(minor[:4])


def requirements_of(params: dict[str, Any]) -> Requirements:
    """What was written down with the job. Memory counts in steps of two, from 1 GiB: so there are
    few kinds of needs, however many are asked for.
    """
    said: Any = params.get(NEEDS)
    if not isinstance(said, dict):
        return NOTHING
    memory = int(said.get("memory") or 0)
    steps = 0 if memory <= 0 else max(GIB, 1 << (memory - 1).bit_length())
    version = version_of(said.get("blender") or "")
    names = said.get("device") or "", said.get("device_class") or ""
    return Requirements(names[0], version, steps, names[1], opengl=bool(said.get("opengl")))


def raised(needs: Requirements, memory: int, *, opengl: bool) -> Requirements:
    """With what nodes found besides: ``memory`` bytes at least, and OpenGL. Memory counts in steps
    of an eighth at most, upwards: a node that has what was too little never has enough.
    """
    if not memory and not opengl:
        return needs
    step = max(GIB >> 2, 1 << max(memory.bit_length() - 4, 0))
    most = max(needs.memory, -(-memory // step) * step)
    return attrs.evolve(needs, memory=most, opengl=needs.opengl or opengl)


def wants_alike(params: dict[str, Any]) -> bool:
    """Whether all units are to be done by nodes of one class, and it is not known yet of which."""
    said: Any = params.get(NEEDS)
    return isinstance(said, dict) and bool(said.get("alike")) and not said.get("device_class")
