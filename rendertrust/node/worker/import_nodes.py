"""Nodes that read files while a scene is shown, by a path that other nodes make up."""

from collections.abc import Iterator
from typing import Any

BEGIN = "GeometryNodeImport"  # of text, tables, meshes, volumes
PATH = "Path"


def computed(bpy: Any) -> Iterator[tuple[Any, Any]]:
    """Each whose path is not written in it, with its tree: nobody can tell what it will read."""
    for tree in bpy.data.node_groups:
        for node in tree.nodes:
            if node.bl_idname.startswith(BEGIN) and node.inputs[PATH].is_linked:
                yield tree, node


def leave_out(bpy: Any) -> None:
    """Let them read nothing, on every machine alike."""
    for tree, node in list(computed(bpy)):
        for link in list(node.inputs[PATH].links):
            tree.links.remove(link)
        node.inputs[PATH].default_value = ""
