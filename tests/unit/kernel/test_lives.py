"""Lives of an actor: hooks, lanes, stop, crash and kill."""

import asyncio
from typing import Any

import pytest

from actors.kernel import ActorCrashed, ActorStopped, State
from actors.kernel.cell import Cell
from actors.kernel.exit import Exit
from actors.kernel.ref import Ref
from tests.unit.kernel.stage import (
    Boom,
    Do,
    Hold,
    Line,
    Note,
    Script,
    Stage,
    StageActor,
    play,
    quiet,
    shared,
)
from tests.unit.simulated_time import simulated


class Life:
    """A cell without a supervisor; each end is recorded and nothing follows."""

    def __init__(self, *, capacity: int = 8) -> None:
        self.script = Script()
        self.ref: Ref[Stage] = Ref("alone", capacity=capacity)
        self.ends: list[Exit] = []
        self.cell = Cell(
            self.ref,
            self.script.make,
            shared=shared(),
            on_exit=self.ends.append,
            start_within=9.0,
            stop_within=5.0,
        )

    @property
    def log(self) -> list[Any]:
        return self.script.log


def now() -> float:
    return asyncio.get_running_loop().time()


async def stubborn(script: Script) -> None:
    """Wait for the gate, even when cancelled."""
    while not script.gate.is_set():
        try:
            await script.gate.wait()
        except asyncio.CancelledError:
            script.log.append("survived")


@simulated
async def test_started_comes_first() -> None:
    """The hook started runs before the first message, with its own address set."""
    life = Life()
    seen: list[object] = []
    life.script.on_start = lambda actor: seen.append(actor.ref)
    life.ref.tell(Note("early"))
    assert await life.cell.launch() is None
    await quiet()
    assert life.log == ["started", "early"]
    assert seen == [life.ref]
    await life.cell.halt()


@simulated
async def test_stop_lets_the_message_in_hand_finish() -> None:
    """A stop lets the message in hand finish, goes before queued messages, and runs stopped."""
    life = Life()
    await life.cell.launch()
    asker = asyncio.create_task(life.ref.ask(Hold(), within=9.0))
    await quiet()
    life.ref.tell(Note("queued"))
    halting = asyncio.create_task(life.cell.halt())
    await quiet()
    life.script.gate.set()
    await halting
    assert await asker == "held"
    assert life.log == ["started", "held", "let go", "stopped"]
    assert life.ref.depth == 1
    assert life.ends == []


@simulated
async def test_full_mailbox_does_not_block_a_stop() -> None:
    """A full mailbox never holds up a stop."""
    life = Life(capacity=1)
    await life.cell.launch()
    life.ref.tell(Hold())
    await quiet()
    life.ref.tell(Note("full"))
    halting = asyncio.create_task(life.cell.halt())
    await quiet()
    life.script.gate.set()
    await halting
    assert life.log == ["started", "held", "let go", "stopped"]


@simulated
async def test_actor_stops_itself() -> None:
    """An actor that calls stop ends normally after the message in hand."""
    life = Life()
    await life.cell.launch()
    life.ref.tell(Do(lambda actor: actor.stop()))
    life.ref.tell(Note("not handled"))
    await quiet()
    assert life.log == ["started", "stopped"]
    assert [end.normal for end in life.ends] == [True]


@simulated
async def test_stopped_runs_after_a_crash() -> None:
    """The hook stopped runs after a crash, and after a crash of started, too."""
    life = Life()
    await life.cell.launch()
    life.ref.tell(Boom())
    await quiet()
    assert life.log == ["started", "boom", "stopped"]
    assert [end.reason for end in life.ends] == ["ValueError in StageActor.boom"]

    def fail(actor: StageActor) -> None:
        raise OSError("port 8080 is taken")

    life.log.clear()
    life.script.on_start = fail
    end = await life.cell.launch()
    assert end is not None
    assert end.reason == "OSError in StageActor.started: port 8080 is taken"
    assert life.log == ["started", "stopped"]
    assert len(life.ends) == 1


@simulated
async def test_actor_that_cannot_be_made() -> None:
    life = Life()

    def fail() -> StageActor:
        raise LookupError("no such thing")

    life.cell.make = fail
    end = await life.cell.launch()
    assert end is not None
    assert end.reason == "LookupError in making alone: no such thing"
    assert life.cell.state is State.RESTARTING


