"""Files that a scene uses, each with its owner; sequences and texture tiles one by one."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from . import simulation_caches, usd_layers
from .image_sequences import numbers_of, runs, strip_files

FILES_MAX = 20_000  # above a job's limit, so that the sender reports too many files
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
    "Mesh": "mesh",
}
# Files of these matter only if a scene uses them; unused ones may be long gone.
ONLY_SHOWN = ("Image", "Sound", "VectorFont", "MovieClip", "Volume", "CacheFile")
SOURCES = {"SEQUENCE": "sequence", "TILED": "udim", "MOVIE": "movie"}
File = dict[str, Any]
Frames = Sequence[int]
# The files that one path stands for, each with the frames that show it; None: all frames.
Shown = Mapping[str, "Frames | None"]


def files_of(bpy: Any, frames: Frames) -> list[File]:
    """Return every external file that ``frames`` need, once for each owner.

    ``path``: as the scene has it. ``file``: its place on disk. ``bytes`` is None if it is missing;
    ``frames`` then lists the frames that show it, unless all do. ``stands``: what the path stands
    for, if not the file. ``within``: the folder that stays together. ``of``: the library that names
    it.
    """
    found: dict[tuple[str, str], File] = {}
    for told in chain(_named_files(bpy, frames), _in_folders(bpy)):
        found.setdefault((told["owner"], told["file"]), told)
        if len(found) >= FILES_MAX:
            break
    return list(found.values())


def _named_files(bpy: Any, frames: Frames) -> Iterator[File]:
    own = os.path.realpath(bpy.utils.resource_path("LOCAL"))
    used = used_by_scenes(bpy)
    for owner, path in named(bpy):
        kind = type(owner).__name__
        if kind == "Text" or (kind in ONLY_SHOWN and owner not in used):
            continue  # texts are stored in the scene, and no script runs
        base = bpy.path.abspath(path, library=owner.library)
        if not path or os.path.realpath(base).startswith(own) or is_essential(base):
            continue
        if simulation_caches.is_folder(owner, path):
            yield from _of_folder(bpy, owner, path, base)
            continue
        shown = _each(bpy, owner, base, frames)
        more = _more(bpy, owner, shown) if kind == "CacheFile" else []
        whole = _together(base, more) if more else {}
        for file, showing in (*shown.items(), *dict.fromkeys(more).items()):
            yield _told(bpy, owner, path, os.path.normpath(file), showing) | whole


def _in_folders(bpy: Any) -> Iterator[File]:
    """Yield files of baked simulations that Blender does not list."""
    for owner, written, folder in simulation_caches.beside(bpy):
        yield from _of_folder(bpy, owner, written, folder)
    for owner, holder, name in simulation_caches.holders(bpy):
        if written := getattr(holder, name):
            folder = bpy.path.abspath(written, library=owner.library)
            yield from _of_folder(bpy, owner, written, folder)


def _of_folder(bpy: Any, owner: Any, path: str, folder: str) -> Iterator[File]:
    """Yield the files of a folder, which stay together."""
    folder = os.path.normpath(folder)
    whole = {"kind": "cache", "stands": folder, "within": os.path.dirname(folder)}
    for place in simulation_caches.inside(folder):
        yield _told(bpy, owner, path, place) | whole


def _more(bpy: Any, cache: Any, files: Iterable[str]) -> list[str]:
    """Return further files of a cache: its layers, and files that USD files refer to."""
    over = [bpy.path.abspath(one.filepath, library=cache.library) for one in cache.layers]
    below = [
        one
        for file in files
        if file.lower().endswith(usd_layers.SUFFIX)
        for one in usd_layers.layers(bpy, file)
    ]
    return [*over, *below]


def _together(base: str, more: Iterable[str]) -> File:
    """Return the members that keep files together that refer to each other by relative paths."""
    base = os.path.normpath(base)
    try:
        within = os.path.commonpath(
            [os.path.dirname(os.path.normpath(one)) for one in (base, *more)]
        )
    except ValueError:  # on several drives
        return {}
    return {"stands": base, "within": within}


def used_by_scenes(bpy: Any) -> set[Any]:
    """Return all data-blocks that the scenes use, directly or indirectly."""
    uses: dict[Any, set[Any]] = {}
    for block, users in bpy.data.user_map().items():
        for user in users:
            if _is_seen(block, user):
                uses.setdefault(user, set()).add(block)
    found, waiting = set[Any](), list(bpy.data.scenes)
    while waiting:
        block = waiting.pop()
        if block not in found:
            found.add(block)
            waiting += uses.get(block, ())
    return found


def _is_seen(block: Any, user: Any) -> bool:
    """Return True if the user shows the block in a render.

    Sounds are not rendered, and pictures on empties or behind a camera's frame appear only in the
    viewport.
    """
    by = type(user).__name__
    if type(block).__name__ == "Sound":
        return by not in ("Scene", "Speaker")
    if type(block).__name__ in ("Image", "MovieClip"):
        return by != "Camera" and not (by == "Object" and user.type == "EMPTY")
    return True


def is_essential(path: str) -> bool:
    """Return True for one of Blender's bundled asset files."""
    return os.path.basename(path).startswith("essentials_")


