"""Add-ons of a job: zips of Blender extensions whose code the gateway's admin allows."""

import os
import tomllib
import zipfile
from importlib import import_module
from typing import Any

from ..formats.bounds import ZIP_ERRORS
from ..ipc import SceneError, one_line

MANIFEST = "blender_manifest.toml"
REPOSITORY = "user_default"  # the folder of extensions that were installed from a file
FILES_MAX = 5_000
BYTES_MAX = 512 * 2**20  # unpacked


class AddonError(SceneError):
    """An add-on of the job cannot be used."""


def enable(bpy: Any, paths: list[str]) -> None:
    """Unpack and enable the add-ons, before the scene is opened. Raises AddonError.

    They stay enabled, as all scenes of a process are of one job.
    """
    addon_utils: Any = import_module("addon_utils")  # comes with Blender
    names = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    folder = bpy.utils.user_resource("EXTENSIONS", path=REPOSITORY, create=True)
    new = [pair for pair in zip(names, paths, strict=True) if not _is_there(folder, pair[0])]
    for name, path in new:
        _unpack(path, os.path.join(folder, name))
        _require_version(bpy, name, os.path.join(folder, name, MANIFEST))
    if new:
        addon_utils.extensions_refresh(ensure_wheels=True)
    for name, _ in new:
        _enable(bpy, addon_utils, name)


def _is_there(folder: str, name: str) -> bool:
    return os.path.isdir(os.path.join(folder, name))


def _unpack(path: str, place: str) -> None:
    """Unpack to ``place`` the folder of the manifest: the zip's top, or its only folder."""
    unpacked = f"{place}.unpacked"
    try:
        with zipfile.ZipFile(path) as packed:
            members = packed.infolist()
            if len(members) > FILES_MAX or sum(one.file_size for one in members) > BYTES_MAX:
                raise AddonError(f"the add-on {os.path.basename(path)} is too large")
            packed.extractall(unpacked)
    except (*ZIP_ERRORS, ValueError, OSError) as fault:
        name = os.path.basename(path)
        raise AddonError(f"the add-on {name} cannot be unpacked: {one_line(fault)}") from fault
    inside = os.listdir(unpacked)
    is_at_top = MANIFEST in inside or len(inside) != 1
    os.rename(unpacked if is_at_top else os.path.join(unpacked, inside[0]), place)


def _require_version(bpy: Any, name: str, manifest: str) -> None:
    """Raise AddonError if the add-on is not for this version of Blender."""
    with open(manifest, "rb") as file:
        said = tomllib.load(file)
    first, end = said["blender_version_min"], said.get("blender_version_max")
    if bpy.app.version < _numbers(first):
        raise AddonError(f"the add-on {name} needs Blender {first} or newer")
    if end is not None and bpy.app.version >= _numbers(end):
        raise AddonError(f"the add-on {name} works only before Blender {end}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _enable(bpy: Any, addon_utils: Any, name: str) -> None:
    faults: list[BaseException] = []
    module = addon_utils.enable(
        f"bl_ext.{REPOSITORY}.{name}", persistent=True, handle_error=faults.append
    )
    if module is None:
        why = one_line(faults[0]) if faults else "it cannot be registered"
        raise AddonError(
            f"the add-on {name} does not work in Blender {bpy.app.version_string}: {why}"
        )
