"""Whether anybody else uses this machine: by the processors' time, without what runs beside it.

The node's workers run at a low priority. So does what others mean to run beside their work; the
kernel counts that time apart, and it does not count here.
"""

from collections.abc import Callable
from pathlib import Path

import attrs


@attrs.frozen
class CpuTimes:
    """What the processors did since the start: ``others`` is work at a normal priority or above."""

    others: int
    total: int


def read_times(text: str) -> CpuTimes | None:
    """The first line of ``/proc/stat``; None where it is none."""
    words = text.partition("\n")[0].split()
    if len(words) < 8 or words[0] != "cpu":
        return None
    user, nice, system, idle, wait, hard, soft, *rest = map(int, words[1:])
    stolen = rest[0] if rest else 0
    total = user + nice + system + idle + wait + hard + soft + stolen
    return CpuTimes(user + system + hard + soft, total)


def now() -> CpuTimes | None:
    """Of this machine; None where the system does not say."""
    try:
        return read_times(Path("/proc/stat").read_text())
    except OSError:
        return None


@attrs.define
class IdleDetector:
    """Quiet once ``looks`` looks on end saw others use less than ``share``; two that saw more are
    enough for the contrary.
    """

    share: float
    looks: int
    read: Callable[[], CpuTimes | None] = now
    is_quiet: bool = False
    _against: int = 0
    _before: CpuTimes | None = None

    def look(self) -> bool:
        """Look again; whether it is quiet."""
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
