"""Items of a mailbox: most messages of ``tell`` as they are, all other messages in envelopes."""

import asyncio
from typing import Any

from actors.kernel.errors import AskFailed
from actors.kernel.message import Message


class Envelope:
    """A message, its deadline (loop time), and the future of its sender if the sender waits for a
    reply.
    """

    __slots__ = ("deadline", "message", "reply")

    def __init__(
        self, message: Message[Any, Any], reply: "asyncio.Future[Any] | None", deadline: float
    ) -> None:
        self.message = message
        self.reply = reply
        self.deadline = deadline

    def answer(self, value: object) -> None:
        """Send the reply; no effect if no sender waits for a reply."""
        reply = self.reply
        if reply is not None and not reply.done():
            reply.set_result(value)

    def fail(self, error: AskFailed) -> None:
        """Let the sender's ``ask`` raise ``error``; no effect if no sender waits for a reply."""
        reply = self.reply
        if reply is not None and not reply.done():
            reply.set_exception(error)


class Reminder(Envelope):
    """Message of a timer or of background work, which even a full mailbox accepts.

    A reminder is dropped when the instance that requested it (``owner``) ends.
    """

    __slots__ = ("owner",)

    def __init__(self, message: Message[Any, Any], owner: object) -> None:
        super().__init__(message, None, 0.0)
        self.owner = owner


Item = Message[Any, Any] | Envelope


def message_of(item: Item) -> Message[Any, Any]:
    """Return the message without its envelope."""
    return item.message if isinstance(item, Envelope) else item
