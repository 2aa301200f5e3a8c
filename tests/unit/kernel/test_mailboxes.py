"""Mailboxes: bounds, overflow policies, order, batches and dead letters."""

import asyncio
from functools import partial

import pytest

from actors.kernel import ActorStopped, DeadLetter, MailboxFull, Ref
from tests.unit.kernel.stage import (
    Do,
    Frame,
    Hold,
    Line,
    Load,
    Note,
    Play,
    Progress,
    Stage,
    play,
    quiet,
)
from tests.unit.simulated_time import simulated


async def hold(it: Play) -> None:
    """Keep the actor busy, so that its mailbox fills."""
    it.ref.tell(Hold())
    await quiet()


async def let_go(it: Play) -> list[object]:
    """Let the actor handle its mailbox; return what it has logged since."""
    it.script.gate.set()
    await quiet(100)
    return it.log[it.log.index("let go") + 1 :]


async def stop(it: Play) -> None:
    """Begin to stop the supervisor while the actor is busy, then let the actor go on."""
    stopping = asyncio.create_task(it.root.stop())
    await quiet()
    it.script.gate.set()
    await stopping


async def sleep(seconds: float, _: object) -> None:
    await asyncio.sleep(seconds)


def test_mailbox_without_room_for_one() -> None:
    """Every mailbox has a bound of one message at least."""
    with pytest.raises(ValueError, match="room for at least one"):
        Ref[Stage]("x", capacity=0)


@simulated
async def test_order_is_kept() -> None:
    """Messages of one sender to one actor are handled in the order in which they were sent."""
    async with play() as it:
        for number in range(200):
            assert it.ref.tell(Note(str(number)))
        await quiet()
        assert it.log[1:] == [str(number) for number in range(200)]


@simulated
async def test_one_message_at_a_time() -> None:
    """An actor handles one message, or one batch, at a time: while its handler waits, all messages
    wait.
    """
    async with play() as it:
        await hold(it)
        it.ref.tell(Note("waits"))
        await asyncio.sleep(100.0)
        assert it.log == ["started", "held"]
        assert await let_go(it) == ["waits"]


@simulated
async def test_reject_when_full() -> None:
    """A full mailbox refuses a message of a rejecting kind: the tell returns False at once."""
    async with play(capacity=2) as it:
        await hold(it)
        assert [it.ref.tell(Note(text)) for text in "abc"] == [True, True, False]
        assert await let_go(it) == ["a", "b"]


@simulated
async def test_coalesce_in_place() -> None:
    """A message of a coalescing kind takes the place of the queued message of its key,
    full or not.
    """
    async with play(capacity=3) as it:
        await hold(it)
        for message in (Load("n", 1), Note("between"), Load("m", 1), Load("n", 2), Load("m", 2)):
            assert it.ref.tell(message)
        assert not it.ref.tell(Load("o", 1))
        assert await let_go(it) == [("n", 2), "between", ("m", 2)]
        it.ref.tell(Load("n", 3))
        await quiet()
        assert it.log[-1] == ("n", 3)
        assert it.ref.mailbox.latest == {}


@simulated
async def test_asks_do_not_coalesce() -> None:
    """Only told messages coalesce: every asker gets a separate reply."""
    async with play() as it:
        await hold(it)
        asks = [asyncio.create_task(it.ref.ask(Load("n", n), within=1.0)) for n in (1, 2)]
        await quiet()
        it.ref.tell(Load("n", 3))
        it.ref.tell(Load("n", 4))
        assert await let_go(it) == [("n", 1), ("n", 2), ("n", 4)]
        await asyncio.gather(*asks)


@simulated
async def test_refused_coalescing_message_leaves_no_trace() -> None:
    async with play(capacity=1) as it:
        await hold(it)
        it.ref.tell(Note("full"))
        assert not it.ref.tell(Load("n", 1))
        assert not it.ref.tell(Load("n", 2))
        assert await let_go(it) == ["full"]


@simulated
async def test_drop_oldest() -> None:
    """In a full mailbox, a message of a dropping kind replaces the oldest told message of
    its kind.
    """
    async with play(capacity=3) as it:
        await hold(it)
        it.ref.tell(Note("first"))
        assert all(it.ref.tell(Progress(n)) for n in range(5))
        assert await let_go(it) == ["first", 3, 4]
        assert [letter.kind for letter in it.root.dead_letters.recent()] == ["Progress"] * 3


