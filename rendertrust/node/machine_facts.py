"""Facts about this machine: cores, memory, instruction set, load."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")
# Cycles has separate code for processors with and without AVX2; the denoiser also for AVX-512.
_AVX2: Final = frozenset({"avx2", "fma", "f16c", "bmi1", "bmi2"})
_AVX512: Final = _AVX2 | {"avx512f", "avx512cd", "avx512dq", "avx512bw", "avx512vl"}
NO_AVX2: Final = "CYCLES_CPU_NO_AVX2"
_SWITCHES: Final = (NO_AVX2,)


def cores() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(len(os.sched_getaffinity(0)), 1)
    return os.cpu_count() or 1


def ram_bytes() -> int:
    """Return the physical memory in bytes; 0 if unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0


def isa(cpuinfo: Path = CPUINFO) -> str:
    """Return the part of the instruction set that changes renders, like ``x86_64/avx2``.

    Environment variables that disable instructions of the renderer are appended. If the instruction
    set's level is unknown, as on ARM, the result has only the machine's name, such as ``aarch64``.
    """
    machine = platform.machine() or "unknown"
    level = _level(cpuinfo) if machine == "x86_64" else None
    return "/".join((machine, *([level] if level else []), *switches()))


def switches() -> Mapping[str, str]:
    """Return the environment variables that disable instructions of the renderer."""
    return {name: os.environ[name] for name in _SWITCHES if name in os.environ}


def has_two_kernels(cpuinfo: Path = CPUINFO) -> bool:
    """Return True if Cycles renders with AVX2 here, and without AVX2 where NO_AVX2 is set."""
    return isa(cpuinfo) in ("x86_64/avx2", "x86_64/avx512")


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
    """Return the share of processors in use over the last minute, 0 to 1; 0 if unknown."""
    try:
        return min(os.getloadavg()[0] / cores(), 1.0)
    except (AttributeError, OSError):
        return 0.0


def facts() -> Mapping[str, str | int]:
    """Return the metadata for the registration."""
    return {"cores": cores(), "ram": ram_bytes(), "isa": isa(), "system": platform.system()}
