"""Batches that overlap: two at a time, in half of the messages each; failures, stops and kills."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest

from actors.kernel import (
    Actor,
    ActorCrashed,
    DeadlineExceeded,
    Down,
    Message,
    Ref,
    handles,
    handles_batch,
)
from actors.kernel.cell import Cell
from actors.kernel.exit import Exit
from tests.unit.kernel.stage import quiet, shared
from tests.unit.simulated_time import simulated


class Press:
    """Marker of the actor whose batches overlap."""


@attrs.frozen
class Page(Message[Press, str]):
    """Message that is handled in batches that overlap; the reply is the text in capitals."""

    text: str


@attrs.frozen
class Call(Message[Press, None]):
    """Message that is logged."""


class PressActor(Actor[Press]):
    """Actor whose batches end when the test opens the gate of their first text."""

    def __init__(self, desk: "Desk") -> None:
        self.desk = desk

    async def stopped(self) -> None:
        self.desk.log.append("stopped")

    @handles_batch(Page, limit=6, overlap=2)
    async def pages(self, messages: Sequence[Page]) -> list[str]:
        texts = "".join(message.text for message in messages)
        self.desk.log.append(f"begin {texts}")
        try:
            await self.desk.gate(texts[0]).wait()
            if "!" in texts:
                raise RuntimeError("hunter2")
            self.desk.log.append(f"end {texts}")
        except asyncio.CancelledError:
            self.desk.log.append(f"cancelled {texts}")
            raise
        return [text.upper() for text in texts][: self.desk.replies]

    @handles(Call)
    async def call(self, message: Call) -> None:
        self.desk.log.append("call")

    @handles(Down)
    async def down(self, message: Down) -> None:
        self.desk.log.append("down")


class Desk:
    """The actor's cell without a supervisor, its log and its gates."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.ends: list[Exit] = []
        self.replies: int | None = None
        self.ref: Ref[Press] = Ref("press", capacity=64)
        self.cell = Cell(
            self.ref,
            lambda: PressActor(self),
            shared=shared(),
            on_exit=self.ends.append,
            start_within=9.0,
            stop_within=5.0,
        )

    def gate(self, text: str) -> asyncio.Event:
        return self.gates.setdefault(text, asyncio.Event())

    async def let_go(self, text: str) -> None:
        """Let the batch end that begins with ``text``."""
        self.gate(text).set()
        await quiet()

    async def ask(self, texts: str) -> "list[asyncio.Task[str]]":
        asks = [asyncio.create_task(self.ref.ask(Page(text), within=99.0)) for text in texts]
        await quiet()
        return asks

    def taken(self) -> list[str]:
        """Return the log so far, and begin a new one."""
        log = list(self.log)
        self.log.clear()
        return log


@asynccontextmanager
async def desk() -> AsyncGenerator[Desk]:
    it = Desk()
    assert await it.cell.launch() is None
    try:
        yield it
    finally:
        await it.cell.kill()


async def replies(asks: "list[asyncio.Task[str]]") -> str:
    found = await asyncio.gather(*asks, return_exceptions=True)
    return "".join("x" if isinstance(each, ActorCrashed) else str(each) for each in found)


@simulated
async def test_two_batches_share_the_messages() -> None:
    """A batch that may overlap takes half of the messages, and a second takes the other half
    beside it; a third waits for the first to end.
    """
    async with desk() as it:
        asks = await it.ask("abcdefgh")
        assert it.taken() == ["begin abcd", "begin efgh"]
        asks += await it.ask("ijkl")
        assert it.taken() == []
        await it.let_go("a")
        assert it.taken() == ["end abcd", "begin ijkl"]
        await it.let_go("i")
        await it.let_go("e")
        assert await replies(asks) == "ABCDEFGHIJKL"
        assert it.cell.statistics().handled == 12


@simulated
async def test_second_batch_waits_for_enough_messages() -> None:
    """A second batch begins only once enough messages wait for it; with few messages, batches
    never overlap.
    """
    async with desk() as it:
        await it.ask("abcd")
        assert it.taken() == ["begin ab", "begin cd"]
        await it.let_go("c")
        await it.ask("e")
        assert it.taken() == ["end cd"]
        await it.ask("f")
        assert it.taken() == ["begin ef"]
        await it.let_go("a")
        await it.let_go("e")
        await it.ask("g")
        await it.ask("hij")
        assert it.taken() == ["end ab", "end ef", "begin g"]


