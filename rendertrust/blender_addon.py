"""Add-ons of Blender that a job brings with its scene, as zips of Blender extensions."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

MANIFEST: Final = "blender_manifest.toml"
ADDONS: Final = "rendertrust-addons"  # folder among a job's inputs
ADDONS_MAX: Final = 8  # of a job
ID: Final = r"[A-Za-z][A-Za-z0-9_]{0,62}"
_VERSION: Final = re.compile(r"[0-9][0-9A-Za-z.+-]{0,31}", re.ASCII)
_BLENDER: Final = re.compile(r"[2-9]\.[0-9]{1,2}\.[0-9]{1,3}", re.ASCII)
_PATH: Final = re.compile(rf"{ADDONS}/({ID})\.zip", re.ASCII)


class AddonFault(ValueError):
    """A zip is no add-on that nodes can use."""


@attrs.frozen
class AddonManifest:
    """The manifest of an add-on. ``title``: its name for people.

    It works from Blender ``blender_from`` on, and in no version from ``blender_before`` on; None if
    no such version is known.
    """

    id: str
    title: str
    version: str
    blender_from: str
    blender_before: str | None


def manifest_of(said: Mapping[str, Any]) -> AddonManifest:
    """Return the manifest of an add-on. Raises AddonFault."""
    if said.get("type") != "add-on":
        raise AddonFault("its manifest does not say that it is an add-on")
    found = AddonManifest(
        id=_text(said, "id", re.compile(ID, re.ASCII)),
        title=str(said.get("name", ""))[:100],
        version=_text(said, "version", _VERSION),
        blender_from=_text(said, "blender_version_min", _BLENDER),
        blender_before=None,
    )
    if "blender_version_max" not in said:
        return found
    return attrs.evolve(found, blender_before=_text(said, "blender_version_max", _BLENDER))


def manifest_name(names: Iterable[str]) -> str:
    """Return the name of the manifest in a zip: at its top, or in the folder that has all files.

    GitHub's zips have such a folder, and Blender installs them, too.
    """
    tops, found = set[str](), list[str]()
    for name in names:
        tops.add(name.partition("/")[0])
        found += [name] if name.count("/") == 1 and name.endswith(f"/{MANIFEST}") else []
    return found[0] if len(tops) == 1 and found else MANIFEST


def addon_path(identifier: str) -> str:
    """Return the path of an add-on's zip among a job's inputs."""
    return f"{ADDONS}/{identifier}.zip"


def is_addon_path(path: str) -> bool:
    """Return True if a path among a job's inputs is in the folder of add-ons."""
    return path.startswith(f"{ADDONS}/")


def addon_id(path: str) -> str | None:
    """Return the id of the add-on at this path; None if the path is no add-on's."""
    found = _PATH.fullmatch(path)
    return None if found is None else found[1]


def _text(said: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise AddonFault(f"its manifest has no valid {name}")
    return value
