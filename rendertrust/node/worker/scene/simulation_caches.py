"""Folders of baked simulations on disk. Objects refer to such a folder by a path."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

BESIDE = "blendcache_"  # prefix of a folder's name; the name of the scene's file follows


def is_folder(owner: Any, path: str) -> bool:
    """Return True if an object's path is a folder, as all are except those of mesh caches.

    An unbaked ocean refers to a folder that does not exist.
    """
    if type(owner).__name__ != "Object":
        return False
    return path not in {one.filepath for one in owner.modifiers if one.type == "MESH_CACHE"}


def beside(bpy: Any) -> Iterator[tuple[Any, str, str]]:
    """Yield the implicit cache folders beside the scene and each library.

    A tuple has the folder's owner, the path as a scene would have it, and the path on disk.
    """
    for owner, file in ((bpy.data.scenes[0], bpy.data.filepath), *_libraries(bpy)):
        folder, name = os.path.split(file)
        written = f"{BESIDE}{os.path.splitext(name)[0]}"
        yield owner, f"//{written}", os.path.join(folder, written)


def _libraries(bpy: Any) -> Iterator[tuple[Any, str]]:
    for library in bpy.data.libraries:
        yield library, os.path.normpath(bpy.path.abspath(library.filepath))


def holders(bpy: Any) -> Iterator[tuple[Any, Any, str]]:
    """Yield (object, owner of the path, name of the property) for each cache folder.

    Blender lists these folders like files, but before 5.2 not the folders of geometry nodes.
    """
    for thing in bpy.data.objects:
        for modifier in thing.modifiers:
            domain = getattr(modifier, "domain_settings", None)
            if modifier.type == "FLUID" and domain is not None:
                yield thing, domain, "cache_directory"
            elif modifier.type == "NODES":
                yield thing, modifier, "bake_directory"
                for bake in modifier.bakes:
                    if bake.use_custom_path:
                        yield thing, bake, "directory"


def inside(folder: str) -> Iterator[str]:
    """Yield every file below the folder, sorted."""
    for place, below, names in os.walk(folder):
        below.sort()
        yield from (os.path.join(place, name) for name in sorted(names))


def pack_bakes(bpy: Any) -> None:
    """Pack the bakes of geometry nodes into the scene.

    Otherwise Blender ignores the bakes, because it looked for them when it opened the scene, and
    fails to open read-only files for writing. Before 5.2, packing also opens files for writing, so
    a writable copy is packed.
    """
    places: dict[str, str] = {}
    for thing in bpy.data.objects:
        for modifier in thing.modifiers:
            for bake in modifier.bakes if modifier.type == "NODES" else ():
                target = bake.bake_target
                if (modifier.bake_target if target == "INHERIT" else target) == "DISK":
                    named = (
                        (bake, "directory")
                        if bake.use_custom_path
                        else (modifier, "bake_directory")
                    )
                    _make_writable(bpy, thing, named, places)
                    _pack(bpy, thing, modifier, bake)


def _make_writable(bpy: Any, thing: Any, named: tuple[Any, str], places: dict[str, str]) -> None:
    written = getattr(*named)
    folder = bpy.path.abspath(written, library=thing.library)
    if folder in places.values() or not os.path.isdir(folder):
        return
    if folder not in places:
        place = os.path.join(tempfile.mkdtemp(prefix="bake-"), "bake")
        places[folder] = shutil.copytree(folder, place, copy_function=shutil.copyfile)
    setattr(*named, places[folder])


def _pack(bpy: Any, thing: Any, modifier: Any, bake: Any) -> None:
    """Pack one bake if its files exist."""
    of = {"session_uid": thing.session_uid, "modifier_name": modifier.name}
    with bpy.context.temp_override(object=thing, active_object=thing), suppress(RuntimeError):
        bpy.ops.object.geometry_node_bake_pack_single(**of, bake_id=bake.bake_id)
