"""Asks: replies, deadlines, failures, forwarding, and replies that come later."""

import asyncio
import gc

import pytest

from actors.kernel import (
    ActorCrashed,
    ActorStopped,
    AskFailed,
    DeadlineExceeded,
    MailboxFull,
    Ref,
)
from tests.unit.kernel.stage import (
    Boom,
    Do,
    Hold,
    Line,
    Note,
    Pass,
    Release,
    Stage,
    Wait,
    play,
    quiet,
)
from tests.unit.simulated_time import simulated


def now() -> float:
    return asyncio.get_running_loop().time()


@simulated
async def test_ask_is_answered() -> None:
    """The reply to an ask is what the handler returns."""
    async with play() as it:
        assert await it.ref.ask(Note("a"), within=1.0) == 2
        assert it.log == ["started", "a"]


@simulated
async def test_deadline_passes_in_the_handler() -> None:
    """An ask without a reply fails with DeadlineExceeded at most 50 ms after its deadline."""
    async with play() as it:
        for within in (0.01, 0.05, 0.31, 1.0, 7.77):
            began = now()
            with pytest.raises(DeadlineExceeded, match="stage-0: no reply in time"):
                await it.ref.ask(Wait(), within=within)
            assert within <= now() - began <= within + 0.0501


@simulated
async def test_earlier_deadline_armed_after_a_later_one() -> None:
    async with play() as it:
        long = asyncio.create_task(it.ref.ask(Wait(), within=60.0))
        await quiet()
        with pytest.raises(DeadlineExceeded):
            await it.ref.ask(Wait(), within=0.5)
        assert now() < 1.0
        with pytest.raises(DeadlineExceeded):
            await long


@simulated
async def test_deadlines_expire_in_the_order_of_the_asks() -> None:
    expired: list[int] = []

    async def ask(ref: Ref[Stage], number: int) -> None:
        with pytest.raises(DeadlineExceeded):
            await ref.ask(Wait(), within=1.0)
        expired.append(number)

    async with play() as it, asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(ask(it.ref, number))
    assert expired == list(range(50))


@simulated
async def test_expired_ask_is_skipped() -> None:
    """An ask whose deadline has passed is not handled any more."""
    async with play() as it:
        it.ref.tell(Hold())
        await quiet()
        with pytest.raises(DeadlineExceeded):
            await it.ref.ask(Note("too late"), within=1.0)
        it.script.gate.set()
        await it.ref.ask(Note("in time"), within=1.0)
        assert it.log == ["started", "held", "let go", "in time"]


@simulated
async def test_deadline_is_seen_before_the_wheel_turns() -> None:
    async with play() as it:
        it.ref.tell(Do(lambda actor: asyncio.sleep(1.001)))
        late = asyncio.create_task(it.ref.ask(Note("too late"), within=1.0))
        batch = [asyncio.create_task(it.ref.ask(Line("too late"), within=1.0)) for _ in "ab"]
        batch.append(asyncio.create_task(it.ref.ask(Line("in time"), within=1.5)))
        await quiet()
        for task in (late, *batch[:2]):
            with pytest.raises(DeadlineExceeded):
                await task
        assert await batch[2] == "IN TIME"
        assert it.log == ["started", ["in time"]]


@simulated
async def test_expired_asks_of_a_batch_are_skipped() -> None:
    async with play() as it:
        it.ref.tell(Hold())
        tasks = [
            asyncio.create_task(it.ref.ask(Line(text), within=within))
            for text, within in (("a", 9.0), ("late", 1.0), ("b", 9.0))
        ]
        with pytest.raises(DeadlineExceeded):
            await tasks[1]
        it.script.gate.set()
        assert [await tasks[0], await tasks[2]] == ["A", "B"]
        assert it.log[-1] == ["a", "b"]


@simulated
async def test_ask_of_an_asker_who_has_gone() -> None:
    """An ask whose asker has gone is not handled any more."""
    async with play() as it:
        it.ref.tell(Hold())
        asker = asyncio.create_task(it.ref.ask(Note("nobody"), within=9.0))
        await quiet()
        asker.cancel()
        await asyncio.wait([asker])
        it.script.gate.set()
        await it.ref.ask(Note("somebody"), within=1.0)
        assert "nobody" not in it.log


