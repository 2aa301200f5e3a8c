"""Addresses of actors, to which messages are sent."""

import asyncio
from typing import Any, Generic

from actors.kernel.deadlines import deadlines_of
from actors.kernel.envelope import Envelope
from actors.kernel.errors import ActorStopped
from actors.kernel.mailbox import Mailbox
from actors.kernel.message import Message, Overflow, R, To

CAPACITY = 1024
REJECT = Overflow.REJECT


class Ref(Generic[To]):
    """A stable address: it exists before its actor starts, and survives the actor's restarts.

    ``capacity`` is the limit of the mailbox, in messages. ``mailbox`` is private to the kernel.
    """

    __slots__ = ("__weakref__", "mailbox", "name")

    def __init__(self, name: str, *, capacity: int = CAPACITY) -> None:
        self.name = name
        self.mailbox = Mailbox(name, capacity)

    def __repr__(self) -> str:
        return f"Ref({self.name!r})"

    def tell(self, message: Message[To, Any]) -> bool:
        """Queue the message and return at once; False (and a dead letter) if it is refused."""
        mailbox = self.mailbox
        items = mailbox.items
        depth = len(items)
        if depth < mailbox.capacity and message.overflow is REJECT:  # the fast path
            items.append(message)
            if depth >= mailbox.peak:
                mailbox.peak = depth + 1
            if mailbox.waiter is not None and depth >= mailbox.wanted:
                mailbox.wake()
            return True
        if mailbox.tell(message):
            return True
        mailbox.bury(message, mailbox.refusal().reason)
        return False

    async def ask(self, message: Message[To, R], *, within: float) -> R:
        """Queue the message and wait for the reply, at most ``within`` seconds (and 50 ms).

        Raises ActorCrashed, MailboxFull, DeadlineExceeded or ActorStopped, all of them AskFailed.
        """
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[R] = loop.create_future()
        deadline = loop.time() + within
        mailbox = self.mailbox
        if not mailbox.ask(Envelope(message, reply, deadline)):
            raise mailbox.refusal()
        bucket = deadlines_of(loop).arm(reply, deadline, self.name)
        try:
            return await reply
        finally:
            bucket.pop(reply, None)

    async def offer(self, message: Message[To, Any]) -> None:
        """Queue the message, and wait for room in the mailbox if necessary.

        Readers of sockets use this: while they wait for room they read nothing, and TCP slows down
        the peer. Handlers must not use it, as they must not wait. Raises ActorStopped when the
        actor is down for good.
        """
        mailbox = self.mailbox
        again = False
        while not mailbox.tell(message):
            if mailbox.closed is not None:
                mailbox.bury(message, mailbox.closed)
                raise ActorStopped(self.name, mailbox.closed)
            await mailbox.wait_for_room(again=again)
            again = True

    async def down(self) -> str:
        """Wait until the actor is down for good, and return the reason.

        Code outside of actors uses this; actors use ``Actor.watch``.
        """
        mailbox = self.mailbox
        if mailbox.closed is not None:
            return mailbox.closed
        notice: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def notify(reason: str) -> None:
            if not notice.done():
                notice.set_result(reason)

        mailbox.watchers[notice] = notify
        try:
            return await notice
        finally:
            mailbox.watchers.pop(notice, None)

    @property
    def depth(self) -> int:
        """The number of queued messages."""
        return len(self.mailbox.items)
