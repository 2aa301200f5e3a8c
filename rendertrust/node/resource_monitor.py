"""Monitor of a sandboxed program's memory, processes and disk use.

Limits per process bound neither the memory of many processes nor many small files. A scene is an
untrusted program, so all its processes and files are counted.
"""

import asyncio
import os
import shutil
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from rendertrust.node.machine_facts import ram_bytes

MIB: Final = 2**20
MEMORY_EVERY: Final = 0.5
DISK_EVERY: Final = 2  # number of memory checks per disk check
SCENES, MACHINES = "scene", "node"
MEMORY: Final = "memory"
# If the machine's memory runs out, a scene that uses over a fourth of its limit counts as too large
# for this node.
LARGE_PART: Final = 4
_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@attrs.frozen
class LimitExceeded:
    """An exceeded limit: one line for people, and the class of the failure.

    ``lacks``: a resource of which another machine may have enough (``rendertrust.protocol.LACKS``).
    """

    reason: str
    failure: str
    lacks: str | None = None


def _spared() -> int:
    return min(256 * MIB, ram_bytes() // 50)


@attrs.frozen(kw_only=True)
class ResourceLimits:
    """Limits of a unit, and the memory and disk space that the unit must leave free."""

    memory_bytes: int
    processes: int = 32
    disk_bytes: int = 16 * 1024 * MIB
    entries: int = 200_000
    memory_left: int = attrs.field(factory=_spared)
    disk_left: int = 1024 * MIB


@attrs.frozen
class ResourceMonitor:
    """Monitor of a program that works in ``folder``."""

    folder: Path
    bounds: ResourceLimits

    async def until_excess(self, pid: int) -> LimitExceeded:
        """Watch ``pid`` and its descendants until a limit is exceeded."""
        looks = 0
        while True:
            found = await asyncio.to_thread(self._look, pid, disk=looks % DISK_EVERY == 0)
            if found is not None:
                return found
            looks += 1
            await asyncio.sleep(MEMORY_EVERY)

    def _look(self, pid: int, *, disk: bool) -> LimitExceeded | None:
        found = too_much_memory(family(pid), self.bounds)
        return disk_excess(self.folder, self.bounds) if disk and found is None else found


def too_much_memory(pids: list[int], bounds: ResourceLimits) -> LimitExceeded | None:
    """Check the number of processes, their memory, and the machine's free memory."""
    if len(pids) > bounds.processes:
        return LimitExceeded(f"the scene started more than {bounds.processes} processes", SCENES)
    taken = held_bytes(pids)
    if taken > bounds.memory_bytes:
        return out_of_memory(bounds.memory_bytes)
    if 0 <= (left := available_bytes()) < bounds.memory_left:
        if taken * LARGE_PART > bounds.memory_bytes:
            return out_of_memory(taken)
        return LimitExceeded(f"this machine has only {left // MIB} MiB of memory left", MACHINES)
    return None


def out_of_memory(given: int) -> LimitExceeded:
    """Return the exceeded limit of a scene that needs more than ``given`` bytes of memory."""
    said = f"the scene needs more memory than the {given // MIB} MiB that this node gives it"
    return LimitExceeded(said, MACHINES, MEMORY)


def held_bytes(pids: list[int]) -> int:
    """Return the private memory of these processes, without mapped files."""
    return sum(map(_own_bytes, pids))


def written_bytes(folder: Path) -> int:
    """Return the bytes in those parts of a work folder that the program can write to."""
    return sum(size for _, size in _sizes(folder))


def disk_excess(folder: Path, bounds: ResourceLimits) -> LimitExceeded | None:
    """Check the work folder's size, and the free space of the disk."""
    if shutil.disk_usage(folder).free < bounds.disk_left:
        return LimitExceeded("this machine's disk is nearly full", MACHINES)
    taken = 0
    for number, (closed, size) in enumerate(_sizes(folder), 1):
        taken += size
        if closed:
            return LimitExceeded("the scene made a folder unreadable for the node", SCENES)
        if taken > bounds.disk_bytes:
            return LimitExceeded(
                f"the scene wrote more than {bounds.disk_bytes // MIB} MiB", SCENES
            )
        if number > bounds.entries:
            return LimitExceeded(f"the scene made more than {bounds.entries} files", SCENES)
    return None


def _sizes(folder: Path) -> Iterator[tuple[bool, int]]:
    """Yield (True if unreadable, size) of each entry below the folder's writable parts."""
    ahead = deque(str(folder / part) for part in ("out", "home", "tmp"))
    while ahead:
        place = ahead.popleft()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    yield False, _length(entry)
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(entry.path)
        except FileNotFoundError:
            continue  # the folder was removed in the meantime
        except OSError:  # the folder is unreadable, or too deep for a path
            yield True, 0


def _length(entry: "os.DirEntry[str]") -> int:
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return 0
    return facts.st_blocks * 512 if stat.S_ISREG(facts.st_mode) else 4096


def family(pid: int) -> list[int]:
    """Return ``pid`` and the ids of its descendant processes in ``/proc``."""
    parents: dict[int, list[int]] = {}
    for name in _processes():
        if (parent := _parent(name)) is not None:
            parents.setdefault(parent, []).append(int(name))
    found, ahead = [], [pid]
    while ahead:
        one = ahead.pop()
        found.append(one)
        ahead += parents.get(one, ())
    return found


def _processes() -> list[str]:
    try:
        return [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        return []


def _parent(pid: str) -> int | None:
    try:
        said = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    return int(said.rpartition(")")[2].split()[1])


def _own_bytes(pid: int) -> int:
    """Return the private memory of a process, without mapped files."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return max(int(resident) - int(shared), 0) * _PAGE


def available_bytes() -> int:
    """Return the available memory; -1 if unknown."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return -1
