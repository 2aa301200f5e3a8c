"""What every benchmark prints beside its figures: the disk, the CPU, and a plain table."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from tests.acceptance.gateway import descendants

LOOPS = 1_000_000
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@dataclass(frozen=True)
class Cost:
    """CPU seconds used so far: by a gateway, by its engines, by this process."""

    gateway: float
    engines: float
    load: float

    @classmethod
    def of(cls, gateway: int, load: int) -> "Cost":
        engines = 0.0
        for pid in descendants(gateway):
            try:
                engines += cpu_seconds(pid)
            except OSError:
                continue  # it has just ended
        return cls(cpu_seconds(gateway), engines, cpu_seconds(load))

    def since(self, before: "Cost", jobs: int) -> "tuple[float, float, float]":
        """Microseconds per job of each."""
        each = (
            self.gateway - before.gateway,
            self.engines - before.engines,
            self.load - before.load,
        )
        gateway, engines, load = (used * 1e6 / max(jobs, 1) for used in each)
        return gateway, engines, load


def percentiles(values: list[float]) -> tuple[float, float]:
    """p50 and p99."""
    if len(values) < 2:
        return (values or [float("nan")])[0], (values or [float("nan")])[0]
    cuts = quantiles(values, n=100)
    return cuts[49], cuts[98]


def machine() -> str:
    """How busy and how fast it is: CPU times of two runs compare when the last figure is alike."""
    begun, total = time.process_time(), 0
    for number in range(LOOPS):
        total += number
    turn = (time.process_time() - begun) / LOOPS * 1e9
    busy = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return f"{busy}, {turn:.0f} ns for a turn of a loop in Python"


def fdatasync_rate(folder: Path, *, writes: int = 100) -> float:
    """Durable 8 KiB writes per second, one after the other."""
    with (folder / "probe").open("wb") as file:
        start = time.perf_counter()
        for _ in range(writes):
            file.write(b"\0" * 8192)
            file.flush()
            os.fdatasync(file.fileno())
        return writes / (time.perf_counter() - start)


class Table:
    """Rows of words under a heading, aligned to the right but for the first column."""

    def __init__(self, *heading: str) -> None:
        self.rows = [heading]

    def add(self, *row: str) -> None:
        self.rows.append(row)

    def print(self) -> None:
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        for row in self.rows:
            cells = [row[0].ljust(widths[0])]
            cells += [word.rjust(width) for word, width in zip(row[1:], widths[1:], strict=True)]
            print("  ".join(cells))