def named(bpy: Any) -> Iterator[tuple[Any, str]]:
    """Yield each data-block that names a file, with the path as written."""
    told: list[tuple[Any, str]] = []
    seen: set[tuple[str, str, str]] = set()

    def visit(owner: Any, path: str, *_: Any) -> None:
        key = (type(owner).__name__, owner.name_full, path)
        if key not in seen:
            seen.add(key)
            told.append((owner, path))

    bpy.data.file_path_foreach(visit)
    yield from told


def parts_of(bpy: Any, frames: Frames) -> list[dict[str, Any]]:
    """Return each sequence that ``frames`` need only in part, with the numbers of files."""
    found: dict[str, dict[str, Any]] = {}
    for owner, path in named(bpy):
        if type(owner).__name__ != "Image" or owner.source != "SEQUENCE":
            continue
        base = bpy.path.abspath(path, library=owner.library)
        needed, there = len(_numbered(bpy, owner, base, frames)), len(_siblings(base))
        if 0 < needed < there:
            name = f"{type(owner).__name__} '{owner.name}'"
            found[name] = {"owner": name, "path": path, "needed": needed, "there": there}
    return list(found.values())


def _told(bpy: Any, owner: Any, path: str, place: str, showing: Frames | None = None) -> File:
    kind = KINDS.get(type(owner).__name__, "file")
    if type(owner).__name__ == "Image":
        kind = SOURCES.get(owner.source, "image")
    told: File = {
        "kind": kind,
        "owner": f"{type(owner).__name__} '{owner.name}'",
        "library": owner.library.filepath if owner.library is not None else None,
        "path": path,
        "file": place,
        "bytes": os.path.getsize(place) if os.path.isfile(place) else None,
    }
    if told["bytes"] is None and showing is not None:
        told["frames"] = runs(showing)
    above = owner.parent if kind == "library" else owner.library
    if above is not None:
        told["of"] = os.path.normpath(bpy.path.abspath(above.filepath))
    return told


def _each(bpy: Any, owner: Any, base: str, frames: Frames) -> Shown:
    """Return the files that one path stands for, as far as the frames need them."""
    kind = type(owner).__name__
    if kind == "Image" and owner.source == "TILED":
        return dict.fromkeys(_tile_path(base, tile.number) for tile in owner.tiles)
    if kind == "Image" and owner.source == "SEQUENCE":
        return _numbered(bpy, owner, base, frames)
    is_sequence = getattr(owner, "is_sequence", False) or getattr(owner, "source", "") == "SEQUENCE"
    if kind in ("Volume", "CacheFile", "MovieClip") and is_sequence:
        return dict.fromkeys(_siblings(base) or [base])
    if kind == "Scene":
        return strip_files(bpy, owner, os.path.normpath(base), frames)
    return {base: None}


def _tile_path(base: str, number: int) -> str:
    u, v = (number - 1001) % 10 + 1, (number - 1001) // 10 + 1
    return base.replace(UDIM, str(number)).replace(UVTILE, f"u{u}_v{v}")


def _numbered(bpy: Any, image: Any, base: str, frames: Frames) -> Shown:
    """Return the files of an image sequence that the frames show.

    If only a render can tell, return all existing ones; if nothing shows it, ``base``.
    """
    numbers = numbers_of(bpy, image, frames)
    folder, name = os.path.split(base)
    found = NUMBER.search(name)
    if numbers is None:
        return dict.fromkeys(_siblings(base) or [base])
    if not numbers or found is None:
        return {base: None}
    width, (start, end) = len(found[1]), found.span(1)
    files: dict[str, Frames | None] = {}
    for number, showing in sorted(numbers.items())[:FILES_MAX]:
        file = os.path.join(folder, f"{name[:start]}{number:0{width}d}{name[end:]}")
        # Before its first frame a sequence shows nothing, unless that number has a file.
        if showing or os.path.isfile(file):
            files[file] = showing
    return files


def _siblings(base: str) -> list[str]:
    """Return the existing files that differ from ``base`` only in the last number."""
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
