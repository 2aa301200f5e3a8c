"""Measurements that benchmarks share, of disk and CPU, and a plain table."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import asyncpg

from tests.support.gateway_process import descendants

LOOPS = 1_000_000
_OF_ALL_THREADS = 2  # Linux's CPUCLOCK_SCHED: CPU time of all threads of a process


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used; raise OSError if it has ended."""
    return time.clock_gettime((~pid << 3) | _OF_ALL_THREADS)


def engines_seconds(gateway: int) -> float:
    """Return the CPU time of all processes that a gateway has started, also of ended backends."""
    total = 0.0
    for pid in descendants(gateway):
        with suppress(OSError):  # the process has just ended
            total += cpu_seconds(pid) + ended_children_seconds(pid)
    return total


def ended_children_seconds(pid: int) -> float:
    """Return the CPU time of a process's children that have ended, to a hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")  # cutime and cstime


@dataclass(frozen=True)
class Cost:
    """CPU seconds used so far: by a gateway, by its engines, by this process."""

    gateway: float
    engines: float
    load: float

    @classmethod
    def of(cls, gateway: int, load: int) -> "Cost":
        return cls(cpu_seconds(gateway), engines_seconds(gateway), cpu_seconds(load))

    def since(self, before: "Cost", jobs: int) -> "tuple[float, float, float]":
        """Return microseconds per job since an earlier reading: gateway, engines, this process."""
        each = (
            self.gateway - before.gateway,
            self.engines - before.engines,
            self.load - before.load,
        )
        gateway, engines, load = (used * 1e6 / max(jobs, 1) for used in each)
        return gateway, engines, load


def percentiles(values: list[float]) -> tuple[float, float]:
    """Return p50 and p99."""
    if len(values) < 2:
        return (values or [float("nan")])[0], (values or [float("nan")])[0]
    cuts = quantiles(values, n=100)
    return cuts[49], cuts[98]


def machine() -> str:
    """Return load and speed of this machine; compare CPU times only of runs with equal speed."""
    begun, total = time.process_time(), 0
    for number in range(LOOPS):
        total += number
    turn = (time.process_time() - begun) / LOOPS * 1e9
    busy = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return f"{busy}, {turn:.0f} ns for a turn of a loop in Python"


def fdatasync_rate(folder: Path, *, writes: int = 100) -> float:
    """Return the number of consecutive durable 8 KiB writes per second."""
    with (folder / "probe").open("wb") as file:
        start = time.perf_counter()
        for _ in range(writes):
            file.write(b"\0" * 8192)
            file.flush()
            os.fdatasync(file.fileno())
        return writes / (time.perf_counter() - start)


async def disk(folder: Path, dsn: str) -> str:
    """Describe the cost of durable writes in a folder, and PostgreSQL's fsync setting."""
    connection = await asyncpg.connect(dsn)
    states = [
        f"{name} is {await connection.fetchval(f'SHOW {name}')}"
        for name in ("fsync", "synchronous_commit", "full_page_writes")
    ]
    await connection.close()
    return f"fdatasync here: {fdatasync_rate(folder):,.0f}/s; PostgreSQL's {', '.join(states)}"


class Table:
    """A table of texts; all columns but the first are aligned to the right."""

    def __init__(self, *heading: str) -> None:
        self.rows = [heading]

    def add(self, *row: str) -> None:
        self.rows.append(row)

    def lines(self) -> Iterator[str]:
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        for row in self.rows:
            cells = [row[0].ljust(widths[0])]
            cells += [word.rjust(width) for word, width in zip(row[1:], widths[1:], strict=True)]
            yield "  ".join(cells).rstrip()

    def print(self) -> None:
        print("\n".join(self.lines()))
