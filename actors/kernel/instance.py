"""One instance of an actor, from ``started`` to ``stopped``: lanes, timers, watches and tasks."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from actors.kernel import fail_point
from actors.kernel.actor import Actor
from actors.kernel.deadlines import clock_of
from actors.kernel.deferred_reply import DeferredReply
from actors.kernel.down import Down
from actors.kernel.envelope import Envelope, Item, Reminder, message_of
from actors.kernel.errors import ActorCrashed, AskFailed
from actors.kernel.exit import KILLED, STOPPED, Exit, crash
from actors.kernel.handler import Handler
from actors.kernel.mailbox import Mailbox
from actors.kernel.message import Message
from actors.kernel.ref import Ref
from actors.kernel.shared_state import SharedState
from actors.kernel.statistics import SAMPLES, Gauge, State
from actors.kernel.timer import Timer

TURN = 64  # messages handled before other tasks get the loop
LAST_SAMPLE = SAMPLES - 1
log = logging.getLogger(__name__)


async def refuse(actor: Actor[Any], message: Message[Any, Any]) -> DeferredReply[Any]:
    """Refuse a message without a handler: an ask fails, a tell becomes a dead letter."""
    envelope, mailbox = actor.__instance__.one_in_hand(), actor.ref.mailbox
    reason = f"{type(actor).__name__} has no handler for {type(message).__name__}"
    if envelope.reply is None:
        mailbox.bury(message, reason)
    envelope.fail(AskFailed(mailbox.name, reason))
    return DeferredReply(envelope)


def awaited(item: Item, now: float) -> bool:
    """Return False if the item is an ask whose sender no longer waits for the reply."""
    if not isinstance(item, Envelope) or item.reply is None:
        return True
    return not item.reply.done() and item.deadline > now


def _result(task: "asyncio.Task[Any]", wanted: int) -> tuple[Any, BaseException | None]:
    """Return the replies of a batch's task, or its error."""
    if task.cancelled():
        return (), asyncio.CancelledError()
    error = task.exception()
    if error is not None:
        return (), error
    values = task.result()
    if len(values) != wanted:
        return (), ValueError(f"{len(values)} replies to {wanted} messages")
    return values, None


NOBODY: Handler = (refuse, 0, 0)


@attrs.frozen(eq=False)
class RunningBatch:
    """A batch that is handled in a task, so that another can begin beside it."""

    items: list[Item]
    task: "asyncio.Task[Any]"
    begun: float


