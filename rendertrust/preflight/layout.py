"""The files that a scene names, as the inputs of a job: what is sent, and under which path.

What lies beside or below the scene, or in a folder not far above it, keeps its place, so that
relative paths hold. What lies elsewhere comes into the folder ``linked``, and the scene is told
(``paths``): absolute paths mean nothing on another machine. There the second of two comes, too,
which some file systems take for one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import PurePath
from typing import Any, Final

import attrs

from rendertrust.manifest import folded

CLIMB_MAX: Final = 3  # folders above the scene that may count as its project
LINKED: Final = "linked"
PATHS: Final = "rendertrust-paths.json"


@attrs.frozen(kw_only=True)
class Linked:
    """One file to send: ``source`` on this disk goes to ``path`` among the inputs."""

    source: PurePath
    path: str
    size: int
    kind: str
    owners: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Missing:
    """A file that the scene names and that is not there; with it nothing is submitted."""

    owner: str
    path: str
    source: PurePath


@attrs.frozen(kw_only=True)
class Layout:
    """``scene`` is the scene's own path among the inputs; ``paths`` says where each file that it
    names by another way lies there (what the input PATHS holds as JSON).
    """

    scene: str
    files: tuple[Linked, ...]
    missing: tuple[Missing, ...]
    paths: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes to send, the scene itself left out."""
        return sum(file.size for file in self.files)


def laid_out(scene: PurePath, files: Sequence[Mapping[str, Any]]) -> Layout:
    """Where everything goes. ``files`` are those of the worker's facts, ``scene`` is absolute."""
    found: dict[PurePath, list[Mapping[str, Any]]] = {}
    missing: dict[tuple[str, PurePath], Missing] = {}
    for file in files:
        source = type(scene)(file["file"])
        if file["bytes"] is None:
            gone = Missing(owner=file["owner"], path=file["path"], source=source)
            missing.setdefault((file["owner"], source), gone)
        else:
            found.setdefault(source, []).append(file)
    root = project_of(scene, found)
    placed = _placed(root, scene, found)
    sent = tuple(
        Linked(
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
        paths=_paths(scene, root, found, placed),
    )


def project_of(scene: PurePath, files: Iterable[PurePath]) -> PurePath:
    """The folder that becomes the root of the inputs: the lowest above the scene that holds every
    file which is near it at all.
    """
    near = list(scene.parents)[: CLIMB_MAX + 1]
    near = [folder for folder in near if folder != folder.parent] or near[:1]  # never the disk
    root = near[0]
    for file in files:
        holding = next((folder for folder in near if folder in file.parents), None)
        if holding is not None and near.index(holding) > near.index(root):
            root = holding
    return root


def _below(root: PurePath, path: PurePath) -> str:
    return path.relative_to(root).as_posix()


def _placed(
    root: PurePath, scene: PurePath, found: Mapping[PurePath, Sequence[Mapping[str, Any]]]
) -> dict[PurePath, str]:
    """A path among the inputs for each file: its own below the root, else one in LINKED.

    Files of one folder stay together there: the tiles and numbers of a texture are found by name.
    A library stays in its place, as what it links is found from there.
    """
    folders: dict[tuple[PurePath, int], int] = {}
    taken, placed = {folded(_below(root, scene))}, dict[PurePath, str]()
    for source in sorted(found):
        is_library = found[source][0]["kind"] == "library"
        places = _places(root, source, folders)
        path = next(place for place in places if is_library or folded(place) not in taken)
        taken.add(folded(path))
        placed[source] = path
    return placed


def _places(
    root: PurePath, source: PurePath, folders: dict[tuple[PurePath, int], int]
) -> Iterator[str]:
    """Where it could lie, the best place first; ``folders`` are those of LINKED by their number."""
    if root in source.parents:
        yield _below(root, source)
    for turn in count():
        number = folders.setdefault((source.parent, turn), len(folders))
        yield f"{LINKED}/{number}/{source.name}"


def _keeps_its_place(root: PurePath, source: PurePath, place: str) -> bool:
    return root in source.parents and place == _below(root, source)


def _paths(
    scene: PurePath,
    root: PurePath,
    found: Mapping[PurePath, Sequence[Mapping[str, Any]]],
    placed: Mapping[PurePath, str],
) -> dict[str, str]:
    """What the scene writes -> where it is now, for what it would not find as it is written."""
    told: dict[str, str] = {}
    for source, files in found.items():
        for file in files:
            written, library = file["path"], file.get("library")
            stays = _keeps_its_place(root, source, placed[source])
            is_moved = not stays or _is_moved(library, root, scene)
            if written.startswith("//") and not is_moved:
                continue  # relative, and everything between is where it was
            folder = placed[source].rpartition("/")[0]
            name = PurePath(written.replace("\\", "/")).name
            key = written if library is None else f"{library}|{written}"
            told.setdefault(key, f"{folder}/{name}" if folder else name)
    return told


def _is_moved(library: str | None, root: PurePath, scene: PurePath) -> bool:
    """Whether what a linked file writes relatively means another place now."""
    if library is None:
        return False
    if not library.startswith("//"):
        return root not in type(scene)(library).parents
    climbs = library.replace("\\", "/").removeprefix("//").split("/").count("..")
    return climbs > len(scene.parent.relative_to(root).parts)