@simulated
async def test_a_dropped_message_can_be_sent_again() -> None:
    """The dead letter of a message that was replaced in a full mailbox is the replaced message, not
    the newer one.
    """
    async with play(capacity=3) as it:
        await hold(it)
        assert all(it.ref.tell(Progress(n)) for n in range(4))
        assert await let_go(it) == [1, 2, 3]
        [letter] = it.root.dead_letters.recent()
        assert letter.again is not None
        letter.again()
        assert await let_go(it) == [1, 2, 3, 0]


@simulated
async def test_drop_oldest_drops_no_other_kind() -> None:
    """A message of a dropping kind is refused if the full mailbox has none of its kind to drop."""
    async with play(capacity=2) as it:
        await hold(it)
        it.ref.tell(Note("a"))
        it.ref.tell(Note("b"))
        assert not it.ref.tell(Progress(1))
        assert await let_go(it) == ["a", "b"]


@simulated
async def test_drop_oldest_spares_asks() -> None:
    async with play(capacity=1) as it:
        await hold(it)
        asker = asyncio.create_task(it.ref.ask(Progress(1), within=1.0))
        await quiet()
        assert not it.ref.tell(Progress(2))
        assert await let_go(it) == [1]
        await asker


@simulated
async def test_offer_waits_for_room() -> None:
    """Offers wait until less than an eighth of the mailbox is full, and keep their order."""
    async with play(capacity=16) as it:
        await hold(it)
        offers = [asyncio.create_task(it.ref.offer(Frame(n))) for n in range(6)]
        await asyncio.sleep(100.0)
        assert [offer.done() for offer in offers] == [True, True, False, False, False, False]
        assert not it.ref.tell(Frame(99))
        assert it.ref.tell(Note("the other seven eighths"))
        assert await let_go(it) == [0, 1, "the other seven eighths", 2, 3, 4, 5]
        assert all(offer.done() for offer in offers)


@simulated
async def test_offer_that_finds_its_room_taken_keeps_its_place() -> None:
    async with play(capacity=1) as it:
        await hold(it)
        it.ref.tell(Note("full"))
        offers = [asyncio.create_task(it.ref.offer(Frame(n))) for n in (1, 2)]
        await quiet()
        it.ref.mailbox.items.clear()
        it.ref.mailbox.make_room()
        it.ref.tell(Note("quicker"))
        await quiet()
        assert await let_go(it) == ["quicker", 1, 2]
        await asyncio.gather(*offers)


@simulated
async def test_cancelled_offer_gives_its_turn_to_the_next() -> None:
    async with play(capacity=1) as it:
        await hold(it)
        it.ref.tell(Note("full"))
        offers = [asyncio.create_task(it.ref.offer(Frame(n))) for n in (1, 2, 3)]
        await quiet()
        offers[0].cancel()
        await quiet()
        it.ref.mailbox.items.clear()
        it.ref.mailbox.make_room()
        offers[1].cancel()  # the offer has already been woken
        await quiet()
        assert offers[2].done()
        assert await let_go(it) == [3]


@simulated
async def test_offer_waits_no_longer_than_the_timers_of_an_instance_that_ended() -> None:
    async with play(capacity=1) as it:
        await it.ref.ask(Do(lambda actor: actor.after(1.0, Note("tick"))), within=1.0)
        await hold(it)
        await asyncio.sleep(2.0)
        offer = asyncio.create_task(it.ref.offer(Frame(1)))
        await quiet()
        it.script.instances[0].stop()
        assert await let_go(it) == ["stopped", "started", 1]
        await offer


@simulated
async def test_offer_to_an_actor_that_goes_down() -> None:
    """An offer fails with ActorStopped when the actor is down for good."""
    async with play(capacity=1) as it:
        await hold(it)
        it.ref.tell(Note("full"))
        offer = asyncio.create_task(it.ref.offer(Frame(1)))
        await quiet()
        await stop(it)
        with pytest.raises(ActorStopped):
            await offer
        assert it.root.dead_letters.count == 2


@simulated
@pytest.mark.parametrize("is_first", [True, False])
async def test_offer_that_is_cancelled_as_the_actor_goes_down(*, is_first: bool) -> None:
    async with play(capacity=1) as it:
        await hold(it)
        it.ref.tell(Note("full"))
        offer = asyncio.create_task(it.ref.offer(Frame(1)))
        await quiet()
        if is_first:
            offer.cancel()
        it.ref.mailbox.close("gone")
        offer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await offer


