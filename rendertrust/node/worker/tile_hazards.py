"""What in a scene could tell one part of its picture from another by how it is rendered.

A tile and a crop are rendered with a region of their own. A driver that reads it makes another
picture of each part, and so does a shader that looks it up by an Attribute node; one that reads the
number of threads, of each machine. So does a script that reads a file which the other has not.
Nobody's work could be told by them. Keyframes cannot set it.
"""

import re
from collections.abc import Iterator
from typing import Any

QUOTED = re.compile(r"""(["'])(?:\\.|(?!\1).)*\1""")  # what names say: of bones, nodes, properties
# Of a scene, or of whatever points to one: a property of its own, a node.
RENDER = re.compile(r"(?:^|[.\]])render\.(\w+)")
HARMLESS = ("fps", "fps_base")  # which no part changes, and many drivers read


def reasons(bpy: Any) -> list[str]:
    """Why parts of such a scene are not those of its frame."""
    return [
        f"{type(owner).__name__} {owner.name}: {reader} reads {path}"
        for owner in animated(bpy)
        for reader, path in (*_driven(owner), *_looked_up(owner))
        if reads_render(path)
    ] + list(_scripts(bpy))


def reads_render(path: str) -> bool:
    """Whether a driver's path leads to how its scene is rendered, from wherever it begins."""
    found = RENDER.findall(QUOTED.sub("", path))
    return any(name not in HARMLESS for name in found)


def animated(bpy: Any) -> Iterator[Any]:
    """All that may have drivers and keyframes."""
    for name in dir(bpy.data):
        of = getattr(bpy.data, name)
        if name == "all_ids" or not isinstance(of, bpy.types.bpy_prop_collection):
            continue
        for block in of:
            if hasattr(block, "animation_data"):
                yield block
            inner = getattr(block, "node_tree", None)
            if inner is not None and hasattr(inner, "animation_data"):
                yield inner


def _driven(owner: Any) -> Iterator[tuple[str, str]]:
    """What its drivers read, of whatever."""
    for curve in owner.animation_data.drivers if owner.animation_data is not None else ():
        for variable in curve.driver.variables:
            yield from (("a driver", target.data_path) for target in variable.targets)


def _looked_up(owner: Any) -> Iterator[tuple[str, str]]:
    """What its Attribute nodes look up that is none of a mesh: properties by their path."""
    for node in getattr(owner, "nodes", ()):
        if node.bl_idname == "ShaderNodeAttribute" and node.attribute_type != "GEOMETRY":
            yield f"Attribute node {node.name}", node.attribute_name


def _scripts(bpy: Any) -> Iterator[str]:
    """Shaders that are programs: they read any picture of the machine, and no list has its name."""
    if not any(getattr(scene.cycles, "shading_system", False) for scene in bpy.data.scenes):
        return
    for owner in animated(bpy):
        for node in getattr(owner, "nodes", ()):
            if node.bl_idname == "ShaderNodeScript":
                yield f"{type(owner).__name__} {owner.name}: Script node {node.name}"