@simulated
async def test_reply_to_an_asker_who_has_gone() -> None:
    """A reply to an asker who has gone has no effect."""
    async with play() as it:
        with pytest.raises(DeadlineExceeded):
            await it.ref.ask(Hold(), within=1.0)
        with pytest.raises(DeadlineExceeded):
            await it.ref.ask(Note("queued"), within=1.0)
        it.script.gate.set()
        later = asyncio.create_task(it.ref.ask(Wait(), within=1.0))
        await asyncio.wait([later])
        await it.ref.ask(Release(), within=1.0)
        assert it.log == ["started", "held", "let go"]
        assert isinstance(later.exception(), DeadlineExceeded)


@simulated
async def test_full_mailbox_refuses_an_ask() -> None:
    """A full mailbox refuses an ask with MailboxFull at once."""
    async with play(capacity=2) as it:
        it.ref.tell(Hold())
        await quiet()
        assert it.ref.tell(Note("1"))
        assert it.ref.tell(Note("2"))
        began = now()
        with pytest.raises(MailboxFull, match=r"mailbox full \(2\)"):
            await it.ref.ask(Note("3"), within=1.0)
        assert now() == began


@simulated
async def test_crash_answers_the_asker_at_once() -> None:
    """A crash answers the asker of the message in hand with ActorCrashed, before stopped runs."""
    async with play() as it:
        it.script.on_stop = lambda actor: asyncio.sleep(3.0)
        began = now()
        with pytest.raises(ActorCrashed):
            await it.ref.ask(Boom(), within=9.0)
        assert now() == began


@simulated
async def test_crash_of_a_batch_answers_all_its_askers() -> None:
    """A crash in a batch answers every asker of the batch with ActorCrashed, and no other."""
    async with play() as it:
        it.ref.tell(Hold())
        await quiet()
        texts = ("a", "b", "boom", "c", "not in the batch")
        tasks = [asyncio.create_task(it.ref.ask(Line(text), within=9.0)) for text in texts]
        await quiet()
        it.script.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [ActorCrashed] * 4 + [str]
        assert str(results[0]) == "stage-0: RuntimeError in StageActor.lines"
        assert results[0] is not results[1]


@simulated
async def test_batch_with_too_few_replies_is_a_crash() -> None:
    async with play() as it:

        async def short(actor: object, messages: object) -> list[str]:
            return []

        handlers = type(it.script.instances[0]).__handlers__
        kept = handlers[Line]
        handlers[Line] = (short, 4, 0)
        try:
            with pytest.raises(ActorCrashed, match=r"ValueError in StageActor.short"):
                await it.ref.ask(Line("a"), within=1.0)
        finally:
            handlers[Line] = kept


@simulated
async def test_awaiting_something_cancelled_is_a_crash() -> None:
    async with play() as it:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gone.cancel()
        with pytest.raises(ActorCrashed, match=r"CancelledError in StageActor.do"):
            await it.ref.ask(Do(lambda actor: asyncio.wait_for(gone, 1.0)), within=1.0)
        assert await it.ref.ask(Note("again"), within=1.0)


@simulated
async def test_ask_of_an_actor_that_is_down() -> None:
    """An actor that is down for good answers every ask with ActorStopped, queued asks too."""
    async with play() as it:
        it.ref.tell(Hold())
        await quiet()
        queued = asyncio.create_task(it.ref.ask(Note("queued"), within=60.0))
        await quiet()
        stopping = asyncio.create_task(it.root.stop())
        await quiet()
        it.script.gate.set()
        await stopping
        with pytest.raises(ActorStopped, match="stage-0: stopped"):
            await queued
        began = now()
        with pytest.raises(ActorStopped):
            await it.ref.ask(Note("new"), within=1.0)
        assert now() == began
        assert it.log == ["started", "held", "let go", "stopped"]


