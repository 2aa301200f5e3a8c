"""What untrusted input costs: CPU time by the size of the input, and memory at its largest."""

import gc
import math
import re
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from tests.support.examples import chosen

DOUBLINGS: Final = 4
EXPONENT_MAX: Final = 1.2
# The best of so many counts; of more while others on the machine may be why.
TRIES, TRIES_MOST = 5, 400
SAMPLE_SECONDS: Final = chosen(day=0.002, night=0.004)  # each sample repeats its call for so long
MEASURABLE: Final = 0.001  # seconds; less than that drowns among what the rest of a process does
CALL_SECONDS_MAX: Final = 2.0  # a call that takes longer ends the measuring
SECONDS_PER_BYTE_MAX: Final = 20e-6
NOTICED: Final = 0.05  # seconds; an answer that takes less stalls nobody
MEMORY_PER_BYTE: Final = 64  # Python's objects are that much larger than their text
MEMORY_BASE: Final = 8 << 20
STATUS, CLEAR_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@attrs.frozen
class Cost:
    """The best CPU time of a call for each size, and the most memory that the largest took."""

    label: str
    sizes: Sequence[int]
    seconds: Sequence[float]
    memory: int = 0

    @property
    def exponent(self) -> float:
        """The power of the size with which the time grows, over all doublings."""
        if len(self.sizes) < 2:
            return math.inf
        times = max(self.seconds[-1], 1e-9) / max(self.seconds[0], 1e-9)
        return math.log2(times) / math.log2(self.sizes[-1] / self.sizes[0])

    @property
    def per_byte(self) -> float:
        """Seconds per byte, of the largest input."""
        return self.seconds[-1] / self.sizes[-1]

    @property
    def faults(self) -> list[str]:
        """What is wrong with it; nothing where time and memory are linear."""
        found: list[str] = []
        if self.exponent > EXPONENT_MAX:
            found.append(f"exponent {self.exponent:.2f} is above {EXPONENT_MAX}")
        if self.per_byte > SECONDS_PER_BYTE_MAX and self.seconds[-1] > NOTICED:
            found.append(f"{self.per_byte * 1e6:.1f} µs per byte")
        if self.memory > MEMORY_BASE + MEMORY_PER_BYTE * self.sizes[-1]:
            found.append(f"{self.memory >> 20} MiB of memory")
        return found

    def is_settled(self, tries: int) -> bool:
        """Whether it was measured often enough."""
        return tries >= TRIES and not self.faults

    def __str__(self) -> str:
        times = " ".join(f"{seconds * 1e3:.2f}" for seconds in self.seconds)
        return (
            f"{self.label}: {self.per_byte * 1e9:.0f} ns per byte, exponent {self.exponent:.2f}"
            f" ({self.sizes[0]} to {self.sizes[-1]} bytes: {times} ms; {self.memory >> 10} KiB)"
        )


def sizes_to(largest: int) -> list[int]:
    """Sizes of which each is twice the one before, up to ``largest``."""
    return [largest >> less for less in range(DOUBLINGS, -1, -1)]


def cost_of(
    label: str, make: Callable[[int], Any], run: Callable[[Any], object], largest: int
) -> Cost:
    """Measure ``run`` on what ``make`` gives for each size, which takes no part in the cost."""
    inputs: list[tuple[int, Any]] = []
    found = Cost(label, (), ())
    gc.disable()  # a collection in the middle would cost by what other tests have left
    try:
        for size in sizes_to(largest):
            inputs.append((size, make(size)))
            found = _measured(found, inputs, run)
            if found.seconds[-1] > CALL_SECONDS_MAX:
                return found
        for tries in range(1, TRIES_MOST):
            if found.is_settled(tries):
                break
            found = _again(found, inputs, run)
    finally:
        gc.enable()
    tracemalloc.start()
    try:
        run(inputs[-1][1])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return attrs.evolve(found, memory=most)


def _measured(found: Cost, inputs: Sequence[tuple[int, Any]], run: Callable[[Any], object]) -> Cost:
    """With the newest input, once."""
    size, given = inputs[-1]
    return Cost(found.label, [*found.sizes, size], [*found.seconds, _sample(run, given)])


def _again(found: Cost, inputs: Sequence[tuple[int, Any]], run: Callable[[Any], object]) -> Cost:
    """With every input once more; of each the better time counts."""
    pairs = zip(found.seconds, inputs, strict=True)
    return attrs.evolve(found, seconds=[min(best, _sample(run, one)) for best, (_, one) in pairs])


def _sample(run: Callable[[Any], object], given: Any) -> float:
    """CPU seconds of one call: as many calls are timed together as take measurable time."""
    calls, started = 0, time.thread_time()
    while True:
        run(given)
        calls += 1
        taken = time.thread_time() - started
        if taken >= SAMPLE_SECONDS:
            return taken / calls


async def cost_of_asking(
    label: str, make: Callable[[int], Any], ask: Callable[[Any], Awaitable[Any]], largest: int
) -> Cost:
    """The same of something that answers on this process's loop.

    What an answer costs whatever the size is left out of it. Its memory is that of the process, by
    which its resident set was larger at its peak: objects that fit into what was free already are
    not seen, nor is anything on systems other than Linux.
    """
    asked = [make(size) for size in (0, *sizes_to(largest))]
    sizes, best = [_length(one) for one in asked], [math.inf] * len(asked)
    found = Cost(label, (), ())
    for tries in range(TRIES_MOST):
        if tries and found.is_settled(tries):
            break
        for place, one in enumerate(asked):
            started = time.process_time()
            await ask(one)
            best[place] = min(best[place], time.process_time() - started)
            if best[place] > CALL_SECONDS_MAX:
                asked = asked[: place + 1]
                break
        more = [max(seconds - best[0], MEASURABLE) for seconds in best[1 : len(asked)]]
        found = Cost(label, sizes[1 : len(asked)], more)
    return attrs.evolve(found, memory=await _peak(ask, asked[-1]))


async def _peak(ask: Callable[[Any], Awaitable[Any]], one: Any) -> int:
    """Bytes by which the process grew while it answered; 0 where the system does not tell."""
    if not CLEAR_PEAK.exists():
        return 0
    CLEAR_PEAK.write_text("5")  # from now on is the peak
    before = _kib("VmRSS")
    await ask(one)
    return max(_kib("VmHWM") - before, 0) << 10


def _kib(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def _length(sent: Any) -> int:
    """How many bytes or characters it has, or its parts."""
    return sum(map(len, sent)) if isinstance(sent, tuple) else len(sent)


def judge(costs: Iterable[Cost], record_property: Callable[[str, object], None]) -> None:
    """Fail for each that is not linear; ``cost_report`` tells which one costs most per byte."""
    found = list(costs)
    worst = max(found, key=lambda cost: (cost.seconds[-1] > 2 * MEASURABLE, cost.per_byte))
    record_property("cost", str(worst))
    wrong = [f"{cost}: {', '.join(cost.faults)}" for cost in found if cost.faults]
    assert not wrong, "\n".join(wrong)
