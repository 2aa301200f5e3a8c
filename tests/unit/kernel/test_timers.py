"""Timers: messages that an actor sends to itself later."""

import asyncio

from actors.kernel import ActorCrashed
from actors.kernel.instance import Instance
from tests.unit.kernel.stage import Boom, Do, Hold, Note, Play, StageActor, play, quiet
from tests.unit.simulated_time import simulated


def now() -> float:
    return asyncio.get_running_loop().time()


async def set_timer(it: Play, seconds: float, text: str = "tick", jitter: float = 0.0) -> None:
    def after(actor: StageActor) -> None:
        actor.timers.append(actor.after(seconds, Note(text), jitter=jitter))

    await it.ref.ask(Do(after), within=1.0)


@simulated
async def test_timer_sends_a_message() -> None:
    """A timer sends an actor a message from itself after some seconds of the loop's time."""
    async with play() as it:
        await set_timer(it, 60.0)
        await asyncio.sleep(59.99)
        assert it.log == ["started"]
        await asyncio.sleep(0.02)
        assert it.log == ["started", "tick"]
        instance = it.script.instances[0].__instance__
        assert isinstance(instance, Instance)
        assert instance.timers == {}


@simulated
async def test_jitter_lengthens() -> None:
    """Jitter lengthens a timer by up to a fraction, with the tree's random numbers."""
    async with play(uniform=lambda: 0.75) as it:
        await set_timer(it, 100.0, jitter=0.2)
        await asyncio.sleep(114.9)
        assert it.log == ["started"]
        await asyncio.sleep(0.2)
        assert it.log == ["started", "tick"]


@simulated
async def test_cancelled_timer() -> None:
    """The message of a cancelled timer does not arrive, even if it was queued already."""
    async with play() as it:
        await set_timer(it, 1.0, "never")
        await set_timer(it, 2.0, "queued, then cancelled")
        timers = it.script.instances[0].timers
        timers[0].cancel()
        it.ref.tell(Hold())
        await asyncio.sleep(3.0)
        assert it.ref.depth == 1
        timers[1].cancel()
        timers[1].cancel()
        it.script.gate.set()
        await quiet()
        assert it.log == ["started", "held", "let go"]


@simulated
async def test_timers_end_with_the_instance() -> None:
    """Timers end with the instance that set them, and so do their queued messages."""
    async with play() as it:
        await set_timer(it, 1.0, "queued")
        await set_timer(it, 5.0, "running")
        it.ref.tell(Hold())
        await asyncio.sleep(2.0)
        it.ref.tell(Note("kept"))
        it.ref.mailbox.items.appendleft(it.ref.mailbox.items.pop())
        it.ref.tell(Boom())
        it.ref.mailbox.items.appendleft(it.ref.mailbox.items.pop())
        it.script.gate.set()
        await asyncio.sleep(10.0)
        assert it.log[3:] == ["boom", "stopped", "started", "kept"]


@simulated
async def test_full_mailbox_takes_a_timers_message() -> None:
    """A full mailbox accepts the message of a timer."""
    async with play(capacity=1) as it:
        await set_timer(it, 1.0)
        it.ref.tell(Hold())
        await quiet()
        it.ref.tell(Note("full"))
        await asyncio.sleep(2.0)
        assert it.ref.depth == 2
        it.script.gate.set()
        await quiet()
        assert it.log[-2:] == ["full", "tick"]


@simulated
async def test_timer_set_in_stopped() -> None:
    async with play() as it:
        it.script.on_stop = lambda actor: actor.after(1.0, Note("never"))
        try:
            await it.ref.ask(Boom(), within=1.0)
        except ActorCrashed:
            await asyncio.sleep(5.0)
        assert "never" not in it.log


@simulated
async def test_timers_message_at_the_end_is_no_dead_letter() -> None:
    async with play() as it:
        await set_timer(it, 1.0)
        it.ref.tell(Hold())
        await asyncio.sleep(2.0)
        stopping = asyncio.create_task(it.root.stop())
        await quiet()
        it.script.gate.set()
        await stopping
        assert it.root.dead_letters.count == 0
