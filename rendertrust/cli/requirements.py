"""``--needs``: requirements that a node must meet to be given a job."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import click

from rendertrust.cli import formats
from rendertrust.cli.node_options import SizeParam

if TYPE_CHECKING:
    from rendertrust.client import Needs

SIZE: Final = SizeParam(2**30)
NAMES: Final = "device=gpu, vram=8G, memory=16G, blender=5.2, class=CLASS or alike"
DEVICES: Final = ("cpu", "gpu")


class RequirementsParam(click.ParamType[Any]):
    """``device=gpu,memory=8G``. ``vram=8G`` implies a GPU: it means a graphics card's memory."""

    name = "needs"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the requirements by the API's names; a usage error shows the syntax."""
        found: dict[str, Any] = {}
        for word in str(value).split(","):
            name, _, said = (part.strip() for part in word.partition("="))
            found |= self._one(name, said, param, ctx)
        return found

    def _one(self, name: str, said: str, param: Any, ctx: Any) -> dict[str, Any]:
        match name:
            case "alike" if not said:
                return {"alike": True}
            case "memory" | "vram":
                size = SIZE.convert(said, param, ctx)
                return {"memory": size} | ({"device": "gpu"} if name == "vram" else {})
            case "device" if said in DEVICES:
                return {"device": said}
            case "blender" if _is_version(said):
                return {"blender": said}
            case "class" if said:
                return {"device_class": said}
            case _:
                raise click.BadParameter(f"{name}={said} is not one of {NAMES}", ctx, param)


def _is_version(text: str) -> bool:
    major, _, minor = text.partition(".")
    return all(part.isascii() and part.isdecimal() for part in (major, minor))


def said(what: "Needs") -> str:
    """Return ``device gpu, memory 8.6 GB, alike``, for people."""
    told = {**what, "memory": formats.size(what["memory"])} if "memory" in what else dict(what)
    words = (name if value is True else f"{name} {value}" for name, value in told.items())
    return ", ".join(word.replace("device_class", "class") for word in words)


def together(said: "Sequence[Needs]", seen: "Needs | None" = None) -> "Needs | None":
    """Merge the requirements of all options; they take precedence over those seen in the scene."""
    found: dict[str, Any] = dict(seen or {})
    for one in said:
        found |= one
    return cast("Needs", found) or None
