"""Files that a scene uses, each with the data-block that names the file.

A path may stand for several files: texture tiles, the members of a cache, or the pictures of a
sequence. Blender's rules decide which pictures of a sequence are shown.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from . import simulation_caches, usd_layers
from .named_paths import named_paths
from .output import strips_of
from .settings import curves_of

FILES_MAX = 20_000  # more than a job may have, so that too many files are reported
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
# Files of these data-blocks matter only if a scene uses the data-block. Unused files may not exist.
ONLY_SHOWN = ("Image", "Sound", "VectorFont", "MovieClip", "Volume", "CacheFile")
SOURCES = {"SEQUENCE": "sequence", "TILED": "udim", "MOVIE": "movie"}
File = dict[str, Any]
Frames = Sequence[int]
# For each file that a path stands for, the frames that show the file. None means all frames.
Shown = Mapping[str, "Frames | None"]
IMPORT_NODE = "GeometryNodeImport"  # prefix of nodes that import text, tables, meshes and volumes
IMPORT_PATH = "Path"
RUNS_MAX = 1000  # characters; a longer list of frames is left out, which means all frames
PART = re.compile(r"([+-]?\d+)(?:-([+-]?\d+)(?:x(\d+))?)?")
COUNTED = ("frame_offset", "frame_start", "frame_duration", "use_cyclic")


def files_of(bpy: Any, frames: Frames) -> list[File]:
    """Return every external file that ``frames`` need, once for each owner.

    ``path``: the path as the scene has it. ``file``: the file's path on disk. ``bytes``: the file's
    size, None if the file is missing. ``frames``: if the file is missing, the frames that show it;
    left out if all frames do. ``stands``: the file or folder for which the path stands, if the path
    does not name a single file. ``within``: the folder whose files must stay together. ``of``: the
    library that names the file.
    """
    found: dict[tuple[str, str], File] = {}
    for told in chain(_named_files(bpy, frames), _in_folders(bpy)):
        found.setdefault((told["owner"], told["file"]), told)
        if len(found) >= FILES_MAX:
            break
    return list(found.values())


def _named_files(bpy: Any, frames: Frames) -> Iterator[File]:
    used = used_by_scenes(bpy)
    for owner, path in named(bpy):
        kind = type(owner).__name__
        if kind == "Text" or (kind in ONLY_SHOWN and owner not in used):
            continue  # texts are stored in the scene, and scripts do not run
        base = bpy.path.abspath(path, library=owner.library)
        if not path or (kind == "Library" and (is_essential(base) or not _is_linked(owner))):
            continue
        if simulation_caches.is_folder(owner, path):
            yield from _of_folder(bpy, owner, path, base)
            continue
        shown = _each(bpy, owner, base, frames)
        more = _more(bpy, owner, shown) if kind == "CacheFile" else []
        whole = _together(base, more) if more else {}
        for file, showing in (*shown.items(), *dict.fromkeys(more).items()):
            yield _told(bpy, owner, path, os.path.normpath(file), showing) | whole


def _is_linked(library: Any) -> bool:
    """Return True if data comes from the library's file; False if all is packed in the scene."""
    return not getattr(library, "is_archive", False) and bool(library.users_id)


def _in_folders(bpy: Any) -> Iterator[File]:
    """Yield the files of baked simulations, which Blender does not list."""
    for owner, written, folder in simulation_caches.beside(bpy):
        yield from _of_folder(bpy, owner, written, folder)
    for owner, holder, name in simulation_caches.holders(bpy):
        if written := getattr(holder, name):
            folder = bpy.path.abspath(written, library=owner.library)
            yield from _of_folder(bpy, owner, written, folder)


def _of_folder(bpy: Any, owner: Any, path: str, folder: str) -> Iterator[File]:
    """Yield the files of a folder. The files of that folder must stay together."""
    folder = os.path.normpath(folder)
    whole = {"kind": "cache", "stands": folder, "within": os.path.dirname(folder)}
    for place in simulation_caches.inside(folder):
        yield _told(bpy, owner, path, place) | whole


def _more(bpy: Any, cache: Any, files: Iterable[str]) -> list[str]:
    """Return further files of a cache: its layers, and files to which its USD files refer."""
    over = [bpy.path.abspath(one.filepath, library=cache.library) for one in cache.layers]
    below = [
        one
        for file in files
        if file.lower().endswith(usd_layers.SUFFIX)
        for one in usd_layers.layers(bpy, file)
    ]
    return [*over, *below]


