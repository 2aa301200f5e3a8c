"""Paths that data-blocks name, in every Blender from 4.2 on.

Blender 5.0 and newer list them themselves. Before that, the data-blocks are searched: images,
libraries, sounds, fonts, clips, volumes, caches, strips, modifiers and nodes.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


def rewrite_paths(bpy: Any, visit: Callable[..., str | None]) -> None:
    """Replace each path by what ``visit`` returns for its data-block and the path; None keeps it.

    Packed files are skipped.
    """
    if hasattr(bpy.data, "file_path_foreach"):
        bpy.data.file_path_foreach(visit)
        return
    for owner, place in list(_places(bpy)):
        if (new := visit(owner, place.path)) is not None:
            place.replace(new)


@dataclass(frozen=True)
class _Place:
    """A path of a data-block: the property ``name`` of ``holder``."""

    holder: Any
    name: str = "filepath"

    @property
    def path(self) -> str:
        return str(getattr(self.holder, self.name))

    def replace(self, path: str) -> None:
        setattr(self.holder, self.name, path)


@dataclass(frozen=True)
class _FirstPicture(_Place):
    """The first picture of an image strip, whose folder is that of all its pictures."""

    @property
    def path(self) -> str:
        return str(self.holder.directory + self.holder.elements[0].filename)

    def replace(self, path: str) -> None:
        folder, name = os.path.split(path)
        self.holder.directory, self.holder.elements[0].filename = folder + os.sep, name


def searched(bpy: Any) -> Iterator[Named]:
    """Search all data-blocks for paths; skip packed files."""
    for owner, place in _places(bpy):
        if place.path:
            yield owner, place.path


def _places(bpy: Any) -> Iterator[tuple[Any, _Place]]:
    """Yield each data-block with a place that it has for a path."""
    for name in PLAIN:
        for block in getattr(bpy.data, name):
            if block.filepath and not _is_within(block):
                yield block, _Place(block)
    for cache in bpy.data.cache_files:
        yield from ((cache, _Place(layer)) for layer in cache.layers)
    for scene in bpy.data.scenes:
        yield from ((scene, place) for place in _of_strips(scene))
    for thing in bpy.data.objects:
        yield from ((thing, place) for place in _of_object(thing))
    for tree in _trees(bpy):
        for node in tree.nodes:
            if node.bl_idname in BY_NODES and node.mode == "EXTERNAL" and node.filepath:
                yield tree, _Place(node)


def _is_within(block: Any) -> bool:
    """Return True if the data of the block is in the scene's file, or comes with Blender."""
    if getattr(block, "packed_file", None) is not None or block.filepath == BUILT_IN:
        return True
    if type(block).__name__ == "Image":
        return block.source not in FILED or bool(block.packed_files)
    return False


def _of_strips(scene: Any) -> Iterator[_Place]:
    for strip in strips_of(scene, nested=True):
        if strip.type == "IMAGE" and len(strip.elements):
            yield _FirstPicture(strip)
        elif strip.type == "MOVIE":
            yield _Place(strip)


def _of_object(thing: Any) -> Iterator[_Place]:
    for modifier in thing.modifiers:
        if modifier.type in BY_MODIFIERS:
            yield _Place(modifier)
        elif modifier.type == "FLUID" and modifier.domain_settings is not None:
            yield _Place(modifier.domain_settings, "cache_directory")
    for system in thing.particle_systems:
        cache = system.point_cache
        if cache.use_external and cache.filepath:
            yield _Place(cache)


def _trees(bpy: Any) -> Iterator[Any]:
    yield from bpy.data.node_groups
    for of in (bpy.data.materials, bpy.data.worlds, bpy.data.lights):
        yield from (one.node_tree for one in of if one.node_tree is not None)
