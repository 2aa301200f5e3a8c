"""Search for the USD files that a USD file refers to: layers, references, payloads and value clips.

Blender's importer does not report these files. OpenUSD's module ``pxr``, which comes with Blender,
reads the references. Without ``pxr``, files are scanned for names.
"""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

SUFFIX = (".usd", ".usda", ".usdc", ".usdz")
PACKAGE = ".usdz"
CRATE = b"PXR-USDC"
IN_TEXT = re.compile(rb"@([^@\r\n]+)@")
IN_CRATE = re.compile(rb"[\x20-\x7e]+?\.usd[acz]?", re.IGNORECASE)
FILES_MAX = 1_000
SCANNED_BYTES_MAX = 256 * 2**20


def layers(bpy: Any, path: str) -> list[str]:
    """Return the existing USD files that ``path`` uses, directly or through others."""
    root = os.path.normpath(path)
    found, waiting = {root}, [root]
    while waiting and len(found) < FILES_MAX:
        file = waiting.pop()
        for name in _named(bpy, file):
            place = os.path.normpath(os.path.join(os.path.dirname(file), name))
            if place not in found and os.path.isfile(place):
                found.add(place)
                waiting.append(place)
    return sorted(found - {root})


def _named(bpy: Any, path: str) -> Iterator[str]:
    """Yield the names of USD files in one USD file, as written in the file."""
    if path.lower().endswith(PACKAGE) or not os.path.isfile(path):
        return  # a package contains everything that it refers to
    for name in _references(bpy, path):
        text = name.partition(":SDF_FORMAT_ARGS:")[0].partition("[")[0]
        if text.lower().endswith(SUFFIX) and "://" not in text:
            yield text


def _references(bpy: Any, path: str) -> Iterable[str]:
    """Return all file names in one USD file; empty if the file is damaged."""
    expose = getattr(bpy.utils, "expose_bundled_modules", None)
    if expose is not None:  # needed if Blender is a Python module
        expose()
    try:
        from pxr import UsdUtils  # type: ignore[import-not-found]  # noqa: PLC0415
    except ImportError:
        return _scanned(path)
    try:
        sublayers, references, payloads = UsdUtils.ExtractExternalReferences(path)
    except RuntimeError:
        return ()
    return (*sublayers, *references, *payloads)


def _scanned(path: str) -> Iterator[str]:
    """Yield strings that look like file names.

    A binary file (crate) may hide names by compression.
    """
    if os.path.getsize(path) > SCANNED_BYTES_MAX:
        return
    with open(path, "rb") as file:
        content = file.read()
    pattern = IN_CRATE if content.startswith(CRATE) else IN_TEXT
    for name in pattern.findall(content):
        yield name.decode("utf-8", "replace")
