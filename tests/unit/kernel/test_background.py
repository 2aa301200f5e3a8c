"""Background work that an actor starts beside its messages."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.unit.kernel.stage import Boom, Do, Hold, Note, Play, StageActor, play, quiet
from tests.unit.simulated_time import simulated


async def begin(it: Play, work: Callable[[], Awaitable[Note]], *, within: float = 60.0) -> None:
    def begun(actor: StageActor) -> None:
        actor.background(work, within=within, otherwise=Note("otherwise"))

    await it.ref.ask(Do(begun), within=1.0)


async def lasts(seconds: float, text: str = "done") -> Note:
    await asyncio.sleep(seconds)
    return Note(text)


@simulated
async def test_messages_are_handled_meanwhile() -> None:
    """Messages are handled while background work runs; its result arrives as a message."""
    async with play() as it:
        await begin(it, lambda: lasts(30.0))
        it.ref.tell(Note("meanwhile"))
        await asyncio.sleep(29.0)
        assert it.log == ["started", "meanwhile"]
        await asyncio.sleep(2.0)
        assert it.log == ["started", "meanwhile", "done"]


@simulated
async def test_work_that_takes_too_long_or_raises() -> None:
    """Background work that exceeds its limit, or raises, sends the message declared for a
    failure.
    """
    ended: list[str] = []

    async def too_long() -> Note:
        try:
            return await lasts(100.0)
        finally:
            ended.append("too long")

    async def raises() -> Note:
        raise LookupError("hunter2")

    async with play() as it:
        await begin(it, too_long, within=10.0)
        await asyncio.sleep(9.0)
        assert it.log == ["started"]
        await asyncio.sleep(2.0)
        assert (it.log, ended) == (["started", "otherwise"], ["too long"])
        await begin(it, raises)
        await quiet()
        assert it.log == ["started", "otherwise", "otherwise"]


@simulated
async def test_work_ends_with_the_instance() -> None:
    """Background work ends with the instance that began it, and so does its queued message."""

    async def stubborn() -> Note:
        try:
            return await lasts(100.0)
        except asyncio.CancelledError:
            return Note("never")

    async with play() as it:
        await begin(it, stubborn)
        await begin(it, lambda: lasts(1.0, "queued"))
        it.ref.tell(Hold())
        await asyncio.sleep(2.0)
        it.ref.tell(Boom())
        it.ref.mailbox.items.appendleft(it.ref.mailbox.items.pop())
        it.script.gate.set()
        await asyncio.sleep(200.0)
        assert it.log[3:] == ["boom", "stopped", "started"]


@simulated
async def test_full_mailbox_takes_what_work_returns() -> None:
    """A full mailbox accepts the message of background work."""
    async with play(capacity=1) as it:
        await begin(it, lambda: lasts(1.0))
        it.ref.tell(Hold())
        await quiet()
        it.ref.tell(Note("full"))
        await asyncio.sleep(2.0)
        assert it.ref.depth == 2
        it.script.gate.set()
        await quiet()
        assert it.log[-2:] == ["full", "done"]
