"""Blender's extension as a static repository: the zips that the gateway or `scripts/extension` has
built.

A gateway hands out a zip only if it was made of the gateway's own sources: the same wheel, and the
same extension. Zips are not built at a request, because they hold other projects' wheels.
"""

import hashlib
import lzma
import tomllib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import attrs

import rendertrust
from config.data_folder import data_folder
from config.settings import Settings
from rendertrust.api.downloads import (
    DownloadableExtension,
    ExtensionRepository,
    RepositoryEntry,
)
from web.downloads.wheel import CHECKOUT, Wheel

DIST: Final = CHECKOUT / "dist"  # where `scripts/extension` writes
BUILT: Final = "extensions"  # in the data folder, where the gateway writes
SOURCES: Final = CHECKOUT / "extension"
MANIFEST: Final = "blender_manifest.toml"
INDEX: Final = "index.json"  # the name that Blender expects
FORMAT: Final = "v1"  # of the index
FILES_MAX: Final = 32
# Errors of a file that is still being written, or damaged, or no zip.
FAULTS: Final = (
    OSError,
    LookupError,
    TypeError,
    ValueError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


@attrs.frozen
class Extension:
    """A zip of the extension, and what its manifest says. ``sha256`` is in hexadecimal."""

    path: Path
    sha256: str
    size: int
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.path.name


def extension_folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders with zips: the one that the settings name, else one in the data folder
    and `dist`. The gateway builds into the first.

    The checkout of an installed gateway belongs to root, so the gateway cannot write to `dist`.
    """
    named = settings.downloads.extensions
    return (Path(named),) if named else (data_folder(settings) / BUILT, DIST)


def found_extensions(folders: Sequence[Path], wheel: Wheel) -> tuple[Extension, ...]:
    """Return the zips that are made of this gateway's sources, by name; of equal names, the one in
    the first folder.
    """
    found = {each.name: each for folder in reversed(folders) for each in _in(folder, wheel)}
    return tuple(found[name] for name in sorted(found))


def _in(folder: Path, wheel: Wheel) -> list[Extension]:
    paths = sorted(folder.glob(f"rendertrust-{rendertrust.__version__}-blender-*.zip"))
    found = (_read(path, wheel) for path in paths[:FILES_MAX])
    return [each for each in found if each is not None]


def _read(path: Path, wheel: Wheel) -> Extension | None:
    try:
        state = path.stat()
        return _opened(path, state.st_mtime_ns, state.st_size, wheel)
    except FAULTS:
        return None


@lru_cache(maxsize=2 * FILES_MAX)
def _opened(path: Path, changed: int, size: int, wheel: Wheel) -> Extension | None:
    """Return the zip, or None if it is made of other sources. ``changed`` is its time of change."""
    with zipfile.ZipFile(path) as opened:
        if opened.read(f"wheels/{wheel.name}") != wheel.body:
            return None
        if any(opened.read(each.name) != each.read_bytes() for each in SOURCES.glob("*.py")):
            return None
        manifest = tomllib.loads(opened.read(MANIFEST).decode())
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Extension(path, sha256, size, manifest) if _is_of_sources(manifest) else None


def _is_of_sources(manifest: Mapping[str, Any]) -> bool:
    """Return True if the manifest is the sources' one with versions and platforms added.

    Raises KeyError or TypeError if a member is missing, or no list.
    """
    own = tomllib.loads((SOURCES / MANIFEST).read_text("utf-8"))
    platforms = manifest["platforms"]
    texts = (
        *(manifest["version"], manifest["blender_version_min"], *platforms),
        manifest.get("blender_version_max", ""),
    )
    return (
        all(manifest[name] == value for name, value in own.items())
        and isinstance(platforms, list)
        and bool(platforms)
        and all(isinstance(text, str) for text in texts)
    )


def downloadable(extension: Extension, folder: str) -> DownloadableExtension:
    """Return what the API says about a zip that is at the URL ``folder``."""
    said = extension.manifest
    url = f"{folder}/{extension.name}"
    platforms = said["platforms"]
    query = {"repository": f"./{INDEX}", "blender_version_min": said["blender_version_min"]}
    if "blender_version_max" in said:
        query["blender_version_max"] = said["blender_version_max"]
    query["platforms"] = ",".join(platforms)
    return DownloadableExtension(
        name=extension.name,
        url=url,
        sha256=extension.sha256,
        size=extension.size,
        platform=platforms[0],
        blender_from=said["blender_version_min"],
        blender_before=said.get("blender_version_max"),
        drop_url=f"{url}?{urlencode(query)}",
    )


def repository(extensions: tuple[Extension, ...]) -> ExtensionRepository:
    """Return the index of the repository, in Blender's format."""
    return ExtensionRepository(FORMAT, (), tuple(_entry(each) for each in extensions))


def _entry(extension: Extension) -> RepositoryEntry:
    said = extension.manifest
    names = attrs.fields_dict(RepositoryEntry)
    members: dict[str, Any] = {name: _member(said[name]) for name in said if name in names}
    return RepositoryEntry(
        **members,
        archive_url=f"./{extension.name}",
        archive_size=extension.size,
        archive_hash=f"sha256:{extension.sha256}",
    )


def _member(value: Any) -> Any:
    """Return a value of the manifest, a list as a tuple."""
    return tuple(value) if isinstance(value, list) else value
