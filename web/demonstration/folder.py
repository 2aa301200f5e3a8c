"""Data folders of demos: two that run at once have a folder each."""

import fcntl
import os
from itertools import count
from pathlib import Path
from typing import IO

import attrs

from config.data_folder import make_folder

DEMOS_MAX = 100


class FolderTaken(Exception):
    """Another demo runs on this folder."""


@attrs.frozen
class DemoFolder:
    """A folder that is locked until the demo ends."""

    path: Path
    lock: IO[bytes]


def claim(base: Path, given: Path | None) -> DemoFolder:
    """Lock ``given``, or the first free one of demo, demo-2, … under ``base``."""
    if given is not None:
        claimed = _try(given.absolute())
        if claimed is None:
            raise FolderTaken(f"Another demo runs on {given}; give another --data")
        return claimed
    for number in count(1):
        claimed = _try(base / ("demo" if number == 1 else f"demo-{number}"))
        if claimed is not None:
            return claimed
        if number == DEMOS_MAX:
            break
    raise FolderTaken(f"{DEMOS_MAX} demos run already")


def _try(path: Path) -> DemoFolder | None:
    make_folder(path, "The data folder", "--data")
    path.chmod(0o711)  # engines started by root run as another user
    lock = os.fdopen(os.open(path / "demo.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return DemoFolder(path, lock)
