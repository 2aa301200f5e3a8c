"""Geometry nodes that read files from a computed path."""

from collections.abc import Iterator
from typing import Any

BEGIN = "GeometryNodeImport"  # of text, tables, meshes, volumes
PATH = "Path"


def computed(bpy: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (tree, node) for each import node with a computed path, whose file is unknown."""
    for tree in bpy.data.node_groups:
        for node in tree.nodes:
            if node.bl_idname.startswith(BEGIN) and node.inputs[PATH].is_linked:
                yield tree, node


def leave_out(bpy: Any) -> None:
    """Let these nodes read nothing, on every machine alike."""
    for tree, node in list(computed(bpy)):
        for link in list(node.inputs[PATH].links):
            tree.links.remove(link)
        node.inputs[PATH].default_value = ""
