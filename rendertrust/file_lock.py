"""Exclusive file locks between processes, on systems that have them."""

import sys
from typing import BinaryIO


def take(file: BinaryIO, *, wait: bool) -> bool:
    """Lock the open file until it is closed.

    Return False if another process has the lock. On Windows nothing is locked, and the result is
    True.
    """
    if sys.platform == "win32":
        return True
    import fcntl  # noqa: PLC0415 - Windows has no fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
