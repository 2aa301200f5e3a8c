"""The memory of a gateway over a long life: how the heap and the collector of cycles are set.

glibc maps large blocks separately and unmaps them when they are freed. But each large block that is
freed raises the size that counts as large, up to 32 MiB. From then on buffers of hundreds of KiB
come from the heap, between small blocks that stay. The gaps are too small for the next buffer, so
the heap grows although nothing leaks (2 to 5 KiB for each job were measured).

Objects are freed as soon as nobody holds them, but for those in cycles: these the collector finds.
A look at all that is old stops the process for a sixth of a second when a thousand nodes are
connected. Python looks when much is newly old, which under load is each second. So that look comes
once a minute; what is free between small blocks is given back to the system with it.
"""

import asyncio.selector_events
import ctypes
import gc
import sys
from typing import Any, Final

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
MAPPED_BYTES: Final = 128 << 10  # blocks from this size on are mapped, for good
KEPT_BYTES: Final = 1 << 20  # so much may be free at the heap's end
TIDY_SECONDS: Final = 60.0  # so often old cycles are looked for, and what is free is given back
COLLECT_AFTER: Final = 20_000  # objects that were made and are still there, until the next look
OLDER_AFTER: Final = 3  # looks at the young, until it looks at the older
ALL_AFTER: Final = 50  # looks at the older, until it looks at all: where a minute is too long
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


def settle_down() -> None:
    """Once all is built, let the collector look at what comes later, and less often.

    What was imported and built stays for good. At its usual pace the collector takes some 8 % of
    the CPU time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, OLDER_AFTER, ALL_AFTER)


def tidy() -> None:
    """Free old cycles, then give the pages back that are free, wherever in the heap they lie."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(KEPT_BYTES)
