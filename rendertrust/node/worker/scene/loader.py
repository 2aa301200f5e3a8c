"""Opening of the artist's scene, which may be hostile.

No script of the scene runs. The scene's file paths are replaced by the job's inputs, and every
other file is blocked.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from ..ipc import MachineError, MissingCapability, SceneError, one_line, overheard
from . import addons, nondeterminism, simulation_caches
from .files import IMPORT_PATH, computed_imports
from .named_paths import rewrite_paths
from .settings import composite_on_processor, make_repeatable

NO_OPENGL = "which needs OpenGL, but this node has none; Cycles renders everywhere"
NO_SCRIPTS = "whose script shader runs on processors only, and this node renders on a graphics card"
NO_ENGINE = re.compile(r"Engine '([^']*)' not available for scene '([^']*)'")
LOST_VIEW = re.compile(r'\bview "([^"\n]{1,64})" not found')
NEWER = re.compile(r"newer version", re.IGNORECASE)
HEAD_BYTES = 32
ZSTD = b"\x28\xb5\x2f\xfd"
# Header of a file: ``…v0500`` since Blender 5.0, ``…v403`` before.
HEAD = re.compile(rb"BLENDER(?:[0-9]{2}-[0-9]{2}|[-_])[vV]([0-9]{3,4})")
FILED = ("FILE", "SEQUENCE", "TILED", "MOVIE")  # sources of images that are read from files
NOWHERE = "not sent"  # a folder that no job has


@dataclass(frozen=True)
class Replaced:
    """Settings of a scene that this Blender lacks and has replaced.

    ``engine``: the scene's render engine, of a missing add-on; None if it is there. ``views``: view
    transforms, of another OpenColorIO configuration.
    """

    engine: str | None
    views: list[str]


def load(bpy: Any, order: dict[str, Any]) -> tuple[Any, Replaced]:
    """Enable the order's add-ons, load its scene and replace the scene's file paths.

    Also return what Blender has replaced by settings that it has.
    """
    if order.get("addons"):
        addons.enable(bpy, order["addons"])
    said = _open(bpy, order["scene"])
    if "paths" in order:
        with open(order["paths"], encoding="utf-8") as file:
            remap(bpy, json.load(file), order["inputs"])
    scene = bpy.context.scene
    lost = {found[2]: found[1] for found in NO_ENGINE.finditer(said)}
    return scene, Replaced(lost.get(scene.name), sorted(set(LOST_VIEW.findall(said))))


def opened(bpy: Any, order: dict[str, Any]) -> Any:
    """Load the order's scene for rendering. Raises SceneError, MachineError, MissingCapability."""
    scene, replaced = load(bpy, order)
    if replaced.engine is not None:
        raise SceneError(f"the render engine {replaced.engine} comes from an add-on; choose Cycles")
    if replaced.views and os.environ.get("OCIO"):
        raise SceneError(f"the job's OpenColorIO configuration has no view {replaced.views[0]}")
    if order.get("opengl") is False and (what := drawn_by_opengl(bpy, scene)) is not None:
        raise MissingCapability("opengl", f"{what}, {NO_OPENGL}")
    if order.get("device") and (script := nondeterminism.script_shader(bpy)) is not None:
        raise MissingCapability("scripts", f"{script}, {NO_SCRIPTS}")
    if (reader := nondeterminism.seed_reader(bpy)) is not None:
        raise SceneError(f"{reader} reads the seed of the render; only the noise may depend on it")
    shut(bpy, order["inputs"])
    for each in bpy.data.scenes:  # strips and the compositor show other scenes
        composite_on_processor(each)
        make_repeatable(each)
    simulation_caches.pack_bakes(bpy)
    return scene


def drawn_by_opengl(bpy: Any, scene: Any) -> str | None:
    """Return what needs OpenGL, without which Blender crashes; None if nothing does."""
    if nondeterminism.is_drawn(scene):
        name = "EEVEE" if "EEVEE" in scene.render.engine else "Workbench"
        return f"the scene's engine is {name}"
    pencil = nondeterminism.grease_pencil(bpy)
    return None if pencil is None else f"{pencil} is Grease Pencil"


def _open(bpy: Any, path: str) -> str:
    """Load the file without running its scripts; return the start of Blender's output."""
    with overheard() as said:
        try:
            bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=False)
        except RuntimeError as fault:
            told = f"Blender {bpy.app.version_string} cannot open the scene: {one_line(fault)}"
            too_new = NEWER.search(told) or saved_by(path) > bpy.app.version[:2]
            raise (MachineError if too_new else SceneError)(told) from fault
    return said[0]


def saved_by(path: str) -> tuple[int, int]:
    """Return the Blender version that wrote the file, as (major, minor); (0, 0) if unknown."""
    found = HEAD.match(_first_bytes(path))
    return divmod(int(found[1]), 100) if found else (0, 0)


def _first_bytes(path: str) -> bytes:
    """Return the first bytes of a scene, which may be compressed with zstd."""
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
        if not head.startswith(ZSTD):
            return head
        file.seek(0)
        try:
            zstandard: Any = import_module("zstandard")  # comes with Blender
            return bytes(zstandard.ZstdDecompressor().stream_reader(file).read(HEAD_BYTES))
        except Exception:  # the module is missing, or the file is damaged
            return b""