@simulated
async def test_forward_answers_the_asker() -> None:
    """A forwarded message is answered by the other actor: no handler waits."""
    async with play(2) as it:
        assert await it.ref.ask(Pass(it.refs[1], "on"), within=1.0) == 2
        assert it.scripts[1].log == ["started", "on"]


@simulated
async def test_forward_carries_the_deadline() -> None:
    """A forwarded ask keeps its deadline."""
    async with play(2) as it:
        it.refs[1].tell(Hold())
        with pytest.raises(DeadlineExceeded):
            await it.ref.ask(Pass(it.refs[1], "on"), within=1.0)
        it.scripts[1].gate.set()
        await it.refs[1].ask(Note("after"), within=1.0)
        assert "on" not in it.scripts[1].log


@simulated
async def test_forward_to_a_full_mailbox() -> None:
    """A forward that is refused answers the asker with the reason."""
    async with play(2, capacity=1) as it:
        it.refs[1].tell(Hold())
        await quiet()
        it.refs[1].tell(Note("full now"))
        with pytest.raises(MailboxFull, match="stage-1"):
            await it.ref.ask(Pass(it.refs[1], "on"), within=9.0)
        it.ref.tell(Pass(it.refs[1], "told"))
        await quiet()
        assert it.root.dead_letters.count == 1


@simulated
async def test_later_is_answered_by_another_handler() -> None:
    """An asker who is kept waiting is answered from any later handler."""
    async with play() as it:
        askers = [asyncio.create_task(it.ref.ask(Wait(), within=5.0)) for _ in range(3)]
        await quiet()
        it.ref.tell(Release("now"))
        assert [await asker for asker in askers] == ["now"] * 3


@simulated
async def test_later_can_fail() -> None:
    async with play() as it:
        asker = asyncio.create_task(it.ref.ask(Wait(), within=5.0))
        await quiet()
        it.script.instances[0].waiting[0].fail(AskFailed("stage-0", "no"))
        it.script.instances[0].waiting[0].answer("too late")
        with pytest.raises(AskFailed, match="stage-0: no"):
            await asker


@simulated
async def test_later_whose_asker_has_gone() -> None:
    """A handler sees by DeferredReply.gone that the asker no longer waits."""
    async with play() as it:
        asker = asyncio.create_task(it.ref.ask(Wait(), within=2.0))
        it.ref.tell(Wait())
        await quiet()
        told, asked = sorted(it.script.instances[0].waiting, key=lambda later: not later.gone)
        assert (told.gone, asked.gone) == (True, False)
        with pytest.raises(DeadlineExceeded):
            await asker
        assert asked.gone


@simulated
async def test_dropped_later_lets_the_deadline_run_out() -> None:
    """If a promised reply is dropped, the asker waits until its deadline."""
    async with play() as it:
        asker = asyncio.create_task(it.ref.ask(Wait(), within=2.0))
        await quiet()
        it.script.instances[0].waiting.clear()
        gc.collect()
        with pytest.raises(DeadlineExceeded):
            await asker
        assert now() >= 2.0


@simulated
async def test_forward_or_later_without_a_message_in_hand() -> None:
    async with play() as it:
        with pytest.raises(RuntimeError, match="no single message is being handled"):
            it.script.instances[0].later(str)


@simulated
async def test_actor_that_asks_itself() -> None:
    """An actor that waits for an ask of itself waits until the deadline."""
    async with play() as it:
        with pytest.raises(ActorCrashed, match=r"DeadlineExceeded in StageActor.do"):
            await it.ref.ask(Do(lambda a: a.ref.ask(Note("me"), within=1.0)), within=9.0)
        assert now() >= 1.0


@simulated
async def test_crash_leaves_open_whether_the_message_took_effect() -> None:
    """After ActorCrashed or DeadlineExceeded the message may still have had its effect."""
    async with play() as it:
        with pytest.raises(ActorCrashed):
            await it.ref.ask(Boom(), within=1.0)
        assert it.log[1] == "boom"
        with pytest.raises(DeadlineExceeded):
            await it.ref.ask(Hold(), within=1.0)
        it.script.gate.set()
        await it.ref.ask(Note("x"), within=1.0)
        assert "let go" in it.log
