"""The EventHub actor: wakes the streams of users who follow a job when the job has a new event.

Hints of other actors can get lost, so the hub also polls the database once a second, with one query
for all followed jobs.
"""

from collections import Counter
from typing import Any, Final
from uuid import UUID

import orjson
from prometheus_client import Gauge

from actors.event_hub.messages import (
    Admission,
    EventHub,
    Follow,
    Follower,
    HintReceived,
    PollDue,
    Unfollow,
    UnitProgress,
)
from actors.kernel import Actor, handles
from actors.ports import Bus, Subscription
from sql.database import Unavailable
from sql.events import Events

LOOK_SECONDS: Final = 1.0  # interval of polls
FOLLOWERS_MAX: Final = 5_000  # streams at this gateway
JOBS, PROGRESS = "jobs", "progress"  # topics of the Notifier

FOLLOWERS: Final = Gauge("rendertrust_event_followers", "Event streams open at this gateway.")


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
        """Close all streams; their clients reconnect to this or another gateway."""
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
        self._of_user += Counter[UUID]()  # removes users who have no streams
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
        """Handle a hint from the bus that jobs changed; jobs without followers are ignored."""
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