class Instance:
    """Runs an actor.

    Before each message, the instance checks four lanes in this order: kill (the task is cancelled),
    stop, death notices, messages.
    """

    __slots__ = (
        "actor",
        "at_work",
        "batch",
        "clock",
        "current",
        "downs",
        "ended",
        "failure",
        "gauge",
        "killed",
        "latest_end",
        "loop",
        "mailbox",
        "running",
        "shared",
        "signalled",
        "started",
        "stop_within",
        "stopping",
        "table",
        "timers",
        "watching",
    )

    def __init__(
        self,
        actor: Actor[Any],
        ref: Ref[Any],
        gauge: Gauge,
        shared: SharedState,
        stop_within: float,
    ) -> None:
        self.actor = actor
        self.table = fail_point.with_fail_points(ref.name, actor.__handlers__)
        self.mailbox: Mailbox = ref.mailbox
        self.gauge = gauge
        self.shared = shared
        self.stop_within = stop_within
        self.loop = asyncio.get_running_loop()
        self.started: asyncio.Future[None] = self.loop.create_future()
        self.clock = clock_of(self.loop)
        self.current: Item | None = None  # the single message that is being handled
        self.batch: list[Item] = []  # the messages that are being handled as a batch
        self.running: list[RunningBatch] = []  # at most two, the older first
        self.failure: BaseException | None = None  # of a running batch
        self.latest_end = 0.0  # of a running batch
        self.killed = self.stopping = self.signalled = False
        self.ended = False  # a handler that goes on can begin nothing more
        self.downs: list[Down] = []  # at most one notice per watched address
        self.watching: dict[Ref[Any], None] = {}
        self.timers: dict[Timer, None] = {}
        self.at_work: set[asyncio.Task[None]] = set()  # background tasks
        actor.ref = ref
        actor.__instance__ = self

    # -- lanes

    def request_stop(self) -> None:
        """Let the instance end after the current message (stop lane)."""
        self.stopping = self.signalled = True
        self.mailbox.wake()

    def kill(self) -> None:
        """Let the instance end now (kill lane); the caller must also cancel ``live``."""
        self.killed = self.signalled = True

    def abandon(self) -> None:
        """End the instance except for its handler, which has survived the kill."""
        self.fail_askers(KILLED)
        self._release()

    def notify(self, down: Down) -> None:
        """Deliver a death notice in a separate lane, so that a full mailbox cannot delay the
        notice.
        """
        self.watching.pop(down.ref, None)
        self.downs.append(down)
        self.signalled = True
        self.mailbox.wake()

    # -- called by actors

    def one_in_hand(self) -> Envelope:
        """Return the message that is being handled.

        Raises RuntimeError in a batch, and in ``started`` and ``stopped``.
        """
        item = self.current
        if item is None:
            raise RuntimeError("no single message is being handled")
        return item if isinstance(item, Envelope) else Envelope(item, None, 0.0)

    @property
    def is_handling(self) -> bool:
        """True while a message or a batch is being handled."""
        return self.current is not None or bool(self.batch) or bool(self.running)

    def forward(self, ref: Ref[Any], message: Message[Any, Any]) -> DeferredReply[Any]:
        """Put a message into another mailbox, with the sender and deadline of the current
        message.
        """
        asked = self.one_in_hand()
        if asked.reply is None:
            ref.tell(message)
        elif not ref.mailbox.ask(Envelope(message, asked.reply, asked.deadline)):
            asked.fail(ref.mailbox.refusal())
        return DeferredReply(asked)

    def after(self, seconds: float, message: Message[Any, Any], jitter: float) -> Timer:
        """Start a timer that ends with this instance."""
        delay = seconds * (1.0 + jitter * self.shared.uniform()) if jitter else seconds
        timer = Timer(self.mailbox, self.timers, delay, Reminder(message, self))
        if self.ended:
            timer.cancel()
        return timer

    def background(
        self,
        work: Callable[[], Awaitable[Message[Any, Any]]],
        within: float,
        otherwise: Message[Any, Any],
    ) -> None:
        """Start a task that ends with this instance and sends its result to the actor."""
        if self.ended:
            return
        name = f"{self.mailbox.name}, in the background"
        task = self.loop.create_task(self._work(work, within, otherwise), name=name)
        self.at_work.add(task)
        task.add_done_callback(self.at_work.discard)

    async def _work(
        self,
        work: Callable[[], Awaitable[Message[Any, Any]]],
        within: float,
        otherwise: Message[Any, Any],
    ) -> None:
        task = asyncio.current_task()
        assert task is not None, "background work runs in a task"
        message = otherwise
        try:
            async with asyncio.timeout(within):
                message = await work()
        except TimeoutError:
            log.info("%s: not done within %s s", task.get_name(), within)
        except asyncio.CancelledError:
            if task.cancelling():
                raise
            log.warning("%s: a future that it awaited was cancelled", task.get_name())
        except Exception as error:
            log.exception("%s: %s", task.get_name(), type(error).__name__)
        if task in self.at_work:  # False once the instance has ended
            self.mailbox.remind(Reminder(message, self))

    def watch(self, ref: Ref[Any]) -> None:
        """Deliver a notice to the actor when ``ref`` is down; a second watch has no effect."""
        if Down not in self.table:
            raise TypeError(f"{type(self.actor).__name__} watches but has no handler for Down")
        if self.ended or any(down.ref is ref for down in self.downs):
            return
        if ref.mailbox.closed is not None:
            self.notify(Down(ref, ref.mailbox.closed))
            return
        self.watching[ref] = None
        ref.mailbox.watchers[self] = lambda reason: self.notify(Down(ref, reason))

    # -- lifecycle

    async def live(self) -> Exit:
        """Run the actor from ``started`` to ``stopped``, and return how it ended.

        Raises CancelledError only when the event loop is torn down.
        """
        torn_down: asyncio.CancelledError | None = None
        try:
            await self.actor.started()
            if self.gauge.state is State.STARTING and not self.killed:
                self.gauge.state = State.RUNNING
            self.started.set_result(None)
            await self._serve()
            end = STOPPED
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self.killed:
                end = KILLED
            elif task is not None and task.cancelling():
                torn_down, end = error, KILLED
            else:  # the handler waited for something that was cancelled
                end = crash(error, self._where())
        except Exception as error:
            end = crash(error, self._where(), detail=not self.started.done())
        await self._cancel_batches()
        self.fail_askers(end)
        if not self.killed and torn_down is None:
            end = await self._farewell(end)
        self._release()
        if torn_down is not None:
            raise torn_down
        return end

    async def _serve(self) -> None:
        mailbox = self.mailbox
        while True:
            while self.signalled:
                await self._end_running()
                if self.killed or self.stopping:
                    return
                await self._handle_down()
            if self.failure is not None:
                await self._end_running()
            wanted = self._wanted() if self.running else 0
            if len(mailbox.items) > wanted:
                if await self._turn():
                    await asyncio.sleep(0)
            else:
                mailbox.waiter = self.loop.create_future()
                mailbox.wanted = wanted
                await mailbox.waiter

    def _wanted(self) -> int:
        """Return how many queued messages must be exceeded before a batch begins beside another."""
        items, kind = self.mailbox.items, type(message_of(self.running[0].items[0]))
        if len(self.running) > 1 or (items and type(message_of(items[0])) is not kind):
            return sys.maxsize  # until a running batch has ended
        return self.table[kind][2] - 1

    async def _handle_down(self) -> None:
        down = self.downs.pop(0)
        self.signalled = bool(self.downs)
        self.current = down
        method = self.table[Down][0]
        await method(self.actor, down)
        self.current = None

    async def _turn(self) -> bool:
        """Handle messages until at least 64 are done; return True if others wait for the next
        turn.
        """
        mailbox, items, table, actor = self.mailbox, self.mailbox.items, self.table, self.actor
        clock, gauge, samples = self.clock, self.gauge, self.gauge.samples
        latest = mailbox.latest
        left = TURN
        before = clock()
        while items and not self.signalled:
            if left <= 0:
                return True
            if self.running and len(items) <= self._wanted():
                return False
            item = items.popleft()
            if latest or mailbox.room:
                mailbox.taken(item)
            message: Any = item
            reply = None
            # most messages are tells, which are queued without an envelope
            handler = table.get(type(message))
            if handler is None:
                if isinstance(item, Envelope):
                    message, reply = item.message, item.reply
                    if reply is not None and (reply.done() or item.deadline <= before):
                        continue  # the sender no longer waits
                handler = table.get(type(message), NOBODY)
            method, limit, overlap = handler
            if overlap and (self.running or len(items) + 1 >= 2 * overlap):
                self._begin_batch(item, method, limit, overlap)
                return True
            if limit:
                left -= await self._run_batch(item, method, limit, before)
            else:
                left -= 1
                self.current = item
                value = await method(actor, message)
                self.current = None
                if reply is not None and type(value) is not DeferredReply and not reply.done():
                    reply.set_result(value)
            after = clock()
            samples[gauge.runs & LAST_SAMPLE] = seconds = after - before
            gauge.runs += 1
            gauge.busy += seconds
            before = after
        return False

    async def _run_batch(self, first: Item, method: Any, limit: int, now: float) -> int:
        more = self.mailbox.take_more(type(message_of(first)), limit - 1)
        self.batch = batch = [first, *(item for item in more if awaited(item, now))]
        values = await method(self.actor, [message_of(item) for item in batch])
        if len(values) != len(batch):
            raise ValueError(f"{len(values)} replies to {len(batch)} messages")
        self.batch = []
        for item, value in zip(batch, values, strict=True):
            if isinstance(item, Envelope):
                item.answer(value)
        self.gauge.batched += len(batch) - 1
        return len(batch)

    # -- batches that overlap

    def _begin_batch(self, first: Item, method: Any, limit: int, overlap: int) -> None:
        """Handle about half of the messages that wait or are in hand, so that two batches of the
        same size take turns.
        """
        now, in_hand = self.clock(), sum(len(each.items) for each in self.running)
        half = (in_hand + 1 + len(self.mailbox.items)) // 2
        more = self.mailbox.take_more(type(message_of(first)), min(limit, max(half, overlap)) - 1)
        batch = [first, *(item for item in more if awaited(item, now))]
        messages = [message_of(item) for item in batch]
        name = f"{self.mailbox.name}, a batch"
        task = self.loop.create_task(method(self.actor, messages), name=name)
        self.running.append(RunningBatch(batch, task, now))
        task.add_done_callback(self._end_batch)

    def _end_batch(self, task: "asyncio.Task[Any]") -> None:
        """Answer the askers of a batch; after a failure, cancel the batch that began later."""
        batch = next((each for each in self.running if each.task is task), None)
        if batch is None:  # the instance has ended
            return
        values, error = _result(task, len(batch.items))
        if error is not None:
            self.failure = self.failure or error
            for later in self.running[self.running.index(batch) + 1 :]:
                later.task.cancel()
        else:
            self.running.remove(batch)
            for item, value in zip(batch.items, values, strict=True):
                if isinstance(item, Envelope):
                    item.answer(value)
            self._note_end(batch)
        self.mailbox.wake()

    def _note_end(self, batch: RunningBatch) -> None:
        gauge, now = self.gauge, self.clock()
        seconds = now - max(batch.begun, self.latest_end)  # time that overlaps counts once
        gauge.samples[gauge.runs & LAST_SAMPLE] = seconds
        gauge.runs += 1
        gauge.busy += seconds
        gauge.batched += len(batch.items) - 1
        self.latest_end = now

    async def _end_running(self) -> None:
        """Wait until no batch is running. Raises the error of a batch that failed."""
        tasks = [each.task for each in self.running if not each.task.done()]
        if tasks:
            await asyncio.wait(tasks)
        if self.failure is not None:
            raise self.failure

    async def _cancel_batches(self) -> None:
        tasks = [each.task for each in self.running if not each.task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # -- the end

    def _where(self) -> str:
        actor = type(self.actor).__name__
        if not self.started.done():
            return f"{actor}.started"
        batch = self.running[0].items if self.running else self.batch
        in_hand = batch[:1] if self.current is None else [self.current]
        if not in_hand:
            return actor
        method = self.table[type(message_of(in_hand[0]))][0]
        return f"{actor}.{getattr(method, '__name__', 'handler')}"

    def fail_askers(self, end: Exit) -> None:
        """Fail the asks that are being handled; queued messages stay in the mailbox."""
        running = [item for each in self.running for item in each.items]
        for item in (*running, *self.batch, self.current):
            if isinstance(item, Envelope):
                item.fail(ActorCrashed(self.mailbox.name, end.reason))
        self.current, self.batch, self.running = None, [], []

    async def _farewell(self, end: Exit) -> Exit:
        where = f"{type(self.actor).__name__}.stopped"
        try:
            async with asyncio.timeout(self.stop_within):
                await self.actor.stopped()
        except asyncio.CancelledError:
            return KILLED
        except Exception as error:
            if end.normal:
                return crash(error, where)
            log.warning("%s failed after a crash", where, exc_info=error)
        return end

    def _release(self) -> None:
        self.ended = True
        for timer in list(self.timers):
            timer.cancel()
        tasks, self.at_work = self.at_work, set()
        for task in tasks:
            task.cancel()
        for ref in self.watching:
            ref.mailbox.watchers.pop(self, None)
        items = self.mailbox.items
        own = [item for item in items if isinstance(item, Reminder) and item.owner is self]
        for reminder in own:
            items.remove(reminder)
        self.mailbox.make_room()
