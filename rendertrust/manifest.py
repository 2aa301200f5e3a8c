"""Manifests: the files of a job, and the paths under which a node lays them out.

    {"version": 1, "scene": "shots/a.blend", "files": {"shots/a.blend": {"sha256": …, "size": …,
     "upload": …}, "textures/wood.png": …}}

``upload`` is the id of one of the creator's uploads. A manifest is an upload itself. The gateway
checks each of its files when the job is submitted, and keeps a copy that has object keys instead of
ids (``key``). Nodes get that copy.

Gateway and node both refuse a path that leads out of the folder in which a node lays out the files.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs
import orjson

VERSION: Final = 1
FILENAME: Final = "rendertrust-manifest.json"
BYTES_MAX: Final = 2 << 20
# The gateway's copy is longer than the upload, because object keys are longer than upload ids.
KEPT_BYTES_MAX: Final = 2 * BYTES_MAX
FILES_MAX: Final = 5_000
TOTAL_BYTES_MAX: Final = 256 << 30
FILE_BYTES_MAX: Final = 64 << 30
PATH_CHARACTERS_MAX: Final = 500
NAME_BYTES_MAX: Final = 255
DEPTH_MAX: Final = 32  # names in a path: folders and the file
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_PLACE: Final = {"upload": 36, "key": 1024}


class ManifestError(ValueError):
    """The manifest is invalid.

    ``path``: the file with the fault, '' if the fault concerns the whole manifest.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path


@attrs.frozen
class ManifestEntry:
    """A file of a manifest. ``place``: the upload id or object key of the file's content."""

    path: str
    sha256: str
    size: int
    place: str


@attrs.frozen
class Manifest:
    """The files of a job; ``scene`` is the path of the scene that is rendered."""

    scene: str
    files: tuple[ManifestEntry, ...]

    @property
    def by_path(self) -> Mapping[str, ManifestEntry]:
        """Return the files by path."""
        return {entry.path: entry for entry in self.files}

    @property
    def by_sha256(self) -> Mapping[str, ManifestEntry]:
        """Return one file for each SHA-256."""
        return {entry.sha256: entry for entry in self.files}

    def written(self, place: str) -> bytes:
        """Return the manifest as JSON.

        ``place``: ``upload`` or ``key``, the name of the member that says where a file's content
        is.
        """
        files = {
            entry.path: {"sha256": entry.sha256, "size": entry.size, place: entry.place}
            for entry in self.files
        }
        return orjson.dumps({"version": VERSION, "scene": self.scene, "files": files})


def read(content: bytes, place: str) -> Manifest:
    """Parse a manifest. Raises ManifestError."""
    most = BYTES_MAX if place == "upload" else KEPT_BYTES_MAX
    if len(content) > most:
        raise ManifestError(f"is longer than {most} bytes")
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise ManifestError("is not JSON") from None
    files = told.get("files") if isinstance(told, dict) else None
    if not isinstance(files, dict) or told.get("version") != VERSION:
        raise ManifestError(f"must be an object with version {VERSION} and files")
    if not 1 <= len(files) <= FILES_MAX:
        raise ManifestError(f"must have 1 to {FILES_MAX} files")
    entries = tuple(_entry(path, members, place) for path, members in files.items())
    scene = told.get("scene")
    if not isinstance(scene, str) or scene not in files:
        raise ManifestError("must name one of its files as the scene")
    if sum(entry.size for entry in entries) > TOTAL_BYTES_MAX:
        raise ManifestError(f"has more than {TOTAL_BYTES_MAX >> 30} GiB of files")
    _no_file_is_a_folder(files)
    if place == "upload" and (twins := alike(files)) is not None:
        raise ManifestError(twins_fault(*twins), twins[0])
    return Manifest(scene, entries)


def _entry(path: str, members: Any, place: str) -> ManifestEntry:
    if (fault := path_fault(path)) is not None:
        raise ManifestError(fault, path[:100])
    if not isinstance(members, dict):
        raise ManifestError("must be an object", path)
    sha256, size, where = (members.get(name) for name in ("sha256", "size", place))
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ManifestError("sha256 must be 64 hexadecimal digits", path)
    if type(size) is not int or not 0 < size <= FILE_BYTES_MAX:
        raise ManifestError(f"size must be 1 to {FILE_BYTES_MAX} bytes", path)
    if not isinstance(where, str) or not 1 <= len(where) <= _PLACE[place]:
        raise ManifestError(f"{place} is missing", path)
    return ManifestEntry(path, sha256, size, where)


def path_fault(path: str) -> str | None:
    """Return why a manifest may not contain this path; None if the path is allowed."""
    if not 1 <= len(path) <= PATH_CHARACTERS_MAX:
        return f"a path must have 1 to {PATH_CHARACTERS_MAX} characters"
    if path.startswith("/") or "\\" in path or path[1:2] == ":":  # the colon of a Windows drive
        return "a path must be relative, with / between its folders"
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "a path must not contain control characters"
    parts = path.split("/")
    if len(parts) > DEPTH_MAX:
        return f"a path may have at most {DEPTH_MAX - 1} folders"
    if any(part in ("", ".", "..") for part in parts):
        return "a path must not contain empty names, . or .."
    try:
        is_long = any(len(part.encode()) > NAME_BYTES_MAX for part in parts)
    except UnicodeEncodeError:
        return "a path must be valid Unicode"
    return f"a name may have at most {NAME_BYTES_MAX} bytes" if is_long else None


def alike(paths: Iterable[str]) -> tuple[str, str] | None:
    """Return two paths that a case-insensitive or normalizing file system considers equal.

    Windows and macOS have such file systems. Return None if all paths are distinct on such file
    systems.
    """
    seen: dict[str, str] = {}
    for path in paths:
        if (other := seen.setdefault(folded(path), path)) != path:
            return other, path
    return None


def folded(path: str) -> str:
    """Return the path as a case-insensitive, normalizing file system compares it."""
    return unicodedata.normalize("NFC", path).casefold()


def twins_fault(_: str, second: str) -> str:
    """Return the error message for two paths that some file systems consider equal."""
    return f"and {second} differ only in case or accents; some nodes cannot keep both: rename one"


def _no_file_is_a_folder(paths: Mapping[str, Any]) -> None:
    for path in paths:
        folders = path.split("/")[:-1]
        for depth in range(1, len(folders) + 1):
            if "/".join(folders[:depth]) in paths:
                raise ManifestError("is below a path that is itself a file", path)