def _together(base: str, more: Iterable[str]) -> File:
    """Return ``stands`` and ``within`` for files that refer to each other by relative paths."""
    base = os.path.normpath(base)
    try:
        within = os.path.commonpath(
            [os.path.dirname(os.path.normpath(one)) for one in (base, *more)]
        )
    except ValueError:  # the files are on different drives
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

    Sounds are not rendered. Pictures on empties or of a camera appear only in the viewport.
    """
    by = type(user).__name__
    if type(block).__name__ == "Sound":
        return by not in ("Scene", "Speaker")
    if type(block).__name__ in ("Image", "MovieClip"):
        return by != "Camera" and not (by == "Object" and user.type == "EMPTY")
    return True


def is_essential(path: str) -> bool:
    """Return True for a library of Blender's own brushes, which no render shows."""
    return os.path.basename(path).startswith("essentials_")


def named(bpy: Any) -> Iterator[tuple[Any, str]]:
    """Yield each data-block that names a file, with the path as the scene has it."""
    seen: set[tuple[str, str, str]] = set()
    for owner, path in named_paths(bpy):
        key = (type(owner).__name__, owner.name_full, path)
        if key not in seen:
            seen.add(key)
            yield owner, path


def parts_of(bpy: Any, frames: Frames) -> list[dict[str, Any]]:
    """Return each sequence of which ``frames`` need a part: how many files of how many."""
    found: dict[str, dict[str, Any]] = {}
    for owner, path in named(bpy):
        if type(owner).__name__ != "Image" or owner.source != "SEQUENCE":
            continue
        base = bpy.path.abspath(path, library=owner.library)
        needed, there = len(_numbered(bpy, owner, base, frames)), len(_siblings(base))
        if 0 < needed < there:
            name = label(owner)
            found[name] = {"owner": name, "path": path, "needed": needed, "there": there}
    return list(found.values())


