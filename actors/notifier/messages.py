"""What the Notifier is told and asked. All of it is hints: the truth is in the database."""

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import ClassVar
from uuid import UUID

import attrs

from actors.kernel import Message, Overflow
from actors.ledger.messages import UnitState
from actors.notifier.log_tails import LogLine as LogLine  # noqa: PLC0414 - part of what this module offers
from actors.scheduler.messages import Hint


class Notifier:
    """Marker: the address of the notifier actor."""


@attrs.frozen
class UnitsMoved(Message[Notifier, None]):
    """From the Scheduler, NodeSessions and the Lifeline: units changed their state."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST

    units: tuple[UnitState, ...]


@attrs.frozen
class Paused(Message[Notifier, None]):
    """From the web: its owner paused a job. The Schedulers of all gateways are to know at once."""

    job: UUID


@attrs.frozen
class ToOthers(Message[Notifier, None]):
    """From the Scheduler: for the Schedulers of all other gateways."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST

    hint: Hint


@attrs.frozen
class Progress(Message[Notifier, None]):
    """From a NodeSession: how far a unit is (0 to 1). Only the newest matters."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    job: UUID
    unit: int
    attempt: int
    value: float
    detail: str = ""

    def coalesce_key(self) -> Hashable:
        return (self.job, self.unit)


@attrs.frozen
class Publish(Message[Notifier, None]):
    """Its own timer: tell the other gateways how far units are."""


@attrs.frozen
class ProgressOf(Message[Notifier, "Progress | None"]):
    """From the web: the newest progress of a job, if any was reported since the start."""

    job: UUID


@attrs.frozen
class ProgressOfUnits(Message[Notifier, "tuple[Progress, ...]"]):
    """From the web: the newest progress of each unit of a job that is at work, by attempts."""

    job: UUID


@attrs.frozen
class UnitLogLines(Message[Notifier, None]):
    """From a NodeSession: lines of a unit's log, or more about why it failed."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST

    job: UUID
    unit: int
    attempt: int
    text: str = attrs.field(repr=False)


@attrs.frozen
class AskOthers(Message[Notifier, None]):
    """Its own timer: what was said before it began, other gateways may know."""


@attrs.frozen
class AnnounceGateway(Message[Notifier, None]):
    """Its own timer: tell the other gateways that this one is there."""


@attrs.frozen
class TellOthers(Message[Notifier, None]):
    """Its own timer: tell the other gateways what was said here."""


@attrs.frozen
class LogHintReceived(Message[Notifier, None]):
    """From the bus: what another gateway tells of what was said there, or asks."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST

    payload: bytes = attrs.field(repr=False)


@attrs.frozen
class TailOf(Message[Notifier, "tuple[LogLine, ...]"]):
    """From the web: the last lines of a job's log, oldest first, as far as they are remembered."""

    job: UUID


class Feed:
    """What a subscriber reads: what happened to one job, the oldest dropped when it reads slowly.

    Held by the subscriber; the Notifier writes into it for as long as it is open.
    """

    def __init__(self, *, most: int = 64) -> None:
        self._items: deque[Progress | UnitState] = deque(maxlen=most)
        self._filled = asyncio.Event()
        self.is_open = True

    def put(self, item: Progress | UnitState) -> None:
        """Add one."""
        self._items.append(item)
        self._filled.set()

    async def take(self, *, within: float) -> Progress | UnitState | None:
        """The oldest one; None when there is none ``within`` so many seconds."""
        if not self._items:
            self._filled.clear()
            try:
                async with asyncio.timeout(within):
                    await self._filled.wait()
            except TimeoutError:
                return None
        return self._items.popleft()

    def close(self) -> None:
        """Nobody reads it any more."""
        self.is_open = False


@attrs.frozen
class Subscribe(Message[Notifier, bool]):
    """From the web: write what happens to ``job`` into ``feed``; False when there are too many."""

    job: UUID
    feed: Feed
