"""Timers: messages that an actor sends to itself."""

import asyncio

from actors.kernel.envelope import Reminder
from actors.kernel.mailbox import Mailbox


class Timer:
    """A message that an actor receives later, unless the timer is cancelled or the instance ends.

    ``pending``: the timers of the actor's instance that have not fired.
    """

    __slots__ = ("_handle", "_mailbox", "_pending", "_reminder")

    def __init__(
        self, mailbox: Mailbox, pending: "dict[Timer, None]", seconds: float, reminder: Reminder
    ) -> None:
        self._mailbox = mailbox
        self._pending = pending
        self._reminder = reminder
        self._handle: asyncio.TimerHandle | None
        self._handle = asyncio.get_running_loop().call_later(seconds, self._fire)
        pending[self] = None

    def cancel(self) -> None:
        """Prevent delivery, even of a message that is already queued."""
        self._pending.pop(self, None)
        if self._handle is not None:
            self._handle.cancel()
        elif self._reminder in self._mailbox.items:
            self._mailbox.items.remove(self._reminder)
            self._mailbox.make_room()

    def _fire(self) -> None:
        self._handle = None
        self._pending.pop(self, None)
        self._mailbox.remind(self._reminder)
