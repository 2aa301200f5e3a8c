"""Files that one process at a time may have, where the system knows of such."""

import sys
from typing import BinaryIO


def take(file: BinaryIO, *, wait: bool) -> bool:
    """Lock the open file until it is closed; False when another has it. On Windows: always True."""
    if sys.platform == "win32":
        return True
    import fcntl  # noqa: PLC0415 - there is none elsewhere

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
