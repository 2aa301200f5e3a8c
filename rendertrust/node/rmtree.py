"""Removal of a folder with hostile content: unreadable folders, or nesting too deep for a path."""

import contextlib
import os
import stat
from collections import deque
from itertools import count
from pathlib import Path


def clear(folder: Path) -> None:
    """Remove ``folder`` and everything in it. No program may still use the folder.

    Each subfolder is first moved to the top, so neither paths nor recursion grow with the depth.
    Entries that cannot be removed stay; links are removed and never followed.
    """
    names = count(1)
    ahead = deque([folder])
    while ahead:
        place = ahead.popleft()
        for entry in _entries(place):
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    ahead.append(_raised(Path(entry.path), folder, names))
                else:
                    os.unlink(entry.path)  # noqa: PTH108 - names of any bytes
        with contextlib.suppress(OSError):
            place.rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()


def empty(folder: Path) -> None:
    """Remove everything in ``folder``, as ``clear`` does."""
    for entry in _entries(folder):
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                clear(Path(entry.path))
            else:
                os.unlink(entry.path)  # noqa: PTH108 - names of any bytes


def _entries(place: Path) -> "list[os.DirEntry[str]]":
    with contextlib.suppress(OSError):
        _open(place)
        with os.scandir(place) as entries:
            return list(entries)
    return []


def _raised(path: Path, folder: Path, names: "count[int]") -> Path:
    """Move the folder at ``path`` directly below ``folder`` under a free name."""
    _open(path)
    if path.parent == folder and path.name.startswith(".gone-"):
        return path
    while (target := folder / f".gone-{next(names)}").exists():
        pass
    return path.rename(target)


def _open(path: Path) -> None:
    """Make a folder of this user readable and writable again."""
    facts = path.lstat()
    if stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        path.chmod(0o700)