@simulated
async def test_single_message_after_the_first_batch_ended() -> None:
    """When no batch is running, the next takes what waits, however little."""
    async with desk() as it:
        await it.ask("abcde")
        assert it.taken() == ["begin ab", "begin cd"]
        await it.let_go("a")
        await it.let_go("c")
        assert it.taken() == ["end ab", "end cd", "begin e"]


@simulated
async def test_other_messages_wait_for_both_batches() -> None:
    """A message of another kind, and a death notice, wait until no batch is running, and batches
    behind them wait, too.
    """
    async with desk() as it:
        other = Ref[Press]("other")
        await it.ask("abcd")
        it.ref.tell(Call())
        await it.ask("efgh")
        assert it.taken() == ["begin ab", "begin cd"]
        await it.let_go("a")
        assert it.taken() == ["end ab"]
        await it.let_go("c")
        assert it.taken() == ["end cd", "call", "begin ef", "begin gh"]
        instance = it.cell.instance
        assert instance is not None
        instance.watch(other)
        other.mailbox.close("gone")
        await quiet()
        await it.let_go("e")
        assert it.taken() == ["end ef"]
        await it.let_go("g")
        assert it.taken() == ["end gh", "down"]


@simulated
async def test_expired_asks_are_skipped_beside_a_running_batch() -> None:
    async with desk() as it:
        await it.ask("abcd")
        late = [asyncio.create_task(it.ref.ask(Page(text), within=1.0)) for text in "ef"]
        await asyncio.sleep(2.0)
        it.ref.tell(Call())
        await it.let_go("a")
        assert it.taken() == ["begin ab", "begin cd", "end ab"]
        await it.let_go("c")
        assert it.taken() == ["end cd", "call"]
        results = await asyncio.gather(*late, return_exceptions=True)
        assert [type(result) for result in results] == [DeadlineExceeded] * 2


@simulated
async def test_failure_of_the_first_batch() -> None:
    """When the first of two batches fails, the second is cancelled: all their askers get
    ActorCrashed, and queued messages stay.
    """
    async with desk() as it:
        asks = await it.ask("a!cd")
        queued = await it.ask("ef")
        await it.let_go("a")
        assert it.taken() == ["begin a!", "begin cd", "cancelled cd", "stopped"]
        assert await replies(asks) == "xxxx"
        assert [end.reason for end in it.ends] == ["RuntimeError in PressActor.pages"]
        assert await it.cell.launch() is None
        await quiet()
        await it.let_go("e")
        assert await replies(queued) == "EF"


@simulated
async def test_failure_of_the_second_batch() -> None:
    """When the second of two batches fails, the first ends before the crash, and its askers get
    their replies.
    """
    async with desk() as it:
        asks = await it.ask("abc!")
        await it.let_go("c")
        assert it.taken() == ["begin ab", "begin c!"]
        more = await it.ask("ef")
        assert it.taken() == []
        await it.let_go("a")
        assert it.taken() == ["end ab", "stopped"]
        assert await replies(asks) == "ABxx"
        assert not any(ask.done() for ask in more)
        assert [end.reason for end in it.ends] == ["RuntimeError in PressActor.pages"]
        for ask in more:
            ask.cancel()


@simulated
async def test_too_few_replies_of_a_batch_that_overlaps() -> None:
    async with desk() as it:
        it.replies = 1
        asks = await it.ask("abcd")
        await it.let_go("a")
        assert await replies(asks) == "xxxx"
        assert [end.reason for end in it.ends] == ["ValueError in PressActor.pages"]


@simulated
async def test_stop_waits_for_both_batches() -> None:
    """A stop lets both batches finish, and begins no further one."""
    async with desk() as it:
        asks = await it.ask("abcd")
        queued = await it.ask("ef")
        stopping = asyncio.create_task(it.cell.halt())
        await it.let_go("c")
        assert it.taken() == ["begin ab", "begin cd", "end cd"]
        await it.let_go("a")
        await stopping
        assert it.taken() == ["end ab", "stopped"]
        assert await replies(asks) == "ABCD"
        assert not any(ask.done() for ask in queued)
        for ask in queued:
            ask.cancel()


@simulated
async def test_kill_cancels_both_batches() -> None:
    """A kill cancels both batches, and answers all their askers with ActorCrashed."""
    async with desk() as it:
        asks = await it.ask("abcd")
        await it.cell.kill()
        assert it.taken() == ["begin ab", "begin cd", "cancelled ab", "cancelled cd"]
        assert await replies(asks) == "xxxx"


def test_overlap_beyond_the_limit() -> None:
    with pytest.raises(ValueError, match="at most the limit"):
        handles_batch(Page, limit=4, overlap=5)