# ── file paths ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class InputPaths:
    """Mapping of paths in the scene to inputs below the folder ``inputs``.

    ``paths``: input by path in the scene, or by LIBRARY|path for a path in a library.
    ``libraries``: the original paths of the libraries found so far, by the library's name.
    """

    bpy: Any
    paths: dict[str, str]
    inputs: str
    libraries: dict[str, str] = field(default_factory=dict[str, str])

    def place(self, written: str) -> str | None:
        """Return the input for a path as written in the scene; None if the path stays."""
        path = self.paths.get(written)
        return None if path is None else os.path.join(self.inputs, path)

    def of_file(self, owner: Any, path: str, *_: Any) -> str | None:
        """Return the input for a path of ``owner``; None if the path stays."""
        inside = owner.library
        if inside is None:
            return self.place(path)
        return self.place(f"{self.libraries.get(inside.name_full, inside.filepath)}|{path}")

    def find_libraries(self) -> None:
        """Replace the paths of libraries and reload the libraries, until no library is new."""
        known = self.libraries
        while new := [one for one in self.bpy.data.libraries if one.name_full not in known]:
            for library in new:
                written = known[library.name_full] = self._written(library)
                if place := self.place(written):
                    library.filepath = place
                    library.reload()

    def _written(self, library: Any) -> str:
        """Return the library's path as the artist's file has it.

        Blender changes a relative path that would lead above the root folder. A path with many
        ``..`` does so if the artist's file lay deeper in the file system than the scene lies on
        the node.
        """
        if library.filepath in self.paths:
            return str(library.filepath)
        here = self._means(library.filepath)
        for key, place in self.paths.items():
            if here in (self._means(key), os.path.join(self.inputs, place)):
                return key
        return str(library.filepath)

    def _means(self, written: str) -> str:
        return os.path.normpath(str(self.bpy.path.abspath(written)))

    def check_libraries(self) -> None:
        """Raise SceneError if a library was sent but not found.

        The library's objects would be missing.
        """
        found = set(self.libraries.values())
        for key in self.paths:
            if "|" not in key and key.lower().endswith(".blend") and key not in found:
                raise SceneError(f"the library {key} was sent but cannot be found by its path")


def remap(bpy: Any, paths: dict[str, str], inputs: str) -> None:
    """Replace the scene's file paths by the inputs in ``paths``.

    ``paths``: input by path in the scene, or by LIBRARY|path for a path in a library.
    """
    places = InputPaths(bpy, paths, inputs)
    places.find_libraries()
    places.check_libraries()
    _rewrite(bpy, places.of_file)


def shut(bpy: Any, inputs: str) -> None:
    """Block all files that were not sent, even if this machine has them.

    Otherwise a picture could reveal local files, and would differ between machines. Files of
    Blender's own folder are no exception, because a scene names them by their absolute paths.
    """
    _leave_out_imports(bpy)

    def visit(owner: Any, path: str, *_: Any) -> str | None:
        place = os.path.realpath(bpy.path.abspath(path, library=owner.library))
        sent = os.path.realpath(inputs) + os.sep
        if not path or path.startswith("<") or place.startswith(sent):
            return None
        return os.path.join(inputs, NOWHERE, os.path.basename(place))

    _empty(bpy, [of for of in bpy.data.libraries if _is_read(of) and visit(of, of.filepath)])
    _rewrite(bpy, visit)


def _is_read(library: Any) -> bool:
    """Return True if the library's data was read from its file, not from the scene."""
    is_inside = getattr(library, "is_archive", False) or library.packed_file is not None
    return not is_inside and any(not of.is_missing for of in library.users_id)


def _empty(bpy: Any, libraries: list[Any]) -> None:
    """Make the data of these libraries missing, as if their files did not exist."""
    with tempfile.TemporaryDirectory() as folder:
        for number, library in enumerate(libraries):
            path = os.path.join(folder, f"{number}.blend")
            bpy.data.libraries.write(path, set())
            library.filepath = path
            library.reload()


def _rewrite(bpy: Any, visit: Callable[..., str | None]) -> None:
    """Rewrite paths, and reload the data that was read from the old paths."""
    changed = list[Any]()

    def visited(owner: Any, path: str, *more: Any) -> str | None:
        new = visit(owner, path, *more)
        if new is not None:
            changed.append(owner)
        return new

    rewrite_paths(bpy, visited)
    for owner, holder, name in simulation_caches.holders(bpy):
        if (new := visit(owner, getattr(holder, name))) is not None:
            setattr(holder, name, new)
    for owner in changed:
        kind = type(owner).__name__
        if kind == "Image" and owner.source in FILED and owner.packed_file is None:
            owner.reload()
        if kind == "VectorFont":
            owner.filepath = owner.filepath  # assigning the path makes Blender read the file


def _leave_out_imports(bpy: Any) -> None:
    """Let import nodes with a computed path read nothing; all machines then behave alike."""
    for tree, node in list(computed_imports(bpy)):
        for link in list(node.inputs[IMPORT_PATH].links):
            tree.links.remove(link)
        node.inputs[IMPORT_PATH].default_value = ""
