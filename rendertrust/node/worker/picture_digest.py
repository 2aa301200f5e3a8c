"""What a picture is, whoever has it: a hash of its pixels, or of what they are decoded from.

Several at once, as chunks of frames are delivered in a zip, are ``rendertrust-pictures-v1
{number}``, a newline, and a line of name and hash for each, in the order of their names.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from typing import Any

from . import exr_headers, image_digest, png_pixels, zip_directory
from .image_headers import size_of as size_of  # noqa: PLC0414 - part of what this module offers
from .png_pixels import NoPixels

NAME = "rendertrust-pictures-v1"
FILES_MAX = 4096
NAMED_MAX = 64  # so many are named one by one
ZIP = b"PK\x03\x04"


def of_file(path: str) -> dict[str, Any]:
    """sha256 and what it is of. OSError; NoPixels for a file that is no picture of a kind that is
    read, nor a zip of such.
    """
    with open(path, "rb") as file:
        if file.read(4) == ZIP:
            return _of_zip(path)
        file.seek(0)
        return _of(file)


def told(path: str) -> dict[str, Any]:
    """The same under the name ``pixels``, as it is reported; nothing of another file."""
    try:
        return {"pixels": of_file(path)}
    except NoPixels:
        return {}


def seen(path: str) -> dict[str, str]:
    """The hash alone, under the name ``seen``, of what somebody else delivered."""
    found = told(path)
    return {"seen": found["pixels"]["sha256"]} if found else {}


def told_of_several(paths: dict[str, str]) -> dict[str, Any]:
    """The same of files by their names in a zip."""
    try:
        return {"pixels": _together({name: of_file(path) for name, path in paths.items()})}
    except NoPixels:
        return {}


def _of(file: Any) -> dict[str, Any]:
    head = file.read(4)
    file.seek(0)
    if head == exr_headers.MAGIC:
        return image_digest.of_exr(file)
    return image_digest.of_jpeg(file) if head[:2] == image_digest.BEGIN else png_pixels.of_png(file)


def _of_zip(path: str) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    try:
        with zip_directory.opened(path, FILES_MAX) as packed:
            for entry in packed.infolist():
                if entry.compress_type != zipfile.ZIP_STORED or entry.filename in found:
                    raise NoPixels("it is no zip as chunks of frames are delivered")
                with packed.open(entry) as picture:
                    found[entry.filename] = _of(picture)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as fault:
        raise NoPixels("it is a zip that cannot be read") from fault
    return _together(found)


def _together(pictures: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One hash over all of them; where they are not many, also each of them."""
    named = {name: str(pictures[name]["sha256"]) for name in sorted(pictures)}
    told: dict[str, Any] = {"sha256": of_named(named), "files": len(named)}
    return told | ({"pictures": named} if len(named) <= NAMED_MAX else {})


def of_named(named: Mapping[str, str]) -> str:
    """The hash over pictures of which each has its own."""
    digest = hashlib.sha256(f"{NAME} {len(named)}\n".encode())
    for name in sorted(named):
        digest.update(f"{name} {named[name]}\n".encode())
    return digest.hexdigest()


def are_its_own(pixels: Mapping[str, Any]) -> bool:
    """Whether the pictures that are named one by one, if any are, are those of the whole hash."""
    named = pixels.get("pictures")
    if named is None:
        return True
    if not isinstance(named, dict) or not all(isinstance(of, str) for of in named.values()):
        return False
    return bool(of_named(named) == pixels.get("sha256"))
