"""Add-ons that scenes may use: the zips of Blender extensions in the folder ``downloads.addons``.

A scene's creator sends such a zip with the scene, and the nodes enable it before they open the
scene. Whoever fills the folder vouches for the code in it, so no other zip is accepted.
"""

import hashlib
import tomllib
import zipfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

import attrs
import structlog

from config.settings import Settings
from rendertrust.api.downloads import DownloadableAddon
from rendertrust.blender_addon import AddonFault, AddonManifest, manifest_name, manifest_of
from rendertrust.program_version import DOWNLOAD
from web.downloads.extensions import FAULTS

log = structlog.get_logger("addons")
ADDONS_MAX: Final = 64
BYTES_MAX: Final = 64 << 20
MANIFEST_BYTES_MAX: Final = 64 << 10


@attrs.frozen
class OfferedAddon:
    """A zip and what its manifest says. ``sha256`` is in hexadecimal."""

    path: Path
    sha256: str
    size: int
    manifest: AddonManifest

    @property
    def name(self) -> str:
        """The name under which the gateway hands out the zip."""
        return f"{self.manifest.id}-{self.manifest.version}.zip"


def offered_addons(settings: Settings) -> tuple[OfferedAddon, ...]:
    """Return the add-ons in the folder, sorted by name. Files that are no add-ons are logged."""
    folder = settings.downloads.addons
    if not folder:
        return ()
    paths = sorted(Path(folder).glob("*.zip"))[:ADDONS_MAX]
    read = (_read(path) for path in paths)
    found = {each.name: each for each in read if each is not None}
    return tuple(found[name] for name in sorted(found))


def refused_addon(offered: Iterable[OfferedAddon], identifier: str, sha256: str) -> str | None:
    """Return why a job may not bring this add-on; None if it may."""
    same = [each for each in offered if each.manifest.id == identifier]
    if any(each.sha256 == sha256 for each in same):
        return None
    if same:
        names = " or ".join(each.name for each in same)
        return f"is another file than {names}, which this farm offers: get it from the farm"
    return "is no add-on that this farm offers: GET /api/v1/downloads lists them"


def downloadable_addon(addon: OfferedAddon, url: str) -> DownloadableAddon:
    """Return what the API of the gateway at ``url`` says about an add-on."""
    said = addon.manifest
    return DownloadableAddon(
        id=said.id,
        title=said.title,
        version=said.version,
        blender_from=said.blender_from,
        blender_before=said.blender_before,
        name=addon.name,
        url=f"{url}{DOWNLOAD}/{addon.name}",
        sha256=addon.sha256,
        size=addon.size,
    )


def _read(path: Path) -> OfferedAddon | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return _opened(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2 * ADDONS_MAX)
def _opened(path: Path, _changed: int, size: int) -> OfferedAddon | None:
    """Return the add-on; None, after a line in the log, if the file is none."""
    try:
        if size > BYTES_MAX:
            raise AddonFault(f"it has more than {BYTES_MAX >> 20} MiB")
        with zipfile.ZipFile(path) as opened:
            name = manifest_name(opened.namelist())
            if opened.getinfo(name).file_size > MANIFEST_BYTES_MAX:
                raise AddonFault("its manifest is too long")
            manifest = manifest_of(tomllib.loads(opened.read(name).decode()))
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except FAULTS as fault:
        log.warning("file is no add-on of Blender", path=str(path), error=str(fault))
        return None
    return OfferedAddon(path, sha256, size, manifest)
