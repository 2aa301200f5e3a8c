"""Several programs pin checkpoints of one gateway at the same time: no pin is lost."""

import asyncio
import json
import sys
import textwrap
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from rendertrust.cli.pins import PinFile
from rendertrust.client import AsyncClient, Forked, MemoryPins, Pin, Pins, Tokens
from tests.integration.client.log_double import LogDouble
from tests.support.leaves import leaf
from tests.support.programs import ROOT

PROCESSES, SIZES = 4, 40


@attrs.define
class ChangedMeanwhile:
    """Pins that another program changes just before they are replaced."""

    pins: Pins
    before_replace: list[Callable[[], None]] = attrs.field(factory=list[Callable[[], None]])

    def read(self) -> Pin | None:
        return self.pins.read()

    def write(self, pin: Pin) -> None:
        self.pins.write(pin)

    def replace(self, before: Pin | None, now: Pin) -> bool:
        if self.before_replace:
            self.before_replace.pop()()
        return self.pins.replace(before, now)

    def fork(self, before: Pin, now: Pin) -> None:
        self.pins.fork(before, now)


@pytest.fixture(params=["memory", "file"])
def pins(request: pytest.FixtureRequest, log: LogDouble, tmp_path: Path) -> Pins:
    """Return pins in memory, for one process, and pins in a file, for several processes."""
    return MemoryPins() if request.param == "memory" else PinFile(log.url, tmp_path / "pins")


def pinned(log: LogDouble) -> Pin:
    return Pin(log.verifier, log.signed)


@pytest.mark.parametrize("first", [True, False])
async def test_what_another_program_saw_meanwhile_is_not_taken_back(
    log: LogDouble, pins: Pins, first: bool
) -> None:
    meanwhile = ChangedMeanwhile(pins)
    async with AsyncClient(log.url, tokens=Tokens("a", "b"), pins=meanwhile) as client:
        if not first:
            await client.log_checkpoint()
            log.grow(3)

        def another() -> None:
            log.grow(20)
            pins.write(pinned(log))

        meanwhile.before_replace.append(another)
        await client.log_checkpoint()
        assert pins.read() == pinned(log)


async def test_a_fork_that_another_program_was_shown_is_shouted_about(
    log: LogDouble, pins: Pins
) -> None:
    meanwhile = ChangedMeanwhile(pins)
    true = list(log.leaves)
    async with AsyncClient(log.url, tokens=Tokens("a", "b"), pins=meanwhile) as client:

        def another() -> None:
            log.leaves[1] = leaf(77)
            pins.write(pinned(log))
            log.leaves[:] = [*true, leaf(90)]

        meanwhile.before_replace.append(another)
        with pytest.raises(Forked):
            await client.log_checkpoint()


@pytest.mark.parametrize("first", [True, False])
async def test_an_answer_from_before_another_programs_is_no_shorter_log(
    log: LogDouble, pins: Pins, first: bool
) -> None:
    """The checkpoint was requested first, and arrives after another program pinned a newer
    checkpoint.
    """
    async with AsyncClient(log.url, tokens=Tokens("a", "b"), pins=pins) as client:
        if not first:
            await client.log_checkpoint()
            log.grow(3)

        def another() -> None:
            log.grow(20)
            pins.write(pinned(log))

        log.meanwhile.append(another)
        found = await client.log_checkpoint()
        assert found.size == len(log.leaves) - 20
        assert pins.read() == pinned(log)
        del log.leaves[-1]  # what was pinned meanwhile also reveals a shortened log
        with pytest.raises(Forked):
            await client.log_checkpoint()


WRITER = textwrap.dedent("""
    import json, random, sys
    from pathlib import Path
    from rendertrust import checkpoint, note
    from rendertrust.cli.pins import PinFile
    from rendertrust.client import Pin

    url, folder, seed = sys.argv[1:]
    pins = [Pin(*pair) for pair in json.loads(sys.stdin.read())]
    random.Random(int(seed)).shuffle(pins)
    kept = PinFile(url, Path(folder))

    def size(pin):
        return checkpoint.read(pin.checkpoint, note.read_verifier(pin.verifier)).size

    for pin in pins:
        while True:
            before = kept.read()
            if before is not None and size(before) >= size(pin):
                break
            if kept.replace(before, pin):
                break
""")


async def test_many_processes_leave_the_newest_and_no_torn_file(
    log: LogDouble, tmp_path: Path
) -> None:
    pins: list[list[str]] = []
    for _ in range(SIZES):
        log.grow(1)
        pins.append([log.verifier, log.signed])
    given = json.dumps(pins).encode()
    folder = tmp_path / "pins"

    async def write(seed: int) -> None:
        words = [sys.executable, "-c", WRITER, log.url, str(folder), str(seed)]
        process = await asyncio.create_subprocess_exec(
            *words, stdin=PIPE, stderr=PIPE, env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
        )
        _, err = await process.communicate(given)
        assert process.returncode == 0, err.decode()

    async with asyncio.TaskGroup() as group:
        for seed in range(PROCESSES):
            group.create_task(write(seed))
    kept = PinFile(log.url, folder)
    assert kept.read() == pinned(log)
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".lock"]
