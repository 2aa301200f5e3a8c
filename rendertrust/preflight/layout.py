"""Layout of a job's inputs: the files of a scene that are sent, and the paths of these files.

Files beside or below the scene, or below a folder not far above the scene, keep their places.
Relative paths to these files then stay valid. Other files go to the folder ``linked``. ``paths``
maps to an input each written path that is no longer valid: all absolute paths, and relative paths
to or in moved files. If some file systems consider two paths equal, the second file also goes to
``linked``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import count
from pathlib import PurePath
from typing import Any, Final, TypeAlias

import attrs

from rendertrust.manifest import folded

CLIMB_MAX: Final = 3  # levels of folders above the scene that may belong to the scene's project
LINKED: Final = "linked"
PATHS: Final = "rendertrust-paths.json"
Found: TypeAlias = Mapping[PurePath, Sequence[Mapping[str, Any]]]  # the facts about each file


@attrs.frozen(kw_only=True)
class LinkedFile:
    """A file to send: ``source`` on this disk goes to ``path`` among the inputs."""

    source: PurePath
    path: str
    size: int
    kind: str
    owners: tuple[str, ...]


@attrs.frozen(kw_only=True)
class MissingFile:
    """A missing file that the scene names, which prevents the submission."""

    owner: str
    path: str
    source: PurePath


@attrs.frozen(kw_only=True)
class Layout:
    """Layout of the inputs.

    ``scene`` is the scene's path among the inputs. ``paths`` maps each written path that is no
    longer valid to an input. ``paths`` itself is sent as the input PATHS (JSON).
    """

    scene: str
    files: tuple[LinkedFile, ...]
    missing: tuple[MissingFile, ...]
    paths: Mapping[str, str]

    @property
    def size(self) -> int:
        """Return the number of bytes to send, without the scene itself."""
        return sum(file.size for file in self.files)


def laid_out(scene: PurePath, files: Sequence[Mapping[str, Any]]) -> Layout:
    """Return the layout.

    ``files`` are the files in the worker's facts; ``scene`` is an absolute path.
    """
    found: dict[PurePath, list[Mapping[str, Any]]] = {}
    missing: dict[tuple[str, PurePath], MissingFile] = {}
    for file in files:
        source = type(scene)(file["file"])
        if file["bytes"] is None:
            gone = MissingFile(owner=file["owner"], path=file["path"], source=source)
            missing.setdefault((file["owner"], source), gone)
        else:
            found.setdefault(source, []).append(file)
    root = project_of(scene, found)
    places = _Places.of(root, scene, found)
    placed = {source: places.place(source, told[0], source) for source, told in found.items()}
    sent = tuple(
        LinkedFile(
            source=source,
            path=placed[source],
            size=told[0]["bytes"],
            kind=told[0]["kind"],
            owners=tuple(dict.fromkeys(file["owner"] for file in told)),
        )
        for source, told in sorted(found.items())
    )
    return Layout(
        scene=_below(root, scene),
        files=sent,
        missing=tuple(missing.values()),
        paths=_paths(scene, places, found),
    )


def project_of(scene: PurePath, files: Iterable[PurePath]) -> PurePath:
    """Return the root of the inputs: the lowest folder with the scene and all nearby files."""
    near = list(scene.parents)[: CLIMB_MAX + 1]
    near = [folder for folder in near if folder != folder.parent] or near[:1]  # never the root
    root = near[0]
    for file in files:
        holding = next((folder for folder in near if folder in file.parents), None)
        if holding is not None and near.index(holding) > near.index(root):
            root = holding
    return root


def _below(root: PurePath, path: PurePath) -> str:
    return path.relative_to(root).as_posix()


@attrs.frozen
class _Places:
    """Places of files among the inputs.

    A file below the root keeps its place. Other files go to ``linked``, with a folder for each
    group. ``groups`` are sets of folders that keep their relative places.
    """

    root: PurePath
    linked: str
    groups: Mapping[
        PurePath, tuple[int, PurePath]
    ]  # folder -> number of the folder's group, and the group's top
    apart: dict[PurePath, int] = attrs.field(factory=dict[PurePath, int])  # folders of single files

    @classmethod
    def of(cls, root: PurePath, scene: PurePath, found: Found) -> "_Places":
        """Compute the places of all files.

        Folders stay together, because Blender finds texture tiles and sequences by name, and files
        of caches and libraries by relative places.
        """
        groups: list[set[PurePath]] = []
        for source, files in sorted(found.items()):
            if root not in source.parents:
                _unite(groups, {one for file in files for one in _together(source, file, root)})
        tops = {folder: (n, _top(group)) for n, group in enumerate(groups) for folder in group}
        taken = {
            _below(root, source).partition("/")[0].casefold()
            for source in found
            if root in source.parents
        }
        places = cls(root, next(name for name in _names() if name not in taken), tops)
        places._part(scene, found, len(groups))
        return places

    def _part(self, scene: PurePath, found: Found, number: int) -> None:
        """Separate files whose paths collide, except files that Blender finds by their place."""
        taken = {folded(_below(self.root, scene))}
        for source, (file, *_) in sorted(found.items()):
            place = folded(self.place(source, file, source))
            if place in taken and file["kind"] != "library" and "stands" not in file:
                self.apart[source] = number + len(self.apart)
            taken.add(place)

    def place(self, source: PurePath, file: Mapping[str, Any], path: PurePath) -> str:
        """Return the place for ``path``, to which the file ``source`` belongs."""
        if source in self.apart:
            return f"{self.linked}/{self.apart[source]}/{path.name}"
        if self.root in source.parents:
            return _below(self.root, path)
        number, top = self.groups[_folder(source, file)]
        return f"{self.linked}/{number}/{path.relative_to(top).as_posix()}"


def _names() -> Iterator[str]:
    yield LINKED
    yield from (f"{LINKED}-{number}" for number in count(1))


def _folder(source: PurePath, file: Mapping[str, Any]) -> PurePath:
    return type(source)(file["within"]) if "within" in file else source.parent


def _together(source: PurePath, file: Mapping[str, Any], root: PurePath) -> set[PurePath]:
    """Return the file's folder, and the folder of its library if the library is moved, too."""
    folder = _folder(source, file)
    library = type(source)(file.get("of", source))
    moved = "of" in file and root not in library.parents and library.anchor == folder.anchor
    return {folder, library.parent} if moved else {folder}


