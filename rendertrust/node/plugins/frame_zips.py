"""Zip files of frames: a chunk's result is packed, the inputs of a video are unpacked."""

import errno
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from rendertrust import zips
from rendertrust.node.safe_open import open_plain

NAME: Final = "frames.zip"
ENTRIES_MAX: Final = 100_000
BYTES_MAX: Final = 64 * 2**30
DISK_LEFT: Final = 2**30  # free disk space that unpacking must leave
NUMBERED: Final = re.compile(
    r"(?:.*[^0-9-])?(-?[0-9]{1,7})\.(png|jpg|jpeg|exr|tif|tiff|webp|bmp|tga)"
)
# Suffixes of files beside a picture. Such files are not frames of a video.
BESIDE: Final = (".noisy.exr", ".evidence.exr")
# All members of a zip get this time, so that equal files make equal zips.
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)


class BundleError(ValueError):
    """The zip cannot be used; the message says why."""


def pack(folder: Path, names: Iterable[str]) -> Path:
    """Pack the files ``names`` of ``folder`` into a zip beside the folder.

    The files are untrusted, so links are not followed. Raises NotARegularFile.
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
    """Return the frame number at the end of a picture's name; None if the name has no number."""
    found = NUMBERED.fullmatch(PurePosixPath(path).name.lower())
    return int(found[1]) if found else None


def unpack(source: Path, target: Path) -> list[Path]:
    """Unpack the numbered pictures of a zip into the folder ``target``.

    Names are untrusted, so only the part after the last slash is used. Raises BundleError, and
    OSError if the disk has no space for the size that the zip declares.
    """
    try:
        with zips.opened(source, BYTES_MAX, ENTRIES_MAX) as packed:
            wanted = [(one, PurePosixPath(one.filename).name) for one in packed.members]
            wanted = [
                (member, name)
                for member, name in wanted
                if number_of(name) is not None and not name.endswith(BESIDE)
            ]
            _make_sure_of_room(target, sum(member.file_size for member, _ in wanted))
            return [_written(packed.pieces(member), target / name) for member, name in wanted]
    except zips.ZipTooLarge as fault:
        raise BundleError(f"the zip would unpack to over {BYTES_MAX >> 30} GiB") from fault
    except zips.BadZip as fault:
        raise BundleError(f"the zip cannot be read: {fault}") from fault


def _make_sure_of_room(folder: Path, size: int) -> None:
    if size > BYTES_MAX:
        raise BundleError(f"the zip would unpack to over {BYTES_MAX >> 30} GiB")
    if size > shutil.disk_usage(folder).free - DISK_LEFT:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _written(pieces: Iterable[bytes], target: Path) -> Path:
    try:
        with target.open("xb") as file:
            file.writelines(pieces)
    except FileExistsError as fault:
        raise BundleError(f"two files are named {target.name}") from fault
    return target
