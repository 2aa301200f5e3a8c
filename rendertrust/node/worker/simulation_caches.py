"""Folders of simulations that lie baked on the disk: a path of an object stands for one of them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

BESIDE = "blendcache_"  # and the name of the file whose simulations lie in it


def is_folder(owner: Any, path: str) -> bool:
    """Whether the path is that of a folder: all that objects name are, but those of mesh caches.

    An ocean names one that nobody made, as long as it is not baked; so it may be missing.
    """
    if type(owner).__name__ != "Object":
        return False
    return path not in {one.filepath for one in owner.modifiers if one.type == "MESH_CACHE"}


def beside(bpy: Any) -> Iterator[tuple[Any, str, str]]:
    """The folder that Blender looks for beside the scene, and beside each library, though nothing
    names it: whose it is, how it would be written, and where it is.
    """
    for owner, file in ((bpy.data.scenes[0], bpy.data.filepath), *_libraries(bpy)):
        folder, name = os.path.split(file)
        written = f"{BESIDE}{os.path.splitext(name)[0]}"
        yield owner, f"//{written}", os.path.join(folder, written)


def _libraries(bpy: Any) -> Iterator[tuple[Any, str]]:
    for library in bpy.data.libraries:
        yield library, os.path.normpath(bpy.path.abspath(library.filepath))


def holders(bpy: Any) -> Iterator[tuple[Any, Any, str]]:
    """What names such a folder: an object, and of it what has the path, under which name. Blender
    tells of all of them as it tells of files, but before 5.2 not of geometry nodes'.
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
    """Every file below it, in order."""
    for place, below, names in os.walk(folder):
        below.sort()
        yield from (os.path.join(place, name) for name in sorted(names))


def pack_bakes(bpy: Any) -> None:
    """Take the bakes of geometry nodes into the scene, from wherever they lie by now.

    Else Blender shows nothing of them: it looked for them as the scene was opened, and opens for
    writing what it may only read (until 5.2 as it packs, too: so a copy is packed).
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
    """One that was never made there stays as it is."""
    of = {"session_uid": thing.session_uid, "modifier_name": modifier.name}
    with bpy.context.temp_override(object=thing, active_object=thing), suppress(RuntimeError):
        bpy.ops.object.geometry_node_bake_pack_single(**of, bake_id=bake.bake_id)
