"""Batched reads: keys that are requested during a read are read by the next read."""

import asyncio
from collections.abc import Sequence

import pytest

from sql.batched_reads import KEYS_MOST, BatchedReads
from tests.support.until import until


class Slow:
    """A read that waits until it is let go; ``asked`` are the keys of each read."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def read(self, keys: Sequence[int]) -> Sequence[str]:
        self.asked.append(list(keys))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return [str(key) for key in keys]


async def test_what_is_asked_meanwhile_is_read_together() -> None:
    slow = Slow()
    gathering = BatchedReads(slow.read)
    first = asyncio.create_task(gathering.get(1))
    await until(lambda: slow.asked == [[1]])
    others = [asyncio.create_task(gathering.get(n)) for n in (2, 3, 2)]
    await asyncio.sleep(0)
    slow.go.set()
    assert await asyncio.gather(first, *others) == ["1", "2", "3", "2"]
    assert slow.asked == [[1], [2, 3, 2]]


async def test_nothing_is_remembered() -> None:
    slow = Slow()
    slow.go.set()
    gathering = BatchedReads(slow.read)
    assert [await gathering.get(1), await gathering.get(1)] == ["1", "1"]
    assert slow.asked == [[1], [1]]


async def test_a_failure_is_told_to_all_that_it_concerns_and_to_nobody_else() -> None:
    slow = Slow()
    gathering = BatchedReads(slow.read)
    slow.error = OSError("away")
    asked = [asyncio.create_task(gathering.get(n)) for n in (1, 2)]
    await until(lambda: slow.asked == [[1, 2]])
    slow.go.set()
    for task in asked:
        with pytest.raises(OSError, match="away"):
            await task
    slow.error = None
    assert await gathering.get(3) == "3"


async def test_one_who_has_gone_is_not_read_for() -> None:
    slow = Slow()
    gathering = BatchedReads(slow.read)
    first = asyncio.create_task(gathering.get(1))
    await until(lambda: slow.asked == [[1]])
    gone, stays = asyncio.create_task(gathering.get(2)), asyncio.create_task(gathering.get(3))
    await asyncio.sleep(0)
    gone.cancel()
    first.cancel()
    slow.go.set()
    assert await stays == "3"
    assert slow.asked == [[1], [3]]


async def test_a_read_is_bounded() -> None:
    slow = Slow()
    slow.go.set()
    gathering = BatchedReads(slow.read)
    number = KEYS_MOST + 1
    answers = await asyncio.gather(*(gathering.get(n) for n in range(number)))
    assert answers == [str(n) for n in range(number)]
    assert [len(keys) for keys in slow.asked] == [KEYS_MOST, 1]