def _told(bpy: Any, owner: Any, path: str, place: str, showing: Frames | None = None) -> File:
    kind = KINDS.get(type(owner).__name__, "file")
    if type(owner).__name__ == "Image":
        kind = SOURCES.get(owner.source, "image")
    told: File = {
        "kind": kind,
        "owner": label(owner),
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
    """Return the files that one path stands for, if the frames need them."""
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

    If only a render can show which files are needed, return all existing files. If nothing shows
    the sequence, return ``base``.
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
        # Before its first frame, a sequence shows nothing unless the number has a file.
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


def label(block: Any) -> str:
    """Return a data-block's type and name, as in ``Image 'wood'``."""
    return f"{type(block).__name__} '{block.name}'"


def computed_imports(bpy: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (tree, node) for each import node whose path is computed.

    The node's file is unknown.
    """
    for tree in bpy.data.node_groups:
        for node in tree.nodes:
            if node.bl_idname.startswith(IMPORT_NODE) and node.inputs[IMPORT_PATH].is_linked:
                yield tree, node


def warnings_of(bpy: Any) -> list[str]:
    """Return a warning for each missing file that the current frame needs, up to ten."""
    found = files_of(bpy, [bpy.context.scene.frame_current])
    missing = {os.path.basename(of["file"]) for of in found if of["bytes"] is None}
    return [f"missing file: {name}" for name in sorted(missing)][:10]


# ── image sequences ───────────────────────────────────────────────────────────────────────────────


def frames_of(scene: Any, text: str | None) -> list[int]:
    """Return the frames of an order.

    If ``text`` is empty, return the current frame; if None, also the scene's range.
    """
    if text is None:
        first, last, step = scene.frame_start, scene.frame_end, scene.frame_step
        return sorted({scene.frame_current, *range(first, last + 1, step)})
    frames: set[int] = set()
    for first, last, step in PART.findall(text):
        frames.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return sorted(frames) or [scene.frame_current]


def runs(frames: Iterable[int]) -> str | None:
    """Return frames as text like ``3,7-9``; None if the text would be too long."""
    parts: list[list[int]] = []
    for frame in sorted(set(frames)):
        if parts and parts[-1][1] == frame - 1:
            parts[-1][1] = frame
        else:
            parts.append([frame, frame])
    told = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
    return told if len(told) <= RUNS_MAX else None


def shown(user: Any, frame: int) -> tuple[int, bool]:
    """Return the number that a frame shows of a sequence, and True if the sequence has begun.

    After the last picture, the last picture stays. Before the first picture, Blender asks for the
    first number minus 1 (``BKE_image_user_frame_get``).
    """
    last = user.frame_duration
    at = frame - user.frame_start + 1
    if user.use_cyclic and last:
        at = at % last or last
    return min(max(at, 0), last) + user.frame_offset, at >= 1


def numbers_of(bpy: Any, image: Any, frames: Sequence[int]) -> Mapping[int, Sequence[int]] | None:
    """Return the numbers of an image sequence that any image user shows, each with its frames.

    The file of a number without frames may be missing. Return None if the numbers are animated, or
    computed by geometry nodes, which have no image user.
    """
    if _is_in_geometry(bpy, image):
        return None
    numbers: dict[int, set[int]] = {}
    for tree, user in _users(bpy, image):
        if _is_counted_by_curves(tree):
            return None
        for frame in frames:
            number, has_begun = shown(user, frame)
            if number >= 0:
                numbers.setdefault(number, set()).update([frame] if has_begun else [])
    return {number: sorted(showing) for number, showing in numbers.items()}


def _users(bpy: Any, image: Any) -> Iterator[tuple[Any, Any]]:
    trees = list(bpy.data.node_groups)
    for of in (bpy.data.materials, bpy.data.worlds, bpy.data.lights, bpy.data.scenes):
        trees += [one.node_tree for one in of if getattr(one, "node_tree", None) is not None]
    for tree in trees:
        for node in tree.nodes:
            if getattr(node, "image", None) == image:
                # A shader node has an image user; a compositor node is an image user itself.
                yield tree, getattr(node, "image_user", node)
    for texture in bpy.data.textures:
        if getattr(texture, "image", None) == image:
            yield texture, texture.image_user


def _is_in_geometry(bpy: Any, image: Any) -> bool:
    """Return True if geometry nodes, or an input of a modifier, use the image."""
    users = bpy.data.user_map(subset=[image])[image]
    return any(
        type(user).__name__ == "Object" or getattr(user, "bl_idname", "") == "GeometryNodeTree"
        for user in users
    )


def _is_counted_by_curves(owner: Any) -> bool:
    animation = owner.animation_data
    curves = () if animation is None else (*animation.drivers, *curves_of(animation.action))
    return any(curve.data_path.endswith(COUNTED) for curve in curves)


def strip_files(
    bpy: Any, scene: Any, base: str, frames: Sequence[int]
) -> Mapping[str, Sequence[int] | None]:
    """Return the pictures of a folder's image strips that the frames show.

    For the file of any other strip, return ``base``; for a sound, nothing.
    """
    strips = strips_of(scene, nested=True)
    if base in {_heard(bpy, strip) for strip in strips if _sounds(strip)}:
        return {}
    here = [strip for strip in strips if _folder(bpy, scene, strip) == os.path.dirname(base)]
    is_plain = not any(strip.type == "SPEED" for strip in strips)
    files: dict[str, list[int] | None] = {}
    for strip in here:
        for name, showing in _elements(strip, frames if is_plain else None).items():
            place = os.path.join(os.path.dirname(base), name)
            more = files.get(place, [])
            files[place] = None if showing is None or more is None else [*more, *showing]
    return files if here else {base: None}


def _sounds(strip: Any) -> bool:
    return strip.type == "SOUND" and strip.sound is not None


def _heard(bpy: Any, strip: Any) -> str:
    sound = strip.sound
    return os.path.normpath(str(bpy.path.abspath(sound.filepath, library=sound.library)))


def _folder(bpy: Any, scene: Any, strip: Any) -> str | None:
    if strip.type != "IMAGE":
        return None
    return os.path.normpath(str(bpy.path.abspath(strip.directory, library=scene.library)))


def _elements(strip: Any, frames: Sequence[int] | None) -> Mapping[str, list[int] | None]:
    """Return the strip's pictures that the frames show; if ``frames`` is None, all pictures."""
    if frames is None:
        return dict.fromkeys(element.filename for element in strip.elements)
    is_new = hasattr(strip, "left_handle")  # the name since Blender 5.2; 6.0 removes the old name
    first = strip.left_handle if is_new else strip.frame_final_start
    end = strip.right_handle if is_new else strip.frame_final_end
    found: dict[str, list[int]] = {}
    for frame in frames:
        element = strip.strip_elem_from_frame(frame) if first <= frame < end else None
        if element is not None:
            found.setdefault(element.filename, []).append(frame)
    return {**found}
