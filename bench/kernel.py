"""Speed of the kernel: asks with deadlines by 100 askers, and tells and asks compared with Pykka.

    python -m bench.kernel [--rounds 5] [--messages 20000]

All contestants take turns, round after round, so that a machine that slows down affects all of
them; the table shows medians. Goals: at least 200,000 asks/s by 100 askers on plain asyncio, tell
at 3 times and ask at 2.5 times the rate of Pykka.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import attrs
import pykka

from actors.kernel import Actor, Message, Ref, handles
from supervisors.child import Child
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor

ASKERS = 100


class Counter:
    """Marker of the counter's address."""


@attrs.frozen
class Add(Message[Counter, int]):
    amount: int


ONE = Add(1)  # frozen, so all contestants may send the same object repeatedly


class CounterActor(Actor[Counter]):
    def __init__(self) -> None:
        self.total = 0

    @handles(Add)
    async def add(self, message: Add) -> int:
        self.total += message.amount
        return self.total


class PykkaCounter(pykka.ThreadingActor):
    """A counter as a Pykka actor, which runs in a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def on_receive(self, message: Any) -> int:
        self.total += message.amount
        return self.total


@attrs.frozen
class Figure:
    """Results of one run: messages per second, and CPU seconds per message over all threads."""

    rate: float
    cpu: float


async def many_asks(ref: Ref[Counter], messages: int) -> None:
    async def one() -> None:
        for _ in range(messages // ASKERS):
            await ref.ask(ONE, within=5.0)

    async with asyncio.TaskGroup() as askers:
        for _ in range(ASKERS):
            askers.create_task(one())


async def tells(ref: Ref[Counter], messages: int) -> None:
    for _ in range(messages - 1):
        ref.tell(ONE)
    await ref.ask(ONE, within=60.0)


async def asks(ref: Ref[Counter], messages: int) -> None:
    for _ in range(messages):
        await ref.ask(ONE, within=5.0)


def ours(work: Callable[[Ref[Counter], int], Awaitable[None]], messages: int) -> Figure:
    async def run() -> Figure:
        child = Child("counter", CounterActor, capacity=messages + 1)
        root = Supervisor("root", Strategy.ONE_FOR_ONE, Intensity(0, 1.0), [child])
        await root.start()
        began, cpu = time.perf_counter(), time.process_time()
        await work(child.ref, messages)
        figure = since(began, cpu, messages)
        await root.stop()
        return figure

    return asyncio.run(run())


def pykka_tells(messages: int) -> Figure:
    ref = PykkaCounter.start()
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(messages - 1):
        ref.tell(ONE)
    ref.ask(ONE, timeout=60.0)
    figure = since(began, cpu, messages)
    ref.stop()
    return figure


def pykka_asks(messages: int) -> Figure:
    ref = PykkaCounter.start()
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(messages):
        ref.ask(ONE, timeout=5.0)
    figure = since(began, cpu, messages)
    ref.stop()
    return figure


def since(began: float, cpu: float, messages: int) -> Figure:
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    return Figure(messages / wall, used / messages)


CONTESTANTS: dict[str, Callable[[int], Figure]] = {
    f"ask, {ASKERS} askers": lambda messages: ours(many_asks, 5 * messages),
    "tell": lambda messages: ours(tells, messages),
    "tell, Pykka": pykka_tells,
    "ask, one asker": lambda messages: ours(asks, messages),
    "ask, one asker, Pykka": pykka_asks,
}


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=20_000)
    options = parser.parse_args()
    figures: dict[str, list[Figure]] = {name: [] for name in CONTESTANTS}
    for _ in range(options.rounds):
        for name, run in CONTESTANTS.items():
            figures[name].append(run(options.messages))
    rates = {name: median(f.rate for f in each) for name, each in figures.items()}
    print(f"{'median of ' + str(options.rounds):24}{'per second':>12}{'CPU µs each':>13}")
    for name, each in figures.items():
        print(f"{name:24}{rates[name]:12,.0f}{median(f.cpu for f in each) * 1e6:13.2f}")
    for kind, other in (("tell", "tell, Pykka"), ("ask, one asker", "ask, one asker, Pykka")):
        pairs = zip(figures[kind], figures[other], strict=True)
        print(f"{kind}: {median(mine.rate / its.rate for mine, its in pairs):.1f} times Pykka")


if __name__ == "__main__":
    main()
