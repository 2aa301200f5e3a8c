"""Settings of glibc's heap that keep a long life from growing it.

glibc maps large blocks separately and unmaps them when they are freed. But each large block that is
freed raises the size that counts as large, up to 32 MiB. From then on buffers of hundreds of KiB
come from the heap, between small blocks that stay. The gaps are too small for the next buffer, so
the heap grows although nothing leaks (2 to 5 KiB for each job were measured). What is free between
small blocks stays mapped all the same, so it is given back to the system every minute.
"""

import asyncio.selector_events
import ctypes
import sys
from typing import Any, Final

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
MAPPED_BYTES: Final = 128 << 10  # blocks from this size on are mapped, for good
KEPT_BYTES: Final = 1 << 20  # so much may be free at the heap's end
GIVE_BACK_SECONDS: Final = 60.0  # so often what is free is given back
# Asyncio makes a buffer for each reading from a socket, and cuts it to what came. At its usual
# 256 KiB each would be mapped and given back: ten microseconds for each packet.
READ_BYTES: Final = 64 << 10


def keep_heap_small() -> None:
    """Fix what is mapped, and read less at once. Where there is no glibc only the latter."""
    transport: Any = getattr(asyncio.selector_events, "_SelectorTransport", None)
    if transport is not None:
        transport.max_size = READ_BYTES
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def give_back() -> None:
    """Give back the pages of the heap that are free, wherever they lie. It takes milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(KEPT_BYTES)
