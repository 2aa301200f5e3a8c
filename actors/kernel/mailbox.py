"""The mailbox: a bounded queue that belongs to the address and survives the actor's restarts."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from actors.kernel.dead_letter import DeadLetter, DeadLetters
from actors.kernel.envelope import Envelope, Reminder
from actors.kernel.failure import ActorStopped, AskFailed, MailboxFull
from actors.kernel.message import Message, Overflow

REJECT = Overflow.REJECT


class Mailbox:
    """A deque and one waiter; ``put`` is the only way in, the instance of the actor takes out.

    ``closed`` holds the reason once the address is down for good; its capacity is 0 from then on,
    so that the way in needs one comparison only.
    """

    __slots__ = (
        "capacity",
        "closed",
        "dead_letters",
        "items",
        "latest",
        "lost",
        "name",
        "peak",
        "room",
        "waiter",
        "watchers",
    )

    def __init__(self, name: str, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("a mailbox needs room for one message at least")
        self.name = name
        self.capacity = capacity
        self.closed: str | None = None
        self.items: deque[Envelope] = deque()
        self.peak = 0
        self.waiter: asyncio.Future[None] | None = None
        # Told messages that a newer one may replace, by kind and key.
        self.latest: dict[tuple[type, Hashable], Envelope] = {}
        self.room: deque[asyncio.Future[None]] | None = None  # who waits in ``offer``
        self.watchers: dict[Hashable, Callable[[str], None]] = {}
        self.lost = 0
        self.dead_letters: DeadLetters | None = None

    def put(self, envelope: Envelope) -> bool:
        """Queue the envelope as its kind's overflow policy says; False when it is not taken."""
        items = self.items
        depth = len(items)
        if depth >= self.capacity or envelope.message.overflow is not REJECT:
            return self._put_by_policy(envelope)
        items.append(envelope)
        if depth >= self.peak:
            self.peak = depth + 1
        if self.waiter is not None:
            self.wake()
        return True

    def _put_by_policy(self, envelope: Envelope) -> bool:
        message = envelope.message
        coalesced = message.overflow is Overflow.COALESCE and envelope.reply is None
        if coalesced:
            queued = self.latest.get((type(message), message.coalesce_key()))
            if queued is not None:
                queued.message = message
                return True
        if len(self.items) >= self.capacity and not self._give_way(message):
            return False
        if coalesced:
            self.latest[type(message), message.coalesce_key()] = envelope
        self._append(envelope)
        return True

    def _give_way(self, message: Message[Any, Any]) -> bool:
        """Drop the oldest told message of the kind, if the kind wants that."""
        if message.overflow is not Overflow.DROP_OLDEST or self.closed is not None:
            return False
        for position, queued in enumerate(self.items):
            told = queued.reply is None and type(queued) is Envelope
            if told and type(queued.message) is type(message):
                del self.items[position]
                self.bury(queued.message, "dropped for a newer one")
                return True
        return False

    def remind(self, reminder: Reminder) -> None:
        """Queue a timer's message, full or not: one that is refused would end a chain of timers."""
        self._append(reminder)

    def _append(self, envelope: Envelope) -> None:
        self.items.append(envelope)
        self.peak = max(self.peak, len(self.items))
        self.wake()

    def wake(self) -> None:
        """Let the instance look at its lanes."""
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def taken(self, envelope: Envelope) -> None:
        """Keep the books after an envelope left ``items``; needed if ``latest`` or ``room``."""
        message = envelope.message
        if message.overflow is Overflow.COALESCE:
            key = (type(message), message.coalesce_key())
            if self.latest.get(key) is envelope:
                del self.latest[key]
        if self.room:
            self.make_room()

    def take_more(self, kind: type, limit: int) -> list[Envelope]:
        """Take up to ``limit`` living messages of one kind from wherever they are queued."""
        batch: list[Envelope] = []
        others: list[Envelope] = []
        while self.items and len(batch) < limit:
            envelope = self.items.popleft()
            if type(envelope.message) is not kind:
                others.append(envelope)
                continue
            if self.latest or self.room:
                self.taken(envelope)
            batch.append(envelope)
        self.items.extendleft(reversed(others))
        return batch

    def make_room(self) -> None:
        """Wake the one who has waited longest in ``offer``."""
        while self.room and len(self.items) < self.capacity:
            waiting = self.room.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return

    async def wait_for_room(self, *, again: bool) -> None:
        """Wait until there may be room; ``again`` keeps one's place at the head of the line."""
        waiting = asyncio.get_running_loop().create_future()
        if self.room is None:
            self.room = deque()
        if again:
            self.room.appendleft(waiting)
        else:
            self.room.append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting in self.room:
                self.room.remove(waiting)
            else:  # woken, but gone: the next one's turn
                self.make_room()
            raise

    def bury(self, message: Message[Any, Any], reason: str) -> None:
        """Count a told message that reached nobody."""
        self.lost += 1
        if self.dead_letters is not None:
            self.dead_letters.add(DeadLetter(type(message).__name__, self.name, reason))

    def refusal(self) -> AskFailed:
        """Why ``put`` said no."""
        if self.closed is not None:
            return ActorStopped(self.name, self.closed)
        return MailboxFull(self.name, f"mailbox full ({self.capacity})")

    def close(self, reason: str) -> None:
        """Down for good: asks fail, tells become dead letters, watchers are told; once."""
        if self.closed is not None:
            return
        self.closed = reason
        self.capacity = 0
        queued = list(self.items)
        self.items.clear()
        self.latest.clear()
        for envelope in queued:
            if envelope.reply is not None:
                envelope.fail(ActorStopped(self.name, reason))
            elif type(envelope) is Envelope:
                self.bury(envelope.message, reason)
        room, self.room = self.room, None
        for waiting in room or ():
            if not waiting.done():
                waiting.set_result(None)
        watchers, self.watchers = self.watchers, {}
        for notify in watchers.values():
            notify(reason)
