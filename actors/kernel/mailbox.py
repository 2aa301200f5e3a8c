"""The mailbox: a bounded queue that belongs to the address and survives the actor's restarts."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

import attrs

from actors.kernel.dead_letter import DeadLetter, DeadLetters
from actors.kernel.envelope import Envelope, Item, Reminder, message_of
from actors.kernel.errors import ActorStopped, AskFailed, MailboxFull
from actors.kernel.message import Message, Overflow


class Mailbox:
    """Bounded queue of an actor's messages.

    ``closed``: why the address is down for good; None until then. A closed mailbox has the capacity
    0, so that sending needs only one comparison. ``wanted``: a message wakes the waiting instance
    if it finds at least this many queued.
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
        "wanted",
        "watchers",
    )

    def __init__(self, name: str, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("a mailbox needs room for at least one message")
        self.name = name
        self.capacity = capacity
        self.closed: str | None = None
        self.items: deque[Item] = deque()
        self.peak = 0
        self.waiter: asyncio.Future[None] | None = None
        self.wanted = 0
        # Queued ``tell`` messages that a newer message may replace, by kind and key.
        self.latest: dict[tuple[type, Hashable], Envelope] = {}
        self.room: deque[asyncio.Future[None]] | None = None  # senders that wait in ``offer``
        self.watchers: dict[Hashable, Callable[[str], None]] = {}
        self.lost = 0
        self.dead_letters: DeadLetters | None = None

    def tell(self, message: Message[Any, Any]) -> bool:
        """Queue a message according to its overflow policy; False if the message is refused.

        ``Ref.tell`` queues ordinary messages without this call.
        """
        if message.overflow is Overflow.COALESCE:
            return self._coalesce(message)
        capacity = self.offered if message.overflow is Overflow.AWAIT_ROOM else self.capacity
        if len(self.items) >= capacity and not self._drop_oldest(message):
            return False
        self._append(message)
        return True

    @property
    def offered(self) -> int:
        """The depth up to which ``Ref.offer`` fills the mailbox: an eighth of its capacity.

        The rest of the mailbox is left to messages that are not offered.
        """
        return (self.capacity + 7) // 8

    def _coalesce(self, message: Message[Any, Any]) -> bool:
        key = (type(message), message.coalesce_key())
        queued = self.latest.get(key)
        if queued is not None:
            queued.message = message
            return True
        if len(self.items) >= self.capacity:
            return False
        # The message gets an envelope, in which a newer message can replace it.
        self.latest[key] = envelope = Envelope(message, None, 0.0)
        self._append(envelope)
        return True

    def _drop_oldest(self, message: Message[Any, Any]) -> bool:
        """Make room for ``message`` by dropping the oldest queued ``tell`` of its class.

        False if the policy of the message is not DROP_OLDEST, or no such ``tell`` is queued.
        """
        if message.overflow is not Overflow.DROP_OLDEST or self.closed is not None:
            return False
        for position, queued in enumerate(self.items):
            if isinstance(queued, Message) and type(queued) is type(message):
                del self.items[position]
                self.bury(queued, "replaced by a newer one")
                return True
        return False

    def ask(self, envelope: Envelope) -> bool:
        """Queue a message whose sender waits for a reply; False if there is no room."""
        items = self.items
        depth = len(items)
        if depth >= self.capacity and not self._drop_oldest(envelope.message):
            return False
        items.append(envelope)
        if depth >= self.peak:
            self.peak = depth + 1
        if self.waiter is not None and depth >= self.wanted:
            self.wake()
        return True

    def remind(self, reminder: Reminder) -> None:
        """Queue a message of a timer or of background work, even if the mailbox is full.

        A refusal would end periodic timers, as handlers start the next timer themselves.
        """
        self._append(reminder)

    def _append(self, item: Item) -> None:
        self.items.append(item)
        self.peak = max(self.peak, len(self.items))
        self.wake()

    def wake(self) -> None:
        """Wake the instance, so that it checks its lanes."""
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def taken(self, item: Item) -> None:
        """Update ``latest`` and ``room`` after an item was taken out of ``items``."""
        message = message_of(item)
        if message.overflow is Overflow.COALESCE:
            key = (type(message), message.coalesce_key())
            if self.latest.get(key) is item:
                del self.latest[key]
        if self.room:
            self.make_room()

    def take_more(self, kind: type, limit: int) -> list[Item]:
        """Take up to ``limit`` messages of one kind from anywhere in the queue."""
        batch: list[Item] = []
        others: list[Item] = []
        while self.items and len(batch) < limit:
            item = self.items.popleft()
            if type(message_of(item)) is not kind:
                others.append(item)
                continue
            if self.latest or self.room:
                self.taken(item)
            batch.append(item)
        self.items.extendleft(reversed(others))
        return batch

    def make_room(self) -> None:
        """Wake the sender that has waited longest in ``offer``."""
        while self.room and len(self.items) < self.offered:
            waiting = self.room.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return

    async def wait_for_room(self, *, again: bool) -> None:
        """Wait until the mailbox has room for an offer.

        ``again``: the sender was woken but found no room, so it waits at the head of the line.
        """
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
            if self.room and waiting in self.room:
                self.room.remove(waiting)
            else:  # the sender was woken for room that it does not use, so wake the next one
                self.make_room()
            raise

    def bury(self, message: Message[Any, Any], reason: str) -> None:
        """Count a ``tell`` that was not handled, and keep it as a dead letter."""
        self.lost += 1
        if self.dead_letters is not None:
            letter = DeadLetter(type(message).__name__, self.name, reason)
            self.dead_letters.add(attrs.evolve(letter, again=lambda: self.tell(message)))

    def refusal(self) -> AskFailed:
        """Return the reason why ``tell`` or ``ask`` refused."""
        if self.closed is not None:
            return ActorStopped(self.name, self.closed)
        return MailboxFull(self.name, f"mailbox full ({self.capacity})")

    def close(self, reason: str) -> None:
        """Close the mailbox for good, once: asks fail, tells become dead letters, watchers are
        notified.
        """
        if self.closed is not None:
            return
        self.closed = reason
        self.capacity = 0
        queued = list(self.items)
        self.items.clear()
        self.latest.clear()
        for item in queued:
            if isinstance(item, Envelope) and item.reply is not None:
                item.fail(ActorStopped(self.name, reason))
            elif not isinstance(item, Reminder):
                self.bury(message_of(item), reason)
        room, self.room = self.room, None
        for waiting in room or ():
            if not waiting.done():
                waiting.set_result(None)
        watchers, self.watchers = self.watchers, {}
        for notify in watchers.values():
            notify(reason)