@simulated
async def test_stopped_has_a_time_limit() -> None:
    """The hook stopped has the time limit of a stop, after a crash too."""
    life = Life()
    life.script.on_stop = lambda actor: asyncio.sleep(1000.0)
    await life.cell.launch()
    life.ref.tell(Boom())
    began = now()
    await asyncio.sleep(6.0)
    assert [end.reason for end in life.ends] == ["ValueError in StageActor.boom"]
    assert now() == began + 6.0


@simulated
async def test_error_in_stopped_is_a_crash() -> None:
    """An error in stopped makes a normal end a crash."""
    life = Life()

    def fail(actor: StageActor) -> None:
        raise OSError("hunter2")

    life.script.on_stop = fail
    await life.cell.launch()
    life.ref.tell(Do(lambda actor: actor.stop()))
    await quiet()
    assert [(end.normal, end.reason) for end in life.ends] == [
        (False, "OSError in StageActor.stopped")
    ]


@simulated
async def test_stop_that_takes_too_long_is_a_kill() -> None:
    """A stop that takes longer than its limit becomes a kill."""
    life = Life()
    await life.cell.launch()
    asker = asyncio.create_task(life.ref.ask(Hold(), within=100.0))
    await quiet()
    began = now()
    await life.cell.halt()
    assert now() == began + 5.0
    with pytest.raises(ActorCrashed, match="killed"):
        await asker


@simulated
async def test_kill_cancels_the_handler() -> None:
    """A kill cancels the handler in hand, answers its asker with ActorCrashed, skips stopped."""
    life = Life()
    await life.cell.launch()
    asker = asyncio.create_task(life.ref.ask(Hold(), within=100.0))
    await quiet()
    life.ref.tell(Note("queued"))
    began = now()
    await life.cell.kill()
    with pytest.raises(ActorCrashed, match="alone: killed"):
        await asker
    assert now() == began
    assert life.log == ["started", "held"]
    assert life.ends == []
    assert life.ref.depth == 1


@simulated
async def test_kill_of_an_idle_actor() -> None:
    life = Life()
    await life.cell.launch()
    await quiet()
    await life.cell.kill()
    await life.cell.kill()
    await life.cell.halt()
    assert life.log == ["started"]
    assert life.cell.state is State.RESTARTING


@simulated
async def test_kill_while_stopped_runs() -> None:
    life = Life()
    life.script.on_stop = lambda actor: asyncio.sleep(1000.0)
    await life.cell.launch()
    life.ref.tell(Do(lambda actor: actor.stop()))
    await quiet()
    await life.cell.kill()
    assert life.cell.task is not None
    assert life.cell.task.done()


@simulated
async def test_kill_goes_before_stop() -> None:
    """Of the four lanes, kill goes first, then stop, then death notices, then messages."""
    life = Life()
    other = Life()
    await life.cell.launch()
    other.cell.bury("gone")
    await life.ref.ask(Do(lambda actor: None), within=1.0)
    life.ref.tell(Hold())
    await quiet()
    instance = life.script.instances[0].__instance__
    life.ref.tell(Note("message"))
    instance.watch(other.ref)
    life.script.gate.set()
    await quiet()
    assert life.log == ["started", "held", "let go", ("alone", "gone"), "message"]

    life.script.gate.clear()
    life.ref.tell(Hold())
    await quiet()
    life.ref.tell(Note("message"))
    instance.watch(other.ref)
    halting = asyncio.create_task(life.cell.halt())
    await quiet()
    life.script.gate.set()
    await halting
    assert life.log[5:] == ["held", "let go", "stopped"]


@simulated
async def test_handler_that_survives_its_kill_is_left_behind() -> None:
    """A handler that survives its kill is left behind after a second; its address goes on."""
    life = Life()
    await life.cell.launch()
    asker = asyncio.create_task(life.ref.ask(Do(lambda a: stubborn(life.script)), within=100.0))
    await quiet()
    began = now()
    await life.cell.kill()
    assert now() == began + 1.0
    with pytest.raises(ActorCrashed, match="killed"):
        await asker

    assert await life.cell.launch() is None
    life.script.gate.set()  # the old handler ends while the new instance runs
    await quiet()
    assert life.cell.state is State.RUNNING
    assert life.ends == []
    assert await life.ref.ask(Note("on"), within=1.0)
    await life.cell.halt()
    assert life.log == ["started", "survived", "started", "on", "stopped"]


