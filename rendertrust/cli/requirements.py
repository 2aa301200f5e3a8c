"""``--needs``: requirements of a job; only nodes that meet these requirements are given the job."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from rendertrust.cli import value_text
from rendertrust.cli.node_options import SizeParam
from rendertrust.job_spec import NodeNeeds

SIZE: Final = SizeParam(2**30)
NAMES: Final = "device=gpu, vram=8G, memory=16G, blender=5.2, class=CLASS or alike"
DEVICES: Final = ("cpu", "gpu")


class RequirementsParam(click.ParamType[Any]):
    """Requirements like ``device=gpu,memory=8G``.

    ``vram=8G`` implies a GPU, because VRAM is a graphics card's memory.
    """

    name = "needs"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the requirements by the API's names.

        Raise a usage error that shows the syntax for invalid text.
        """
        found: dict[str, Any] = {}
        for word in str(value).split(","):
            name, _, given = (part.strip() for part in word.partition("="))
            found |= self._one(name, given, param, ctx)
        return found

    def _one(self, name: str, given: str, param: Any, ctx: Any) -> dict[str, Any]:
        match name:
            case "alike" if not given:
                return {"alike": True}
            case "memory" | "vram":
                size = SIZE.convert(given, param, ctx)
                return {name: size} | ({"device": "gpu"} if name == "vram" else {})
            case "device" if given in DEVICES:
                return {"device": given}
            case "blender" if _is_version(given):
                return {"blender": given}
            case "class" if given:
                return {"device_class": given}
            case _:
                raise click.BadParameter(f"{name}={given} is not one of {NAMES}", ctx, param)


def _is_version(text: str) -> bool:
    major, _, minor = text.partition(".")
    return all(part.isascii() and part.isdecimal() for part in (major, minor))


def said(what: NodeNeeds) -> str:
    """Return the requirements for people: ``device gpu, memory 8.6 GB, alike``."""
    told = what.members()
    for name in ("memory", "vram"):
        if name in told:
            told[name] = value_text.size(told[name])
    words = (name if value is True else f"{name} {value}" for name, value in told.items())
    return ", ".join(word.replace("device_class", "class") for word in words)


def together(said: Sequence[Mapping[str, Any]]) -> NodeNeeds | None:
    """Merge the requirements of all options; return None without requirements."""
    found: dict[str, Any] = {}
    for one in said:
        found |= one
    return NodeNeeds(**found) if found else None
