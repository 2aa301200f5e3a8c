"""Free disk space of the node's state folder, and the meaning of disk errors."""

import contextlib
import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

from rendertrust.node.cache import make_room
from rendertrust.node.plugin import Failed

MIB: Final = 2**20
FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_DISK: Final = (*FULL, errno.EIO, errno.EROFS)


def of_disk(fault: OSError) -> Failed:
    """Return the failure of a unit because of a full or broken disk. The node itself continues."""
    told = fault.strerror or type(fault).__name__
    how = "is full" if fault.errno in FULL else "fails"
    return Failed(failure="node", error=f"this machine's disk {how}: {told}", detail=str(fault))


def is_of_disk(fault: BaseException) -> bool:
    """Return True if the exception says that the disk is full, broken or read-only."""
    return isinstance(fault, OSError) and fault.errno in _DISK


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@attrs.define
class DiskSpace:
    """Check of the free space.

    Below ``least`` bytes the node rests, until 1.5 times ``least`` is free. Before the node rests,
    cached inputs are removed.
    """

    folder: Path
    cache: Path
    least: int
    free: Callable[[Path], int] = _free
    _is_full: bool = False

    def why_not(self) -> str | None:
        """Return why the disk space is too small for work; return None with enough space."""
        try:
            left = self._left()
        except OSError as fault:
            return of_disk(fault).error
        self._is_full = left < self._wanted
        if not self._is_full:
            return None
        wanted = self._wanted // MIB
        return f"this machine's disk is nearly full: {left // MIB} MiB left, {wanted} needed"

    @property
    def _wanted(self) -> int:
        return self.least * 3 // 2 if self._is_full else self.least

    def _left(self) -> int:
        left = self.free(self.folder)
        if left < self._wanted:
            with contextlib.suppress(OSError):
                cached = sum(file.stat().st_size for file in self.cache.glob("??/*"))
                missing = self.least * 2 - left
                make_room(self.cache, bytes_max=max(cached - missing, 0), size=0)
            left = self.free(self.folder)
        return left
