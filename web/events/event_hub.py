"""The event hub: wakes the streams that follow jobs when there is something to read.

The hints of other actors can get lost, so the hub also polls once a second, with one query for all
followers. Nothing is read for jobs without followers.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, ClassVar, Final
from uuid import UUID

import attrs
import orjson
from prometheus_client import Gauge

from actors.kernel import Actor, Message, Overflow, Ref, handles
from actors.ports import Bus
from actors.ports.bus import Subscription
from sql.database import Unavailable
from sql.events import Events
from supervisors.backoff import Backoff
from supervisors.child import Child
from supervisors.intensity import Intensity
from supervisors.registry import Registry
from supervisors.strategy import GiveUp, Strategy
from supervisors.supervisor import Supervisor
from web.gateway import Gateway

LOOK_SECONDS: Final = 1.0
FOLLOWERS_MAX: Final = 5_000
PROGRESS_MAX: Final = 256  # units of one job, for a reader that takes none of it
JOBS, PROGRESS = "jobs", "progress"  # topics of the Notifier

FOLLOWERS: Final = Gauge("rendertrust_event_followers", "Streams of events that are open here.")


class EventHub:
    """Marker: the address of the event hub."""


class Admission(Enum):
    """The reply to ``Follow``."""

    GIVEN = auto()
    OF_USER = auto()  # the user has as many streams as allowed
    NONE = auto()


@attrs.frozen
class UnitProgress:
    """A unit's newest progress, 0 to 1."""

    unit: int
    attempt: int
    progress: float


class Follower:
    """A stream's place in the hub, which wakes it; the stream reads events by itself.

    ``number`` is the newest event that it has read. Of a unit's progress only the newest is kept.
    """

    def __init__(self, job: UUID, user: UUID, number: int = 0) -> None:
        self.job, self.user, self.number = job, user, number
        self.is_open = True
        self._stirred = asyncio.Event()
        self._progress: dict[int, UnitProgress] = {}

    def stir(self) -> None:
        """Note that there is an event to read."""
        self._stirred.set()

    def put(self, progress: UnitProgress) -> None:
        """Note a unit's progress."""
        if progress.unit in self._progress or len(self._progress) < PROGRESS_MAX:
            self._progress[progress.unit] = progress
            self._stirred.set()

    async def take(self, *, within: float) -> Sequence[UnitProgress]:
        """Wait at most ``within`` seconds for something to read; return the progress, if any."""
        try:
            async with asyncio.timeout(within):
                await self._stirred.wait()
        except TimeoutError:
            return ()
        self._stirred.clear()
        taken, self._progress = tuple(self._progress.values()), {}
        return taken

    def close(self) -> None:
        """End it: the reader has left, or the hub has stopped."""
        self.is_open = False
        self._stirred.set()


@attrs.frozen
class Follow(Message[EventHub, Admission]):
    """From a stream: wake ``follower`` until it is closed."""

    follower: Follower
    of_user: int  # how many streams one user may have


@attrs.frozen
class Unfollow(Message[EventHub, None]):
    """From a stream: it has ended."""

    follower: Follower


@attrs.frozen
class HintReceived(Message[EventHub, None]):
    """From the bus, sent by all gateways' Notifiers: changed jobs, and units' progress."""

    overflow: ClassVar[Overflow] = Overflow.DROP_OLDEST

    moved: frozenset[UUID] = frozenset()
    progress: tuple[tuple[UUID, UnitProgress], ...] = ()


@attrs.frozen
class PollDue(Message[EventHub, None]):
    """From its own timer: look for events whose hint was lost."""


class EventHubActor(Actor[EventHub]):
    """Wakes followers; ``bus`` carries the hints of all gateways."""

    def __init__(self, bus: Bus, events: Events) -> None:
        self._bus, self._events = bus, events
        self._followers: dict[UUID, list[Follower]] = {}
        self._of_user = Counter[UUID]()
        self._subscriptions: list[Subscription] = []

    async def started(self) -> None:
        self._subscriptions = [
            self._bus.subscribe(JOBS, self._hear_moved),
            self._bus.subscribe(PROGRESS, self._hear_progress),
        ]
        self.after(LOOK_SECONDS, PollDue())

    async def stopped(self) -> None:
        """Close all streams; their readers reconnect, here or to another gateway."""
        for subscription in self._subscriptions:
            subscription.close()
        for follower in self._all():
            follower.close()
        FOLLOWERS.set(0)

    @handles(Follow)
    async def follow(self, message: Follow) -> Admission:
        follower = message.follower
        if self._of_user.total() >= FOLLOWERS_MAX:
            return Admission.NONE
        if self._of_user[follower.user] >= message.of_user:
            return Admission.OF_USER
        self._followers.setdefault(follower.job, []).append(follower)
        self._of_user[follower.user] += 1
        FOLLOWERS.set(self._of_user.total())
        return Admission.GIVEN

    @handles(Unfollow)
    async def left(self, message: Unfollow) -> None:
        follower = message.follower
        others = self._followers.get(follower.job, [])
        if follower not in others:
            return
        others.remove(follower)
        if not others:
            del self._followers[follower.job]
        self._of_user[follower.user] -= 1
        self._of_user += Counter[UUID]()  # drops users who have none
        FOLLOWERS.set(self._of_user.total())

    @handles(HintReceived)
    async def heard(self, message: HintReceived) -> None:
        for job in message.moved:
            for follower in self._followers.get(job, ()):
                follower.stir()
        for job, progress in message.progress:
            for follower in self._followers.get(job, ()):
                follower.put(progress)

    @handles(PollDue)
    async def look(self, _: PollDue) -> None:
        self.after(LOOK_SECONDS, PollDue(), jitter=0.1)
        if not self._followers:
            return
        try:
            newest = await self._events.newest(list(self._followers))
        except Unavailable:
            return  # the next poll finds the events
        for follower in self._all():
            if newest.get(follower.job, 0) > follower.number:
                follower.stir()

    def _all(self) -> list[Follower]:
        return [follower for followers in self._followers.values() for follower in followers]

    def _hear_moved(self, payload: bytes) -> None:
        """Handle a hint from the bus: those of jobs without followers end here."""
        moved = frozenset(UUID(told["job"]) for told in orjson.loads(payload))
        if not moved.isdisjoint(self._followers):
            self.ref.tell(HintReceived(moved & self._followers.keys()))

    def _hear_progress(self, payload: bytes) -> None:
        told = [(UUID(one["job"]), _how_far(one)) for one in orjson.loads(payload)]
        followed = tuple(pair for pair in told if pair[0] in self._followers)
        if followed:
            self.ref.tell(HintReceived(progress=followed))


def _how_far(told: dict[str, Any]) -> UnitProgress:
    return UnitProgress(told["unit"], told["attempt"], told["progress"])


def event_hub_child(gateway: Gateway, registry: Registry) -> Child:
    """The hub under its own supervisor: if it stays down, only streams of events fail."""
    ref = registry.register(EventHub, Ref[EventHub]("events", capacity=4_096))
    child = Child(
        "events", lambda: EventHubActor(gateway.ports.bus, gateway.tables.events), ref=ref
    )
    part = Supervisor(
        "Followers",
        Strategy.ONE_FOR_ONE,
        Intensity(5, 30),
        [child],
        backoff=Backoff(1, 60),
        give_up=GiveUp.STAY_DOWN,
    )
    return Child("Followers", part)