@simulated
async def test_what_a_left_behind_instance_began_ends_with_it() -> None:
    """A handler left behind keeps no timer, background work or watch, and can begin none."""
    life, other = Life(), Life()

    async def work() -> Note:
        await asyncio.sleep(3.0)
        return Note("worked")

    async def begin(actor: StageActor) -> None:
        for _ in range(2):
            actor.after(3.0, Note("tick"))
            actor.background(work, within=9.0, otherwise=Note("otherwise"))
            actor.watch(other.ref)
            actor.after(0.0, Note("queued"))
            await stubborn(life.script)

    await life.cell.launch()
    life.ref.tell(Do(begin))
    await quiet()
    await life.cell.kill()
    assert await life.cell.launch() is None
    await asyncio.sleep(2.5)
    assert life.log == ["started", "survived", "started"]
    life.script.gate.set()  # the old handler begins the same again
    await asyncio.sleep(10.0)
    other.cell.bury("gone")
    await quiet()
    assert life.log == ["started", "survived", "started"]
    await life.cell.halt()


@simulated
async def test_handler_that_survives_once_ends_after_its_message() -> None:
    life = Life()
    await life.cell.launch()

    async def once(actor: StageActor) -> None:
        try:
            await asyncio.sleep(100.0)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)

    life.ref.tell(Do(once))
    life.ref.tell(Note("not handled"))
    await quiet()
    await life.cell.kill()
    assert life.log == ["started"]
    assert life.cell.state is State.RESTARTING


@simulated
async def test_start_that_takes_too_long_fails() -> None:
    """A start that takes longer than its limit has failed, and is killed."""
    life = Life()
    life.script.on_start = lambda actor: asyncio.sleep(1000.0)
    began = now()
    end = await life.cell.launch()
    assert end is not None
    assert end.reason == "not started within 9.0 s"
    assert now() == began + 9.0
    assert life.log == ["started"]
    assert life.ends == []


@simulated
async def test_queued_messages_wait_for_the_next_instance() -> None:
    """Messages queued at a crash stay, in order, for the next instance, asks included."""
    async with play() as it:
        it.ref.tell(Hold())
        await quiet()
        it.ref.tell(Boom())
        it.ref.tell(Note("a"))
        asker = asyncio.create_task(it.ref.ask(Note("b"), within=1.0))
        await quiet()
        it.ref.tell(Note("c"))
        it.script.gate.set()
        await asker
        await quiet()
        assert it.log[-5:] == ["stopped", "started", "a", "b", "c"]
        assert it.log.count("boom") == 1


@simulated
async def test_message_in_hand_at_a_crash_is_gone() -> None:
    """The message, or the batch, in hand at a crash is not handled again."""
    async with play() as it:
        it.ref.tell(Line("boom"))
        it.ref.tell(Boom())
        await quiet(60)
        assert it.log == [
            "started", ["boom"], "stopped", "started", "boom", "stopped", "started",
        ]  # fmt: skip


@simulated
async def test_each_instance_is_new() -> None:
    """Each start makes a new instance, without the memory of the instance before."""
    async with play() as it:
        it.ref.tell(Boom())
        await quiet()
        assert len(it.script.instances) == 2
        assert it.script.instances[0] is not it.script.instances[1]
        assert {actor.ref for actor in it.script.instances} == {it.ref}


@simulated
async def test_loop_that_is_torn_down_ends_an_actor() -> None:
    life = Life()
    await life.cell.launch()
    asker = asyncio.create_task(life.ref.ask(Hold(), within=100.0))
    await quiet()
    assert life.cell.task is not None
    life.cell.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life.cell.task
    with pytest.raises(ActorCrashed, match="killed"):
        await asker
    assert [end.reason for end in life.ends] == ["killed"]


@simulated
async def test_address_that_is_down_stays_down() -> None:
    """An address that is down never comes up again."""
    async with play() as it:
        await it.root.stop()
        it.root.bury("again")
        with pytest.raises(ActorStopped, match="stopped"):
            await it.ref.ask(Note("x"), within=1.0)
        with pytest.raises(RuntimeError, match="started before"):
            await it.root.start()
