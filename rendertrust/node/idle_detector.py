"""Detection of other use of this machine, by processor time at normal priority.

The node's workers and other background programs run at a low priority. The kernel counts the time
of low-priority processes separately, and the detector ignores that time.
"""

from collections.abc import Callable
from pathlib import Path

import attrs


@attrs.frozen
class CpuTimes:
    """Clock ticks of all processors since boot; ``others``: ticks at normal priority or above."""

    others: int
    total: int


def read_times(text: str) -> CpuTimes | None:
    """Parse the first line of ``/proc/stat``; None if the line is invalid."""
    words = text.partition("\n")[0].split()
    if len(words) < 8 or words[0] != "cpu":
        return None
    user, nice, system, idle, wait, hard, soft, *rest = map(int, words[1:])
    stolen = rest[0] if rest else 0
    total = user + nice + system + idle + wait + hard + soft + stolen
    return CpuTimes(user + system + hard + soft, total)


def now() -> CpuTimes | None:
    """Return this machine's processor times; None if the system does not list them."""
    try:
        return read_times(Path("/proc/stat").read_text())
    except OSError:
        return None


@attrs.define
class IdleDetector:
    """Detector of an idle machine.

    The machine counts as idle after ``looks`` samples in a row in which other programs used less
    than ``share`` of the processor time. After two samples in a row above ``share``, the machine
    counts as busy.
    """

    share: float
    looks: int
    read: Callable[[], CpuTimes | None] = now
    is_quiet: bool = False
    _against: int = 0
    _before: CpuTimes | None = None

    def look(self) -> bool:
        """Take a sample; return True if the machine is idle."""
        found, before = self.read(), self._before
        self._before = found
        if found is None or before is None or found.total <= before.total:
            return self.is_quiet
        used = (found.others - before.others) / (found.total - before.total)
        if (used < self.share) is self.is_quiet:
            self._against = 0
            return self.is_quiet
        self._against += 1
        if self._against >= (2 if self.is_quiet else self.looks):
            self.is_quiet, self._against = not self.is_quiet, 0
        return self.is_quiet
