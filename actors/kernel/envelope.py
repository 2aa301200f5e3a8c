"""What a mailbox holds: told messages as they are, and envelopes around the others."""

import asyncio
from typing import Any

from actors.kernel.failure import AskFailed
from actors.kernel.message import Message


class Envelope:
    """Around a message: the asker who waits for its reply, if any, and until when (loop time)."""

    __slots__ = ("deadline", "message", "reply")

    def __init__(
        self, message: Message[Any, Any], reply: "asyncio.Future[Any] | None", deadline: float
    ) -> None:
        self.message = message
        self.reply = reply
        self.deadline = deadline

    def answer(self, value: object) -> None:
        """Give the asker the reply; without effect when there is none or he has gone."""
        reply = self.reply
        if reply is not None and not reply.done():
            reply.set_result(value)

    def fail(self, error: AskFailed) -> None:
        """Tell the asker that no reply will come."""
        reply = self.reply
        if reply is not None and not reply.done():
            reply.set_exception(error)


class Reminder(Envelope):
    """The message of a timer: taken by a full mailbox too, gone with the instance that set it."""

    __slots__ = ("owner",)

    def __init__(self, message: Message[Any, Any], owner: object) -> None:
        super().__init__(message, None, 0.0)
        self.owner = owner


Item = Message[Any, Any] | Envelope


def message_of(item: Item) -> Message[Any, Any]:
    """The message, without its envelope."""
    return item.message if isinstance(item, Envelope) else item
