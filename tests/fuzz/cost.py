"""Measurement of what untrusted input costs: CPU time by input size, and peak memory."""

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
EXPONENT_MAX: Final = 1.4  # linear time, as inputs larger than the caches add up to 0.24 to it
# The best of these measurements counts; up to 400 are made while the cost seems too high, because
# other load may be the cause.
TRIES: Final = chosen(day=3, night=5)
TRIES_MOST: Final = 400
# A sample repeats its call until this CPU time has passed.
SAMPLE_SECONDS: Final = chosen(day=0.002, night=0.004)
MEASURABLE: Final = 0.001  # seconds; shorter times are lost in the noise of the process
CALL_SECONDS_MAX: Final = 2.0  # a slower call ends the measurement
SECONDS_PER_BYTE_MAX: Final = 20e-6
NOTICED: Final = 0.05  # seconds; a faster answer blocks other requests too briefly to notice
MEMORY_PER_BYTE: Final = 64  # bytes; Python's objects may be this much larger than their text
MEMORY_BASE: Final = 8 << 20
STATUS, CLEAR_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@attrs.frozen
class Cost:
    """The best CPU time of a call by input size, and the peak memory for the largest input."""

    label: str
    sizes: Sequence[int]
    seconds: Sequence[float]
    memory: int = 0

    @property
    def exponent(self) -> float:
        """Exponent of the power law by which time grows with size, over all doublings."""
        if len(self.sizes) < 2:
            return math.inf
        if self.sizes[-1] == self.sizes[0]:
            return 0.0  # a body of numbers alone does not grow
        times = max(self.seconds[-1], 1e-9) / max(self.seconds[0], 1e-9)
        return math.log2(times) / math.log2(self.sizes[-1] / self.sizes[0])

    @property
    def per_byte(self) -> float:
        """Seconds per byte for the largest input."""
        return self.seconds[-1] / self.sizes[-1]

    @property
    def faults(self) -> list[str]:
        """Reasons why the cost is too high; empty if time and memory are linear."""
        found: list[str] = []
        if self.exponent > EXPONENT_MAX:
            found.append(f"exponent {self.exponent:.2f} is above {EXPONENT_MAX}")
        if self.per_byte > SECONDS_PER_BYTE_MAX and self.seconds[-1] > NOTICED:
            found.append(f"{self.per_byte * 1e6:.1f} µs per byte")
        if self.memory > MEMORY_BASE + MEMORY_PER_BYTE * self.sizes[-1]:
            found.append(f"{self.memory >> 20} MiB of memory")
        return found

    def is_settled(self, tries: int) -> bool:
        """Return whether enough measurements were made."""
        return tries >= TRIES and not self.faults

    def __str__(self) -> str:
        times = " ".join(f"{seconds * 1e3:.2f}" for seconds in self.seconds)
        return (
            f"{self.label}: {self.per_byte * 1e9:.0f} ns per byte, exponent {self.exponent:.2f}"
            f" ({self.sizes[0]} to {self.sizes[-1]} bytes: {times} ms; {self.memory >> 10} KiB)"
        )


def sizes_to(largest: int) -> list[int]:
    """Return sizes that double up to ``largest``."""
    return [largest >> less for less in range(DOUBLINGS, -1, -1)]


def cost_of(
    label: str, make: Callable[[int], Any], run: Callable[[Any], object], largest: int
) -> Cost:
    """Measure ``run`` for inputs that ``make`` returns for each size; ``make`` is not timed."""
    inputs: list[tuple[int, Any]] = []
    found = Cost(label, (), ())
    gc.disable()  # a garbage collection during a measurement would depend on other tests
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
    """Add a measurement of the newest input to the cost."""
    size, given = inputs[-1]
    return Cost(found.label, [*found.sizes, size], [*found.seconds, _sample(run, given)])


def _again(found: Cost, inputs: Sequence[tuple[int, Any]], run: Callable[[Any], object]) -> Cost:
    """Measure every input once more, and keep the better time of each."""
    pairs = zip(found.seconds, inputs, strict=True)
    return attrs.evolve(found, seconds=[min(best, _sample(run, one)) for best, (_, one) in pairs])


def _sample(run: Callable[[Any], object], given: Any) -> float:
    """Return the CPU seconds of one call, averaged over all calls in ``SAMPLE_SECONDS``."""
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
    """Measure requests to a server in this process's event loop.

    The fixed cost of an answer is subtracted. Memory is the growth of the process's resident set up
    to its peak. Objects that fit into memory the process already has are not seen, and on systems
    other than Linux the growth is 0.
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
    """Return by how many bytes the process grew during a request; 0 if the system does not tell."""
    if not CLEAR_PEAK.exists():
        return 0
    CLEAR_PEAK.write_text("5")  # resets the peak
    before = _kib("VmRSS")
    await ask(one)
    return max(_kib("VmHWM") - before, 0) << 10


def _kib(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def _length(sent: Any) -> int:
    """Return the length in bytes or characters; for a tuple, the sum over its items."""
    return sum(map(len, sent)) if isinstance(sent, tuple) else len(sent)


def judge(costs: Iterable[Cost], record_property: Callable[[str, object], None]) -> None:
    """Fail if a cost is not linear; record the worst cost for ``cost_report``."""
    found = list(costs)
    worst = max(found, key=lambda cost: (cost.seconds[-1] > 2 * MEASURABLE, cost.per_byte))
    record_property("cost", str(worst))
    wrong = [f"{cost}: {', '.join(cost.faults)}" for cost in found if cost.faults]
    assert not wrong, "\n".join(wrong)