@simulated
async def test_batch_takes_what_is_queued_of_its_kind() -> None:
    """A batch takes all queued messages of its kind up to its limit, past messages of
    other kinds.
    """
    async with play() as it:
        await hold(it)
        asks = [asyncio.create_task(it.ref.ask(Line(text), within=1.0)) for text in "abc"]
        await quiet()
        it.ref.tell(Note("other"))
        asks += [asyncio.create_task(it.ref.ask(Line(text), within=1.0)) for text in "def"]
        await quiet()
        assert await let_go(it) == [["a", "b", "c", "d"], "other", ["e", "f"]]
        assert [await ask for ask in asks] == list("ABCDEF")


@simulated
async def test_forward_in_a_batch_of_one() -> None:
    async with play() as it:

        async def keep(actor: object, messages: object) -> list[object]:
            it.script.instances[0].later(str)
            return []

        handlers = type(it.script.instances[0]).__handlers__
        kept = handlers[Line]
        handlers[Line] = (keep, 4, 0)
        try:
            with pytest.raises(Exception, match=r"RuntimeError in StageActor.keep"):
                await it.ref.ask(Line("a"), within=1.0)
        finally:
            handlers[Line] = kept


@simulated
async def test_dead_letters_are_counted_and_redacted() -> None:
    """A told message that reaches no actor is a dead letter: kind, addressee, reason are kept."""
    async with play(capacity=1) as it:
        await hold(it)
        it.ref.tell(Note("queued"))
        it.ref.tell(Note("hunter2"))
        letters = it.root.dead_letters
        assert letters.recent() == (DeadLetter("Note", "stage-0", "mailbox full (1)"),)
        await stop(it)
        assert not it.ref.tell(Note("hunter2"))
        assert [letter.reason for letter in letters.recent()[1:]] == ["stopped", "stopped"]
        assert "hunter2" not in repr(letters.recent())


@simulated
async def test_a_dead_letter_is_told_once_more_or_kept_no_longer() -> None:
    """A dead letter that is retried is sent again, as any message; accepted, it is removed."""
    async with play(capacity=1) as it:
        await hold(it)
        it.ref.tell(Note("queued"))
        it.ref.tell(Note("one too many"))
        it.ref.tell(Note("and another"))
        letters = it.root.dead_letters
        first, second = (letter.number for letter in letters.recent())
        assert letters.retry(first) == "stage-0 has ended, or has no room for it"
        assert [letter.number for letter in letters.recent()][:2] == [first, second]
        assert (await let_go(it))[-1] == "queued"
        assert letters.retry(first) is None
        await quiet()
        assert it.log[-1] == "one too many"
        assert letters.discard(second)
        assert not letters.discard(second)
        assert letters.retry(second) == "the message has been dropped"


@simulated
async def test_last_hundred_dead_letters_are_kept() -> None:
    """All dead letters are counted, and the last 100 are kept."""
    async with play() as it:
        await it.root.stop()
        for _ in range(149):
            it.ref.tell(Note("x"))
        it.ref.tell(Load("n", 1))
        letters = it.root.dead_letters
        assert letters.count == 150
        assert len(letters.recent()) == 100
        assert letters.recent()[-1].kind == "Load"


@simulated
async def test_refused_ask_is_no_dead_letter() -> None:
    async with play(capacity=1) as it:
        await hold(it)
        it.ref.tell(Note("full"))
        with pytest.raises(MailboxFull):
            await it.ref.ask(Note("x"), within=1.0)
        assert it.root.dead_letters.count == 0


@simulated
async def test_busy_actor_yields() -> None:
    """An actor with a long queue lets other tasks run after every 64 messages."""
    async with play() as it:
        seen: list[int] = []
        for number in range(200):
            it.ref.tell(Note(str(number)))
        while it.ref.depth:
            await asyncio.sleep(0)
            seen.append(it.ref.depth)
        assert seen[:4] == [136, 72, 8, 0]


@simulated
async def test_statistics_of_an_actor() -> None:
    """Each actor counts its queue's depth and peak, messages, handle times, restarts and losses."""
    async with play(capacity=300) as it:
        await hold(it)
        for number in range(20):
            seconds = 1.0 if number == 19 else 0.1
            it.ref.tell(Do(partial(sleep, seconds)))
        reading = it.root.snapshot().children[0].statistics
        assert reading is not None
        assert (reading.depth, reading.peak, reading.handled) == (20, 20, 0)
        it.script.gate.set()
        await asyncio.sleep(60.0)
        reading = it.root.snapshot().children[0].statistics
        assert reading is not None
        assert (reading.depth, reading.peak, reading.handled) == (0, 20, 21)
        assert reading.handle_seconds == pytest.approx(2.9, abs=0.01)
        assert reading.handle_seconds_p95 == pytest.approx(0.1, abs=0.01)
        assert (reading.restarts, reading.last_error, reading.dead_letters) == (0, None, 0)
