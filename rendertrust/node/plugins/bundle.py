"""Several files as one: what a unit of many frames gives, and what a video takes apart."""

import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from rendertrust.node.plain import open_plain

NAME: Final = "frames.zip"
ENTRIES_MAX: Final = 100_000
BYTES_MAX: Final = 64 * 2**30
NUMBERED: Final = re.compile(
    r"(?:.*[^0-9-])?(-?[0-9]{1,7})\.(png|jpg|jpeg|exr|tif|tiff|webp|bmp|tga)"
)
# What lies beside a picture: it is none that a film is made of.
BESIDE: Final = (".noisy.exr", ".evidence.exr")
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)  # the same files make the same bundle, whenever


class BundleError(ValueError):
    """A bundle that cannot be used; the message says what is wrong with it."""


def pack(folder: Path, names: Iterable[str]) -> Path:
    """The files ``names`` of ``folder`` in one zip beside it. Raises NotAFile, as they are not
    trusted: a link is not followed.
    """
    target = folder.parent / NAME
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as packed:
        for name in names:
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            with open_plain(folder / name) as source:
                entry.file_size = os.fstat(source.fileno()).st_size
                with packed.open(entry, "w") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
    return target


def number_of(path: str) -> int | None:
    """The frame that a picture's name ends with; None where it is no numbered picture."""
    found = NUMBERED.fullmatch(PurePosixPath(path).name.lower())
    return int(found[1]) if found else None


def unpack(source: Path, target: Path) -> list[Path]:
    """The numbered pictures of a zip, in the folder ``target``; others stay where they are.

    Raises BundleError. Names come from elsewhere: only the last part of them is used, and sizes
    are counted while they are written, whatever the zip claims.
    """
    written: list[Path] = []
    left = BYTES_MAX
    try:
        with zipfile.ZipFile(source) as packed:
            entries = packed.infolist()
            if len(entries) > ENTRIES_MAX:
                raise BundleError(f"over {ENTRIES_MAX} files in one zip")
            for entry in entries:
                name = PurePosixPath(entry.filename).name
                if number_of(name) is None or name.endswith(BESIDE):
                    continue
                with packed.open(entry) as content:
                    left -= _copy(content, target / name, left)
                written.append(target / name)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as fault:
        raise BundleError(f"the zip cannot be read: {fault}") from fault
    return written


def _copy(content: "zipfile.ZipExtFile | object", target: Path, most: int) -> int:
    size = 0
    try:
        with target.open("xb") as file:
            while chunk := content.read(1 << 20):  # type: ignore[attr-defined,union-attr,unused-ignore]
                size += len(chunk)
                if size > most:
                    raise BundleError(f"the zip holds over {BYTES_MAX >> 30} GiB")
                file.write(chunk)
    except FileExistsError as fault:
        raise BundleError(f"two files are named {target.name}") from fault
    return size
