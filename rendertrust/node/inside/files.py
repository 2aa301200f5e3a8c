"""Which files a scene names, each with its owner; sequences and tiles of textures one by one."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

FILES_MAX = 5_000
NUMBER = re.compile(r"(\d+)(?!.*\d)")  # the last number in a name
UDIM, UVTILE = "<UDIM>", "<UVTILE>"
KINDS = {
    "Library": "library",
    "Sound": "sound",
    "VectorFont": "font",
    "MovieClip": "clip",
    "Volume": "volume",
    "CacheFile": "cache",
    "Scene": "strip",
    "Object": "cache",
    "Text": "text",
    "Mesh": "mesh",
}
SOURCES = {"SEQUENCE": "sequence", "TILED": "udim", "MOVIE": "movie"}
File = dict[str, Any]


def files_of(bpy: Any) -> list[File]:
    """Every file that the scene names and does not hold in itself, once for each owner.

    ``path`` is as the scene writes it, ``file`` where it lies; ``bytes`` is None where it is not.
    """
    own = os.path.realpath(bpy.utils.resource_path("LOCAL"))
    found: dict[tuple[str, str], File] = {}
    for owner, path in named(bpy):
        base = bpy.path.abspath(path, library=owner.library)
        if not path or os.path.realpath(base).startswith(own) or is_essential(base):
            continue
        for file in _each(bpy, owner, base):
            place = os.path.normpath(file)
            told = _told(owner, path, place)
            found.setdefault((told["owner"], place), told)
            if len(found) >= FILES_MAX:
                return list(found.values())
    for owner, folder in _cache_folders(bpy):
        for place in _inside(bpy.path.abspath(folder, library=owner.library)):
            told = _told(owner, folder, place) | {"kind": "cache"}
            found.setdefault((told["owner"], place), told)
    return list(found.values())[:FILES_MAX]


def is_essential(path: str) -> bool:
    """Whether it is one of the files that come with Blender, wherever that is installed."""
    return os.path.basename(path).startswith("essentials_")


def named(bpy: Any) -> Iterator[tuple[Any, str]]:
    """Each data-block that names a file, and how it writes it."""
    told: list[tuple[Any, str]] = []
    seen: set[tuple[str, str, str]] = set()

    def visit(owner: Any, path: str, *_: Any) -> None:
        key = (type(owner).__name__, owner.name_full, path)
        if key not in seen:
            seen.add(key)
            told.append((owner, path))

    bpy.data.file_path_foreach(visit)
    yield from told


def _told(owner: Any, path: str, place: str) -> File:
    kind = KINDS.get(type(owner).__name__, "file")
    if type(owner).__name__ == "Image":
        kind = SOURCES.get(owner.source, "image")
    return {
        "kind": kind,
        "owner": f"{type(owner).__name__} '{owner.name}'",
        "library": owner.library.filepath if owner.library is not None else None,
        "path": path,
        "file": place,
        "bytes": os.path.getsize(place) if os.path.isfile(place) else None,
    }


def _each(bpy: Any, owner: Any, base: str) -> Iterable[str]:
    """The files that one path stands for."""
    kind = type(owner).__name__
    if kind == "Image" and owner.source == "TILED":
        return [_tile_path(base, tile.number) for tile in owner.tiles]
    if kind == "Image" and owner.source == "SEQUENCE":
        return _numbered(base, _numbers_of(bpy, owner)) or [base]
    is_sequence = getattr(owner, "is_sequence", False) or getattr(owner, "source", "") == "SEQUENCE"
    if kind in ("Volume", "CacheFile", "MovieClip") and is_sequence:
        return _siblings(base) or [base]
    if kind == "Scene":
        return _strip_files(bpy, owner, base)
    return [base]


def _tile_path(base: str, number: int) -> str:
    u, v = (number - 1001) % 10 + 1, (number - 1001) // 10 + 1
    return base.replace(UDIM, str(number)).replace(UVTILE, f"u{u}_v{v}")


def _numbered(base: str, numbers: Iterable[int]) -> list[str]:
    """``base`` with each of the numbers in place of its last one."""
    folder, name = os.path.split(base)
    found = NUMBER.search(name)
    if found is None:
        return []
    width, (start, end) = len(found[1]), found.span(1)
    return [
        os.path.join(folder, f"{name[:start]}{number:0{width}d}{name[end:]}")
        for number in sorted(set(numbers))
        if number >= 0
    ]


def _siblings(base: str) -> list[str]:
    """Every file there that differs from ``base`` in its last number alone."""
    folder, name = os.path.split(base)
    found = NUMBER.search(name)
    if found is None or not os.path.isdir(folder):
        return []
    head, tail = re.escape(name[: found.start(1)]), re.escape(name[found.end(1) :])
    alike = re.compile(rf"{head}\d+{tail}")
    return [
        os.path.join(folder, other)
        for other in sorted(os.listdir(folder))
        if alike.fullmatch(other)
    ]


def _numbers_of(bpy: Any, image: Any) -> set[int]:
    """The numbers that an image sequence is shown with, by all who show it."""
    numbers: set[int] = set()
    for user in _users(bpy, image):
        first = 1 + user.frame_offset
        numbers.update(range(first, first + min(user.frame_duration, FILES_MAX)))
    return numbers


def _users(bpy: Any, image: Any) -> Iterator[Any]:
    trees = list(bpy.data.node_groups)
    for of in (bpy.data.materials, bpy.data.worlds, bpy.data.lights, bpy.data.scenes):
        trees += [one.node_tree for one in of if getattr(one, "node_tree", None) is not None]
    for tree in trees:
        for node in tree.nodes:
            if getattr(node, "image", None) == image:
                # Shader nodes keep it in a member, compositor nodes are it.
                yield getattr(node, "image_user", node)
    for texture in bpy.data.textures:
        if getattr(texture, "image", None) == image:
            yield texture.image_user


def _strip_files(bpy: Any, scene: Any, base: str) -> list[str]:
    """The pictures of an image strip; any other strip has the one file."""
    editor = scene.sequence_editor
    for strip in editor.strips_all if editor else ():
        if strip.type == "IMAGE":
            folder = os.path.normpath(bpy.path.abspath(strip.directory, library=scene.library))
            if folder == os.path.normpath(os.path.dirname(base)):
                return [os.path.join(folder, element.filename) for element in strip.elements]
    return [base]


def _cache_folders(bpy: Any) -> Iterator[tuple[Any, str]]:
    """Folders of baked simulations that lie on the disk, as the scene writes them."""
    for thing in bpy.data.objects:
        for modifier in thing.modifiers:
            domain = getattr(modifier, "domain_settings", None)
            if modifier.type == "FLUID" and domain is not None:
                yield thing, domain.cache_directory
            if modifier.type == "NODES" and getattr(modifier, "bake_directory", ""):
                yield thing, modifier.bake_directory
    stem = os.path.splitext(os.path.basename(bpy.data.filepath))[0]
    yield bpy.data.scenes[0], f"//blendcache_{stem}"


def _inside(folder: str) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        yield from (os.path.join(place, name) for name in sorted(names))


def remap(bpy: Any, paths: dict[str, str], inputs: str) -> None:
    """Let each file that the scene names be the input that ``paths`` gives for it.

    A key is what the scene writes, or LIBRARY|what the linked file writes.
    """
    written: dict[str, str] = {}
    for library in list(bpy.data.libraries):
        written[library.name_full] = library.filepath
        if library.filepath in paths:
            library.filepath = os.path.join(inputs, paths[library.filepath])
            library.reload()

    def visit(owner: Any, path: str, *_: Any) -> str | None:
        inside = owner.library
        key = path if inside is None else f"{written.get(inside.name_full, inside.filepath)}|{path}"
        return os.path.join(inputs, paths[key]) if key in paths else None

    bpy.data.file_path_foreach(visit)
    for image in bpy.data.images:
        if image.source in ("FILE", "SEQUENCE", "TILED", "MOVIE") and image.packed_file is None:
            image.reload()
