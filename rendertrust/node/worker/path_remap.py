"""Remapping of a scene's file paths to the inputs of a job."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import import_nodes, simulation_caches
from .ipc import SceneError
from .scene_files import is_essential

FILED = ("FILE", "SEQUENCE", "TILED", "MOVIE")  # images that are read from files
NOWHERE = "not sent"  # a folder that no job has


@dataclass(frozen=True)
class InputPaths:
    """Mapping of written paths to inputs below the folder ``inputs``.

    Keys of ``paths`` are the scene's path, or LIBRARY|path for a linked file's path. ``libraries``:
    the original paths of libraries found so far.
    """

    bpy: Any
    paths: dict[str, str]
    inputs: str
    libraries: dict[str, str] = field(default_factory=dict[str, str])

    def place(self, written: str) -> str | None:
        """Return the input for a written path; None if the path stays."""
        path = self.paths.get(written)
        return None if path is None else os.path.join(self.inputs, path)

    def of_file(self, owner: Any, path: str, *_: Any) -> str | None:
        """Return the input for a path of ``owner``; None if the path stays."""
        inside = owner.library
        if inside is None:
            return self.place(path)
        return self.place(f"{self.libraries.get(inside.name_full, inside.filepath)}|{path}")

    def find_libraries(self) -> None:
        """Remap and reload libraries, repeatedly, because reloading reveals further ones."""
        known = self.libraries
        while new := [one for one in self.bpy.data.libraries if one.name_full not in known]:
            for library in new:
                written = known[library.name_full] = self._written(library)
                if place := self.place(written):
                    library.filepath = place
                    library.reload()

    def _written(self, library: Any) -> str:
        """Return the library's path as the artist's file has it.

        Blender rewrites relative paths that lead above the root, which happens if the file is
        opened in a less deep folder than before.
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
        """Raise SceneError if a library was sent but not found: its objects would be missing."""
        found = set(self.libraries.values())
        for key in self.paths:
            if "|" not in key and key.lower().endswith(".blend") and key not in found:
                raise SceneError(f"the library {key} was sent but cannot be found by its path")


def remap(bpy: Any, paths: dict[str, str], inputs: str) -> None:
    """Replace the scene's file paths by the inputs in ``paths``.

    Keys are the scene's path, or LIBRARY|path for a linked file's path.
    """
    places = InputPaths(bpy, paths, inputs)
    places.find_libraries()
    places.check_libraries()
    _rewrite(bpy, places.of_file)


def shut(bpy: Any, inputs: str) -> None:
    """Block all files that were not sent, even if this machine has them.

    Otherwise pictures could reveal local files, and would differ between machines.
    """
    blenders = filter(None, (bpy.utils.resource_path("LOCAL"), bpy.utils.resource_path("SYSTEM")))
    kept = [os.path.realpath(of) + os.sep for of in (inputs, *blenders)]
    import_nodes.leave_out(bpy)

    def visit(owner: Any, path: str, *_: Any) -> str | None:
        place = os.path.realpath(bpy.path.abspath(path, library=owner.library))
        if not path or path.startswith("<") or place.startswith(tuple(kept)) or is_essential(place):
            return None
        return os.path.join(inputs, NOWHERE, os.path.basename(place))

    _rewrite(bpy, visit)


def _rewrite(bpy: Any, visit: Callable[..., str | None]) -> None:
    """Rewrite paths and reload the data that was read from the old ones."""
    changed = list[Any]()

    def visited(owner: Any, path: str, *more: Any) -> str | None:
        new = visit(owner, path, *more)
        if new is not None:
            changed.append(owner)
        return new

    bpy.data.file_path_foreach(visited)
    for owner, holder, name in simulation_caches.holders(bpy):
        if (new := visit(owner, getattr(holder, name))) is not None:
            setattr(holder, name, new)
    for owner in changed:
        kind = type(owner).__name__
        if kind == "Image" and owner.source in FILED and owner.packed_file is None:
            owner.reload()
        if kind == "VectorFont":
            owner.filepath = owner.filepath  # which reads it
