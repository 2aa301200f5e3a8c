"""Many requests at once read the reasons not to write by one query."""

import asyncio
from typing import Any, cast

import pytest

from sql.database import Unavailable
from sql.halts import Halts


class SlowDatabase:
    """Database that counts its queries, and answers each after the loop's next turn."""

    def __init__(self) -> None:
        self.queries = 0
        self.is_down = False

    async def one(self, *_: Any) -> None:
        self.queries += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise Unavailable("down")


async def test_one_query_answers_all() -> None:
    database = SlowDatabase()
    halts = Halts(cast("Any", database), chain=False)
    assert await asyncio.gather(*(halts.now() for _ in range(10))) == [None] * 10
    assert await halts.now() is None
    assert database.queries == 1


async def test_a_failure_reaches_all_and_is_not_kept() -> None:
    database = SlowDatabase()
    database.is_down = True
    halts = Halts(cast("Any", database), chain=False)
    found = await asyncio.gather(*(halts.now() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(each, Unavailable) for each in found)
    database.is_down = False
    assert await halts.now() is None


async def test_a_caller_that_leaves_ends_no_query() -> None:
    database = SlowDatabase()
    halts = Halts(cast("Any", database), chain=False)
    first, second = (asyncio.ensure_future(halts.now()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is None
    with pytest.raises(asyncio.CancelledError):
        await first
    assert database.queries == 1
