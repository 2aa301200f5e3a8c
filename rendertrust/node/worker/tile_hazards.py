"""Settings by which a scene could detect how it is rendered, and show different parts differently.

Tiles and crops are rendered with a render region. A driver, or a shader's Attribute node, that
reads the region changes the picture in each part; one that reads the number of threads changes it
on each machine. A script could read a file that only one machine has. Such pictures cannot be
checked. Keyframes cannot do this.
"""

import re
from collections.abc import Iterator
from typing import Any

QUOTED = re.compile(r"""(["'])(?:\\.|(?!\1).)*\1""")  # names of bones, nodes, properties
# A scene's render settings, from wherever a path reaches the scene.
RENDER = re.compile(r"(?:^|[.\]])render\.(\w+)")
HARMLESS = ("fps", "fps_base")  # equal in all parts, and read by many drivers


def reasons(bpy: Any) -> list[str]:
    """Return why parts of the scene may differ from its frame."""
    return [
        f"{type(owner).__name__} {owner.name}: {reader} reads {path}"
        for owner in animated(bpy)
        for reader, path in (*_driven(owner), *_looked_up(owner))
        if reads_render(path)
    ] + list(_scripts(bpy))


def reads_render(path: str) -> bool:
    """Return True if a driver's path reads its scene's render settings."""
    found = RENDER.findall(QUOTED.sub("", path))
    return any(name not in HARMLESS for name in found)


def animated(bpy: Any) -> Iterator[Any]:
    """Yield everything that may have drivers and keyframes."""
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
    """Yield the paths that its drivers read."""
    for curve in owner.animation_data.drivers if owner.animation_data is not None else ():
        for variable in curve.driver.variables:
            yield from (("a driver", target.data_path) for target in variable.targets)


def _looked_up(owner: Any) -> Iterator[tuple[str, str]]:
    """Yield the property paths that its Attribute nodes read, other than mesh attributes."""
    for node in getattr(owner, "nodes", ()):
        if node.bl_idname == "ShaderNodeAttribute" and node.attribute_type != "GEOMETRY":
            yield f"Attribute node {node.name}", node.attribute_name


def _scripts(bpy: Any) -> Iterator[str]:
    """Yield script shaders, which can read any picture on the machine."""
    if not any(getattr(scene.cycles, "shading_system", False) for scene in bpy.data.scenes):
        return
    for owner in animated(bpy):
        for node in getattr(owner, "nodes", ()):
            if node.bl_idname == "ShaderNodeScript":
                yield f"{type(owner).__name__} {owner.name}: Script node {node.name}"
