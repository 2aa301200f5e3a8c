"""Monitor of a sandboxed program's memory, processes and disk use.

Limits per process bound neither the memory of many processes nor many small files. A scene is an
untrusted program, so all its processes and files are counted.
"""

import asyncio
import contextlib
import os
import shutil
import stat
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs

from rendertrust.node.devices import Card, CardReader
from rendertrust.node.machine_facts import ram_bytes

MIB: Final = 2**20
MEMORY_EVERY: Final = 0.5
DISK_EVERY: Final = 2  # number of memory checks per disk check
SCENES, MACHINES = "scene", "node"
MEMORY: Final = "memory"
VRAM: Final = "vram"
# If the machine's memory runs out, a scene that uses over a fourth of its limit counts as too large
# for this node.
LARGE_PART: Final = 4


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
class GraphicsMemory:
    """Graphics memory of a unit: the card, and the ``most`` bytes that the unit may use.

    ``most``: None if the card's memory is unknown. ``measured`` is told each measurement.
    """

    card: Card
    most: int | None
    reader: CardReader
    measured: Callable[[int], None] = lambda _: None

    def excess(self, pids: list[int]) -> LimitExceeded | None:
        """Check the graphics memory of these processes, if something reports it."""
        used = self.reader.used_bytes(self.card, pids)
        if used is None:
            return None
        self.measured(used)
        return None if self.most is None or used <= self.most else out_of_vram(self.most)


@attrs.frozen
class ResourceMonitor:
    """Monitor of a program that works in ``folder``, and of its graphics memory, if it has any."""

    folder: Path
    bounds: ResourceLimits
    graphics: GraphicsMemory | None = None

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
        processes = family(pid)
        found = too_much_memory(processes, self.bounds)
        if not disk or found is not None:
            return found
        if self.graphics is not None and (excess := self.graphics.excess(processes)) is not None:
            return excess
        return disk_excess(self.folder, self.bounds)


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


def out_of_vram(given: int | None) -> LimitExceeded:
    """Return the exceeded limit of a scene that needs more than ``given`` graphics memory."""
    has = "this node has" if given is None else f"the {given // MIB} MiB that this node gives it"
    return LimitExceeded(f"the scene needs more graphics memory than {has}", MACHINES, VRAM)


def held_bytes(pids: list[int]) -> int:
    """Return the memory of these processes: private, shared and in memory files.

    Mapped files of the disk do not count. Shared memory counts once for each process that maps it.
    Memory files count also while no process maps them.
    """
    used = [_used_bytes(pid) for pid in pids]
    in_files: dict[int, int] = {}
    for pid in pids:
        in_files |= _memory_files(pid)
    shared = max(sum(shared for _, shared in used), sum(in_files.values()))
    return sum(private for private, _ in used) + shared


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


def _used_bytes(pid: int) -> tuple[int, int]:
    """Return the private memory of a process, and the shared memory that it maps."""
    found = {"RssAnon": 0, "RssShmem": 0}
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0]) * 1024
    return found["RssAnon"], found["RssShmem"]


def _memory_files(pid: int) -> dict[int, int]:
    """Return the sizes of a process's open memory files (memfd) by inode."""
    found: dict[int, int] = {}
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                if os.readlink(descriptor.path).startswith("/memfd:"):  # noqa: PTH115
                    facts = os.stat(descriptor.path)  # noqa: PTH116
                    found[facts.st_ino] = facts.st_blocks * 512
    return found


def available_bytes() -> int:
    """Return the available memory; -1 if unknown."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return -1
