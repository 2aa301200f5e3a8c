"""Hashes of pictures: of the pixels of a PNG file, or the coded picture of a JPEG or OpenEXR file.

The hash of several pictures, such as a chunk in a zip, is over ``rendertrust-pictures-v1
{number}``, a newline, and a line with name and hash for each picture, sorted by name.
"""

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from . import bounds, exr, jpeg, png
from .bounds import NoPixels

NAME = "rendertrust-pictures-v1"
FILES_MAX = 4096
NAMED_MAX = 64  # the hashes of more pictures than this are not listed
ZIP = b"PK\x03\x04"


def of_file(path: str) -> dict[str, Any]:
    """Return the ``sha256`` and other facts of a picture, or of a zip of pictures.

    Raises OSError, and NoPixels for an unsupported file.
    """
    with open(path, "rb") as file:
        if file.read(4) == ZIP:
            return _of_zip(path)
        file.seek(0)
        return _of(file)


def heads_of(path: str) -> list[dict[str, int]]:
    """Return width, height and channels of a picture, or of each picture of a zip.

    Only headers are read; nothing is decoded. Raises OSError, and NoPixels for an unsupported file.
    """
    with open(path, "rb") as file:
        if file.read(4) == ZIP:
            return list(
                _each_in_zip(path, lambda picture: _kind_of(picture).head_of(picture)).values()
            )
        file.seek(0)
        return [_kind_of(file).head_of(file)]


def told(path: str) -> dict[str, Any]:
    """Return the hash of a picture as the report's ``pixels``; {} for an unsupported file."""
    try:
        return {"pixels": of_file(path)}
    except NoPixels:
        return {}


def seen(path: str) -> dict[str, str]:
    """Return only the hash of a delivered picture, as the member ``seen`` of a report."""
    found = told(path)
    return {"seen": found["pixels"]["sha256"]} if found else {}


def told_of_several(paths: dict[str, str]) -> dict[str, Any]:
    """Return the hash of several files as the member ``pixels``. ``paths``: by name in a zip."""
    try:
        return {"pixels": _together({name: of_file(path) for name, path in paths.items()})}
    except NoPixels:
        return {}


def _of(file: Any) -> dict[str, Any]:
    found: dict[str, Any] = _kind_of(file).digest_of(file)
    return found


def _kind_of(file: Any) -> Any:
    """Return the module that reads files of this format."""
    head = file.read(4)
    file.seek(0)
    if head == exr.MAGIC:
        return exr
    return jpeg if head[:2] == jpeg.BEGIN else png


def _of_zip(path: str) -> dict[str, Any]:
    return _together(_each_in_zip(path, _of))


def _each_in_zip(path: str, of: Callable[[Any], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Read each picture of a zip, by its name. Raises NoPixels."""
    found: dict[str, dict[str, Any]] = {}
    try:
        with bounds.open_zip(path, FILES_MAX) as packed:
            for entry in packed.infolist():
                if entry.compress_type != zipfile.ZIP_STORED or entry.filename in found:
                    raise NoPixels("the file is not a zip of a chunk of frames")
                with packed.open(entry) as picture:
                    found[entry.filename] = of(picture)
    except bounds.ZIP_ERRORS as fault:
        raise NoPixels("the file is a zip that cannot be read") from fault
    return found


def _together(pictures: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a hash over all pictures. If there are at most NAMED_MAX, also list their hashes."""
    named = {name: str(pictures[name]["sha256"]) for name in sorted(pictures)}
    told: dict[str, Any] = {"sha256": of_named(named), "files": len(named)}
    return told | ({"pictures": named} if len(named) <= NAMED_MAX else {})


def of_named(named: Mapping[str, str]) -> str:
    """Return the hash over the names and hashes of pictures."""
    digest = hashlib.sha256(f"{NAME} {len(named)}\n".encode())
    for name in sorted(named):
        digest.update(f"{name} {named[name]}\n".encode())
    return digest.hexdigest()


def are_its_own(pixels: Mapping[str, Any]) -> bool:
    """Return True if the listed hashes, if any, match the hash over all pictures."""
    named = pixels.get("pictures")
    if named is None:
        return True
    if not isinstance(named, dict) or not all(isinstance(of, str) for of in named.values()):
        return False
    return bool(of_named(named) == pixels.get("sha256"))
