"""Paths that data-blocks name, in every Blender from 4.2 on.

Blender 5.0 and newer list them themselves. Before that, the data-blocks are searched: images,
libraries, sounds, fonts, clips, volumes, caches, strips, modifiers and nodes.
"""

from collections.abc import Iterator
from typing import Any

from .output import strips_of

Named = tuple[Any, str]  # a data-block, and a path as the scene has it
# Names of the members of ``bpy.data`` whose data-blocks have a ``filepath``.
PLAIN = (
    *("images", "libraries", "sounds", "fonts", "movieclips", "volumes", "cache_files", "texts"),
)
FILED = ("FILE", "MOVIE", "SEQUENCE", "TILED")  # sources of images that have files
BUILT_IN = "<builtin>"  # the path of Blender's own font
BY_MODIFIERS = ("MESH_CACHE", "OCEAN")
BY_NODES = ("ShaderNodeScript", "ShaderNodeTexIES")


def named_paths(bpy: Any) -> list[Named]:
    """Return each data-block with a path that it names. A pair may occur several times."""
    if not hasattr(bpy.data, "file_path_foreach"):
        return list(searched(bpy))
    told: list[Named] = []

    def visit(owner: Any, path: str, *_: Any) -> None:
        told.append((owner, path))

    bpy.data.file_path_foreach(visit)
    return told


def searched(bpy: Any) -> Iterator[Named]:
    """Search all data-blocks for paths; skip packed files."""
    for name in PLAIN:
        for block in getattr(bpy.data, name):
            if block.filepath and not _is_within(block):
                yield block, block.filepath
    for scene in bpy.data.scenes:
        yield from ((scene, path) for path in _of_strips(scene))
    for thing in bpy.data.objects:
        yield from ((thing, path) for path in _of_object(thing))
    for tree in _trees(bpy):
        for node in tree.nodes:
            if node.bl_idname in BY_NODES and node.mode == "EXTERNAL" and node.filepath:
                yield tree, node.filepath


def _is_within(block: Any) -> bool:
    """Return True if the data of the block is in the scene's file, or comes with Blender."""
    if getattr(block, "packed_file", None) is not None or block.filepath == BUILT_IN:
        return True
    if type(block).__name__ == "Image":
        return block.source not in FILED or bool(block.packed_files)
    return False


def _of_strips(scene: Any) -> Iterator[str]:
    for strip in strips_of(scene, nested=True):
        if strip.type == "IMAGE" and len(strip.elements):
            yield strip.directory + strip.elements[0].filename
        elif strip.type == "MOVIE":
            yield strip.filepath


def _of_object(thing: Any) -> Iterator[str]:
    for modifier in thing.modifiers:
        if modifier.type in BY_MODIFIERS:
            yield modifier.filepath
        elif modifier.type == "FLUID" and modifier.domain_settings is not None:
            yield modifier.domain_settings.cache_directory
    for system in thing.particle_systems:
        yield from _of_cache(system.point_cache)


def _of_cache(cache: Any) -> Iterator[str]:
    if cache.use_external and cache.filepath:
        yield cache.filepath


def _trees(bpy: Any) -> Iterator[Any]:
    yield from bpy.data.node_groups
    for of in (bpy.data.materials, bpy.data.worlds, bpy.data.lights):
        yield from (one.node_tree for one in of if one.node_tree is not None)
