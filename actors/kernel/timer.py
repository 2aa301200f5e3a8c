"""Timers: messages to oneself."""

import asyncio
from typing import TYPE_CHECKING

from actors.kernel.envelope import Reminder

if TYPE_CHECKING:
    from actors.kernel.instance import Instance


class Timer:
    """A message that its actor will receive unless it is cancelled, or the instance ends, first."""

    __slots__ = ("_handle", "_instance", "_reminder")

    def __init__(self, instance: "Instance", seconds: float, reminder: Reminder) -> None:
        self._instance = instance
        self._reminder = reminder
        self._handle: asyncio.TimerHandle | None
        self._handle = asyncio.get_running_loop().call_later(seconds, self._fire)

    def cancel(self) -> None:
        """After this the message does not arrive, even if it was queued already."""
        self._instance.timers.pop(self, None)
        if self._handle is not None:
            self._handle.cancel()
        elif self._reminder in self._instance.mailbox.items:
            self._instance.mailbox.items.remove(self._reminder)
            self._instance.mailbox.make_room()

    def _fire(self) -> None:
        self._handle = None
        self._instance.timers.pop(self, None)
        self._instance.mailbox.remind(self._reminder)
