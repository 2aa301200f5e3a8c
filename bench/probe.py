"""What every benchmark prints beside its figures: the disk, the CPU, and a plain table."""

import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


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
