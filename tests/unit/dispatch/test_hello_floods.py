"""Nodes that repeat hello: the Scheduler gets only the newest hello, at intervals."""

import asyncio

import attrs

from actors.kernel import Message
from actors.scheduler.messages import SessionReady
from rendertrust.protocol import Hello
from tests.unit.dispatch.session_stage import Play, session
from tests.unit.simulated_time import simulated

HELLO = Hello(version="1", slots=1, ram=1 << 30)


async def heard(play: Play, seconds: float) -> list[int | None]:
    """Return the memory in each hello that the Scheduler got within ``seconds``."""
    await asyncio.sleep(seconds)
    told: list[int | None] = []
    while play.cast.scheduler.ref.depth:
        message = await play.cast.scheduler.expect(Message)
        if isinstance(message, SessionReady):
            told.append(message.hello.ram)
    return told


@simulated
async def test_of_many_hellos_the_first_and_the_last_count() -> None:
    async with session() as play:
        play.assign()
        for number in range(100):
            play.hear(attrs.evolve(HELLO, ram=number))
            await asyncio.sleep(0.01)
        assert await heard(play, 10.0) == [0, 99]


@simulated
async def test_each_hello_is_answered_all_the_same() -> None:
    async with session() as play:
        play.assign()
        for number in range(5):
            play.hear(attrs.evolve(HELLO, ram=number))
            await play.welcome()


@simulated
async def test_a_change_after_a_while_is_told_at_once() -> None:
    async with session() as play:
        play.assign()
        play.hear(HELLO)
        assert await heard(play, 10.0) == [HELLO.ram]
        play.hear(attrs.evolve(HELLO, ram=5))
        assert await heard(play, 0.5) == [5]


@simulated
async def test_a_hello_that_says_the_same_is_not_told_again() -> None:
    async with session() as play:
        play.assign()
        play.hear(HELLO)
        assert await heard(play, 10.0) == [HELLO.ram]
        play.hear(HELLO)
        assert await heard(play, 10.0) == []
