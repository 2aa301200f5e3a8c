"""Memory settings of a long-running gateway: the heap and the cycle collector.

glibc maps large blocks separately and unmaps them when they are freed. But freeing a large block
raises the size from which blocks count as large, up to 32 MiB. Buffers of hundreds of KiB then come
from the heap, between small blocks that stay. The gaps between these small blocks do not fit the
next buffer, so the heap grows although nothing leaks (measured: 2 to 5 KiB for each job).

Objects are freed with their last reference, except those in cycles, which the garbage collector
finds. With a thousand nodes connected, a full collection stops the process for a sixth of a second.
By default Python starts a full collection when many objects have become old: under load, each
second. The gateway runs a full collection once a minute instead, and then also returns free memory
between small blocks to the system.
"""

import asyncio.selector_events
import ctypes
import gc
import sys
from typing import Any, Final

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
MAPPED_BYTES: Final = 128 << 10  # larger blocks are always mapped
KEPT_BYTES: Final = 1 << 20  # bytes that may stay free at the heap's end
COLLECT_AFTER: Final = 20_000  # new objects that are still alive, until the next collection
OLDER_AFTER: Final = 3  # young collections until an older one
ALL_AFTER: Final = 50  # older collections until a full one, if that happens within the minute
# asyncio allocates a buffer for each reading from a socket, and then shrinks the buffer to the
# received bytes. With the default size of 256 KiB, each buffer would be mapped and unmapped: ten
# microseconds for each packet.
READ_BYTES: Final = 64 << 10


def keep_heap_small() -> None:
    """Fix the size of mapped blocks, and read less at once from sockets. Without glibc, only the
    reads from sockets become smaller.
    """
    transport: Any = getattr(asyncio.selector_events, "_SelectorTransport", None)
    if transport is not None:
        transport.max_size = READ_BYTES
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def settle_down() -> None:
    """After the start, exempt existing objects from collections, and collect less often.

    Objects that were imported and built by then stay for good. With default settings the collector
    takes some 8 % of the CPU time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, OLDER_AFTER, ALL_AFTER)


def tidy() -> None:
    """Free old cycles, then return free pages anywhere in the heap to the system."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(KEPT_BYTES)
