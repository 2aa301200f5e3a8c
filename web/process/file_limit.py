"""The limit of open files, as each connection is one."""

import resource
from typing import Final

WANTED: Final = 65_536


def open_more_files() -> int:
    """Raise the limit as far as is allowed and useful; return the new limit. Child processes
    inherit the limit.

    In a shell the limit is often 1,024, although a process may raise it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return files()


def files() -> int:
    """Return the current limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED if soft == resource.RLIM_INFINITY else soft