def _unite(groups: list[set[PurePath]], new: set[PurePath]) -> None:
    """Add folders to the first group with a common folder, and merge other such groups into it."""
    touched = [group for group in groups if group & new]
    if not touched:
        groups.append(new)
        return
    first, *others = touched
    first.update(new, *others)
    groups[:] = [group for group in groups if group not in others]


def _top(folders: Set[PurePath]) -> PurePath:
    first, *others = sorted(folders, key=lambda folder: len(folder.parts))
    return next(
        above
        for above in (first, *first.parents)
        if all(folder.is_relative_to(above) for folder in others)
    )


def _paths(scene: PurePath, places: _Places, found: Found) -> dict[str, str]:
    """Map written paths that are no longer valid to inputs."""
    told: dict[str, str] = {}
    for source, files in found.items():
        for file in files:
            written, library = file["path"], file.get("library")
            stays = places.root in source.parents and source not in places.apart
            is_moved = not stays or _is_moved(library, places.root, scene)
            if written.startswith("//") and not is_moved:
                continue  # a relative path that is still valid
            key = written if library is None else f"{library}|{written}"
            told.setdefault(
                key, places.place(source, files[0], _stands_for(source, file, places.root))
            )
    return told


def _stands_for(source: PurePath, file: Mapping[str, Any], root: PurePath) -> PurePath:
    """Return the file or folder that a written path of the scene refers to.

    The path is ``stands`` in the scene's report, unless ``stands`` is outside ``root`` while
    ``source`` is inside. Otherwise the path is the file beside ``source`` with the name in the
    written path.
    """
    stands = type(source)(file.get("stands", source))
    if "stands" in file and (root not in source.parents or stands.is_relative_to(root)):
        return stands
    return source.with_name(PurePath(file["path"].replace("\\", "/")).name)


def _is_moved(library: str | None, root: PurePath, scene: PurePath) -> bool:
    """Return True if relative paths in a linked file are no longer valid."""
    if library is None:
        return False
    if not library.startswith("//"):
        return root not in type(scene)(library).parents
    climbs = library.replace("\\", "/").removeprefix("//").split("/").count("..")
    return climbs > len(scene.parent.relative_to(root).parts)
