"""Where the files that a scene names lie among the inputs of a job."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import import_nodes, simulation_caches
from .ipc import SceneError
from .scene_files import is_essential

FILED = ("FILE", "SEQUENCE", "TILED", "MOVIE")  # sources of pictures
NOWHERE = "not sent"  # a folder that no job has


@dataclass(frozen=True)
class InputPaths:
    """``paths`` gives the input for what the scene writes, or for LIBRARY|what the linked file
    writes, below the folder ``inputs``. Of ``libraries`` it is known how they were written.
    """

    bpy: Any
    paths: dict[str, str]
    inputs: str
    libraries: dict[str, str] = field(default_factory=dict[str, str])

    def place(self, written: str) -> str | None:
        """Where it is; None: where it is written, or nowhere."""
        path = self.paths.get(written)
        return None if path is None else os.path.join(self.inputs, path)

    def of_file(self, owner: Any, path: str, *_: Any) -> str | None:
        """The same of a file that ``owner`` names."""
        inside = owner.library
        if inside is None:
            return self.place(path)
        return self.place(f"{self.libraries.get(inside.name_full, inside.filepath)}|{path}")

    def find_libraries(self) -> None:
        """What a library links is known once it was found itself."""
        known = self.libraries
        while new := [one for one in self.bpy.data.libraries if one.name_full not in known]:
            for library in new:
                written = known[library.name_full] = self._written(library)
                if place := self.place(written):
                    library.filepath = place
                    library.reload()

    def _written(self, library: Any) -> str:
        """How the artist's file names it. Blender writes relative paths anew that lead above the
        disk's root, as those do that are opened fewer folders deep than where they were made.
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
        """Raise SceneError if one that was sent is not linked: its things would be missing."""
        found = set(self.libraries.values())
        for key in self.paths:
            if "|" not in key and key.lower().endswith(".blend") and key not in found:
                raise SceneError(f"the library {key} was sent, and is not found as it is written")


def remap(bpy: Any, paths: dict[str, str], inputs: str) -> None:
    """Let each file that the scene names be the input that ``paths`` gives for it.

    A key is what the scene writes, or LIBRARY|what the linked file writes.
    """
    places = InputPaths(bpy, paths, inputs)
    places.find_libraries()
    places.check_libraries()
    _rewrite(bpy, places.of_file)


def shut(bpy: Any, inputs: str) -> None:
    """Let nothing be read that was not sent: what a scene names elsewhere is missing, though this
    machine may have such a file. Else pictures would tell what lies here, and differ from those of
    a machine that has another one.
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
    """Give paths anew; what was read by the old ones is forgotten."""
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
