"""One life of an actor, from ``started`` to ``stopped``: its lanes, timers and watches."""

import asyncio
import logging
from typing import Any

from actors.kernel.actor import Actor
from actors.kernel.down import Down
from actors.kernel.envelope import Envelope, Reminder
from actors.kernel.exit import KILLED, STOPPED, Exit, crash
from actors.kernel.failure import ActorCrashed, AskFailed
from actors.kernel.later import Later
from actors.kernel.mailbox import Mailbox
from actors.kernel.message import Message
from actors.kernel.ref import Ref
from actors.kernel.statistics import Gauge, State
from actors.kernel.system import System
from actors.kernel.timer import Timer

TURN = 64  # messages in one go before other tasks get the loop
log = logging.getLogger(__name__)


class Instance:
    """Runs an actor. Four lanes, looked at in this order before each message:

    kill (the task is cancelled), stop, death notices, messages.
    """

    __slots__ = (
        "actor",
        "downs",
        "gauge",
        "in_batch",
        "in_hand",
        "killed",
        "loop",
        "mailbox",
        "signalled",
        "started",
        "stop_within",
        "stopping",
        "system",
        "table",
        "timers",
        "watching",
    )

    def __init__(
        self, actor: Actor[Any], ref: Ref[Any], gauge: Gauge, system: System, stop_within: float
    ) -> None:
        self.actor = actor
        self.table = actor.__handlers__
        self.mailbox: Mailbox = ref.mailbox
        self.gauge = gauge
        self.system = system
        self.stop_within = stop_within
        self.loop = asyncio.get_running_loop()
        self.started: asyncio.Future[None] = self.loop.create_future()
        self.in_hand: list[Envelope] = []
        self.in_batch = self.killed = self.stopping = self.signalled = False
        self.downs: list[Down] = []  # one per watched address at most
        self.watching: dict[Ref[Any], None] = {}
        self.timers: dict[Timer, None] = {}
        actor.ref = ref
        actor.__instance__ = self

    # -- lanes

    def request_stop(self) -> None:
        """Stop lane: end after the message in hand."""
        self.stopping = self.signalled = True
        self.mailbox.wake()

    def kill(self) -> None:
        """Kill lane: end now; ``live`` must be cancelled beside this."""
        self.killed = self.signalled = True

    def notify(self, down: Down) -> None:
        """Down lane: a death notice that no full mailbox can hold up."""
        self.watching.pop(down.ref, None)
        self.downs.append(down)
        self.signalled = True
        self.mailbox.wake()

    # -- what actors call

    def one_in_hand(self) -> Envelope:
        """The message in hand; RuntimeError in a batch or a hook, where there is not one."""
        if self.in_batch or len(self.in_hand) != 1:
            raise RuntimeError("no single message in hand")
        return self.in_hand[0]

    def forward(self, ref: Ref[Any], message: Message[Any, Any]) -> Later[Any]:
        """Put a message in another mailbox with the asker and deadline of the one in hand."""
        asked = self.one_in_hand()
        if asked.reply is None:
            ref.tell(message)
        elif not ref.mailbox.put(Envelope(message, asked.reply, asked.deadline)):
            asked.fail(ref.mailbox.refusal())
        return Later(asked)

    def after(self, seconds: float, message: Message[Any, Any], jitter: float) -> Timer:
        """Start a timer that ends with this instance."""
        delay = seconds * (1.0 + jitter * self.system.uniform()) if jitter else seconds
        timer = Timer(self, delay, Reminder(message, self))
        self.timers[timer] = None
        return timer

    def watch(self, ref: Ref[Any]) -> None:
        """Notice the end of ``ref``; watching twice is watching once."""
        if Down not in self.table:
            raise TypeError(f"{type(self.actor).__name__} watches but has no handler for Down")
        if any(down.ref is ref for down in self.downs):
            return
        if ref.mailbox.closed is not None:
            self.notify(Down(ref, ref.mailbox.closed))
            return
        self.watching[ref] = None
        ref.mailbox.watchers[self] = lambda reason: self.notify(Down(ref, reason))

    # -- its life

    async def live(self) -> Exit:
        """Run to the end and say how it ended; raises only when the loop itself is torn down."""
        torn_down: asyncio.CancelledError | None = None
        try:
            await self.actor.started()
            if self.gauge.state is State.STARTING:
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
            else:  # the handler awaited something that was cancelled
                end = crash(error, self._where())
        except Exception as error:
            end = crash(error, self._where(), detail=not self.started.done())
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
                if self.killed or self.stopping:
                    return
                await self._handle_down()
            if mailbox.items:
                if await self._turn():
                    await asyncio.sleep(0)
            else:
                mailbox.waiter = self.loop.create_future()
                await mailbox.waiter

    async def _handle_down(self) -> None:
        down = self.downs.pop(0)
        self.signalled = bool(self.downs)
        self.in_hand = [Envelope(down, None, 0.0)]
        method, _ = self.table[Down]
        await method(self.actor, down)
        self.in_hand = []

    async def _turn(self) -> bool:
        """Handle up to 64 messages; True when it stopped for the sake of others."""
        mailbox, items, table, actor = self.mailbox, self.mailbox.items, self.table, self.actor
        clock, gauge = self.loop.time, self.gauge
        left = TURN
        before = clock()
        while items and not self.signalled:
            if left <= 0:
                return True
            envelope = items.popleft()
            if mailbox.latest or mailbox.room:
                mailbox.taken(envelope)
            message, reply = envelope.message, envelope.reply
            if reply is not None and (reply.done() or envelope.deadline <= before):
                continue  # nobody waits for it any more
            method, limit = table.get(type(message), (None, 0))
            if method is None:
                self._refuse(envelope)
                continue
            if limit:
                handled = await self._batch(envelope, method, limit, before)
            else:
                handled = 1
                self.in_hand = [envelope]
                value = await method(actor, message)
                if reply is not None and type(value) is not Later and not reply.done():
                    reply.set_result(value)
            self.in_hand = []
            left -= handled
            after = clock()
            gauge.add(handled, after - before)
            before = after
        return False

    async def _batch(self, first: Envelope, method: Any, limit: int, now: float) -> int:
        batch = [first]
        for envelope in self.mailbox.take_more(type(first.message), limit - 1):
            reply = envelope.reply
            if reply is None or not (reply.done() or envelope.deadline <= now):
                batch.append(envelope)
        self.in_hand, self.in_batch = batch, True
        values = await method(self.actor, [envelope.message for envelope in batch])
        if len(values) != len(batch):
            raise ValueError(f"{len(values)} replies to {len(batch)} messages")
        for envelope, value in zip(batch, values, strict=True):
            envelope.answer(value)
        self.in_batch = False
        return len(batch)

    def _refuse(self, envelope: Envelope) -> None:
        kind = type(envelope.message).__name__
        reason = f"{type(self.actor).__name__} has no handler for {kind}"
        if envelope.reply is None:
            self.mailbox.bury(envelope.message, reason)
        envelope.fail(AskFailed(self.mailbox.name, reason))

    # -- its end

    def _where(self) -> str:
        actor = type(self.actor).__name__
        if not self.started.done():
            return f"{actor}.started"
        if not self.in_hand:
            return actor
        method, _ = self.table[type(self.in_hand[0].message)]
        return f"{actor}.{getattr(method, '__name__', 'handler')}"

    def fail_askers(self, end: Exit) -> None:
        """Tell whoever asked for the message, or the batch, in hand; the queued ones stay."""
        for envelope in self.in_hand:
            envelope.fail(ActorCrashed(self.mailbox.name, end.reason))
        self.in_hand = []

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
        for timer in list(self.timers):
            timer.cancel()
        for ref in self.watching:
            ref.mailbox.watchers.pop(self, None)
        own = [e for e in self.mailbox.items if type(e) is Reminder and e.owner is self]
        for reminder in own:
            self.mailbox.items.remove(reminder)
