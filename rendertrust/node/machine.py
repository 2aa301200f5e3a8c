"""What this machine is, as a node tells it: cores, memory, instruction set."""

import os
import platform
from collections.abc import Mapping


def cores() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(len(os.sched_getaffinity(0)), 1)
    return os.cpu_count() or 1


def ram_bytes() -> int:
    """Physical memory in bytes; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0


def isa() -> str:
    """The instruction set, like ``x86_64``."""
    return platform.machine() or "unknown"


def load() -> float:
    """The share of the processors in use over the last minute, 0 to 1; 0 where it is not known."""
    try:
        return min(os.getloadavg()[0] / cores(), 1.0)
    except (AttributeError, OSError):
        return 0.0


def facts() -> Mapping[str, str | int]:
    """What is told at registration."""
    return {"cores": cores(), "ram": ram_bytes(), "isa": isa(), "system": platform.system()}
