"""Messages of the EventHub, and the object that it shares with a stream."""

import asyncio
from collections.abc import Sequence
from enum import Enum, auto
from typing import ClassVar, Final
from uuid import UUID

import attrs

from actors.kernel import Message, Overflow

PROGRESS_MAX: Final = 256  # units whose progress is kept for a stream that does not read


class EventHub:
    """Marker type for the address of the event hub."""


class Admission(Enum):
    """The reply to ``Follow``."""

    GIVEN = auto()
    OF_USER = auto()  # refused: the user has as many streams as allowed
    NONE = auto()  # refused: the gateway has as many streams as allowed


@attrs.frozen
class UnitProgress:
    """The newest progress of a unit, from 0 to 1."""

    unit: int
    attempt: int
    progress: float


class Follower:
    """Object that a stream and the hub share: the hub wakes the stream, which then reads events.

    ``number`` is the newest event that the stream has read. Only the newest progress of each unit
    is kept.
    """

    def __init__(self, job: UUID, user: UUID, number: int = 0) -> None:
        self.job, self.user, self.number = job, user, number
        self.is_open = True
        self._stirred = asyncio.Event()
        self._progress: dict[int, UnitProgress] = {}

    def stir(self) -> None:
        """Wake the stream, as the job has a new event."""
        self._stirred.set()

    def put(self, progress: UnitProgress) -> None:
        """Add a unit's progress, and wake the stream."""
        if progress.unit in self._progress or len(self._progress) < PROGRESS_MAX:
            self._progress[progress.unit] = progress
            self._stirred.set()

    async def take(self, *, within: float) -> Sequence[UnitProgress]:
        """Wait at most ``within`` seconds for an event or progress; return the progress, if any."""
        try:
            async with asyncio.timeout(within):
                await self._stirred.wait()
        except TimeoutError:
            return ()
        self._stirred.clear()
        taken, self._progress = tuple(self._progress.values()), {}
        return taken

    def close(self) -> None:
        """Close the follower, as its stream has ended or the hub has stopped."""
        self.is_open = False
        self._stirred.set()


@attrs.frozen
class Follow(Message[EventHub, Admission]):
    """From a stream: wake ``follower`` until the stream sends ``Unfollow``."""

    follower: Follower
    of_user: int  # how many streams one user may have


@attrs.frozen
class Unfollow(Message[EventHub, None]):
    """From a stream that has ended: no longer wake ``follower``."""

    follower: Follower


@attrs.frozen
class HintReceived(Message[EventHub, None]):
    """From the bus, sent by the Notifiers of all gateways: changed jobs, and units' progress."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST

    moved: frozenset[UUID] = frozenset()
    progress: tuple[tuple[UUID, UnitProgress], ...] = ()


@attrs.frozen
class PollDue(Message[EventHub, None]):
    """From the EventHub's own timer: look for events whose hint was lost."""
