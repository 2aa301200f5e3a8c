"""How many files the process may have open: every connection is one."""

import resource
from typing import Final

WANTED: Final = 65_536


def open_more_files() -> int:
    """Take as many as we are given, up to what is useful; answers how many. Limits are inherited.

    Where a shell starts the gateway it is often 1,024, and many more for the asking.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return files()


def files() -> int:
    """How many may be open now."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED if soft == resource.RLIM_INFINITY else soft
