"""What this machine is, as a node tells it: cores, memory, instruction set."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")
# Cycles has programs of its own for AVX2 and for what has less; the denoiser for AVX-512, too.
_AVX2: Final = frozenset({"avx2", "fma", "f16c", "bmi1", "bmi2"})
_AVX512: Final = _AVX2 | {"avx512f", "avx512cd", "avx512dq", "avx512bw", "avx512vl"}
_SWITCHES: Final = ("CYCLES_CPU_NO_AVX2",)


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


def isa(cpuinfo: Path = CPUINFO) -> str:
    """The instruction set as far as renders differ by it, like ``x86_64/avx2``; with the switches
    by which its renderer is kept from a part of it. Where the system does not tell, ``x86_64``.
    """
    machine = platform.machine() or "unknown"
    level = _level(cpuinfo) if machine == "x86_64" else None
    return "/".join((machine, *([level] if level else []), *switches()))


def switches() -> Mapping[str, str]:
    """The variables of this environment that say which instructions the renderer uses."""
    return {name: os.environ[name] for name in _SWITCHES if name in os.environ}


def _level(cpuinfo: Path) -> str | None:
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), None)
    if flags is None:
        return None
    return "avx512" if flags >= _AVX512 else "avx2" if flags >= _AVX2 else "sse42"


def load() -> float:
    """The share of the processors in use over the last minute, 0 to 1; 0 where it is not known."""
    try:
        return min(os.getloadavg()[0] / cores(), 1.0)
    except (AttributeError, OSError):
        return 0.0


def facts() -> Mapping[str, str | int]:
    """What is told at registration."""
    return {"cores": cores(), "ram": ram_bytes(), "isa": isa(), "system": platform.system()}
