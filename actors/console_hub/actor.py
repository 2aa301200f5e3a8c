"""The hub of the console: reads open pages again when their data change, and sends the changes.

While no page is open, only the farm's public figures are read. An event from the bus is only a
hint that data have changed. As pages are also read again periodically, a lost hint does no harm.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from actors.console_hub.messages import (
    ANYTHING,
    Fragment,
    Hub,
    ReadFarm,
    RefreshDue,
    SampleActors,
    TopicChanged,
    Watch,
)
from actors.console_hub.open_view import OpenView
from actors.kernel import Actor, AskFailed, Ref, handles
from actors.ports import Bus, Clock, Subscription
from sql.database import Unavailable

TICK_SECONDS: Final = 0.25  # interval of updates, as people cannot follow more than four a second
READ_SECONDS: Final = 2.0  # limit for reading a page
AWAY_SECONDS: Final = 1.0  # pause of a page after a failed reading
LOOK_SECONDS: Final = 1.0  # how often the database is probed
SAMPLE_SECONDS: Final = 2.0  # interval of samples for the charts
FARM_SECONDS: Final = 10.0  # interval of readings of the farm's public figures
BEAT_SECONDS: Final = 2.0  # how often viewers get a sign of life
WATCHERS_MAX: Final = 5_000
TOPICS: Final = ("jobs",)
GATEWAYS: Final = "gateways"  # topic of the gateways' announcements

log = structlog.get_logger("console")


class ChartSamples(Protocol):
    """Figures of actors over time, for the console's charts."""

    def sample(self) -> None:
        """Record the present figures of all actors."""
        ...


class GatewayList(Protocol):
    """The gateways of this installation, as known from their announcements on the bus."""

    def hello(self, url: str) -> bytes:
        """Return this gateway's announcement."""
        ...

    def hear(self, payload: bytes) -> None:
        """Record the announcement of a gateway."""
        ...


class HubActor(Actor[Hub]):
    """Reads and renders each open view once for all its viewers.

    ``charts`` and ``gateways`` outlive the actor. ``url`` is this gateway's address. ``probe``
    tests whether the database answers, so that pages that are rarely read are marked as outdated in
    time. ``read_farm`` reads the figures of the farm's first page; while it fails, the page shows
    the last ones.
    """

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        *,
        charts: ChartSamples,
        gateways: GatewayList,
        url: Callable[[], str],
        probe: Callable[[], Awaitable[bool]],
        read_farm: Callable[[], Awaitable[None]],
    ) -> None:
        self._bus, self._clock = bus, clock
        self._charts, self._gateways, self._url = charts, gateways, url
        self._probe, self._look_at, self._is_there = probe, -math.inf, True
        self._read_farm = read_farm
        self._views: dict[str, OpenView] = {}
        self._subscriptions: list[Subscription] = []
        self._is_ticking, self._beat_at = False, -math.inf

    async def started(self) -> None:
        self._subscriptions = [
            *(self._bus.subscribe(topic, _teller(self.ref, topic)) for topic in TOPICS),
            self._bus.subscribe(GATEWAYS, self._gateways.hear),
        ]
        self.after(SAMPLE_SECONDS, SampleActors())
        self.after(0.0, ReadFarm())

    async def stopped(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        for watched in self._views.values():
            self._end(watched)

    @handles(Watch)
    async def follow(self, message: Watch) -> bool:
        if sum(len(watched.everybody) for watched in self._views.values()) >= WATCHERS_MAX:
            return False
        watched = self._views.setdefault(message.view.key, OpenView(message.view))
        watched.join(message.watcher)
        if not self._is_ticking:
            self._is_ticking = True
            self.after(0.0, RefreshDue())
        return True

    @handles(TopicChanged)
    async def happened(self, message: TopicChanged) -> None:
        for watched in self._views.values():
            watched.stirred |= message.topic in {ANYTHING, *watched.view.topics}

    @handles(SampleActors)
    async def sample(self, _: SampleActors) -> None:
        self.after(SAMPLE_SECONDS, SampleActors())
        self._charts.sample()
        await self._bus.publish(GATEWAYS, self._gateways.hello(self._url()))

    @handles(ReadFarm)
    async def read_farm(self, _: ReadFarm) -> None:
        self.after(FARM_SECONDS, ReadFarm())
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                await self._read_farm()

    @handles(RefreshDue)
    async def tick(self, _: RefreshDue) -> None:
        await self._look()
        for key, watched in list(self._views.items()):
            if watched.is_left():
                del self._views[key]
            elif not (self._is_there or watched.view.inside):
                watched.failed(self._clock.monotonic())
            elif watched.is_due(self._clock.monotonic()):
                await self._show(watched)
        self._beat()
        self._is_ticking = bool(self._views)
        if self._is_ticking:
            self.after(TICK_SECONDS, RefreshDue())

    def _beat(self) -> None:
        """Send a sign of life to all viewers, so that their pages notice if the hub is stuck."""
        if self._clock.monotonic() < self._beat_at:
            return
        for watched in self._views.values():
            watched.beat()
        self._beat_at = self._clock.monotonic() + BEAT_SECONDS

    async def _look(self) -> None:
        """Probe whether the database answers; while it does not, no page is read."""
        if self._clock.monotonic() < self._look_at:
            return
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                self._is_there = await self._probe()
        except TimeoutError:
            self._is_there = False
        self._look_at = self._clock.monotonic() + LOOK_SECONDS

    async def _show(self, watched: OpenView) -> None:
        """Read a view, and send the view's viewers the changed blocks.

        An error in one page does not affect other pages.
        """
        begun = self._clock.monotonic()
        watched.begun()
        try:
            fresh = await self._fresh(watched)
        except (Unavailable, AskFailed, TimeoutError):
            watched.failed(self._clock.monotonic() + AWAY_SECONDS)
        except Exception as error:
            log.error("a page cannot be shown", page=watched.view.path, exc_info=error)
            self._end(watched)
        else:
            now = self._clock.monotonic()
            all_took = sum(each.took for each in self._views.values())
            watched.read_at(now, now - begun, all_took)
            watched.shown(fresh)

    async def _fresh(self, watched: OpenView) -> list[Fragment]:
        async with asyncio.timeout(READ_SECONDS):
            fragments = await watched.view.read()
        if fragments is None:  # the object no longer exists, so a new request gets 404
            self._end(watched)
            return []
        return watched.changed(fragments)

    def _end(self, watched: OpenView) -> None:
        for watcher in watched.everybody:
            watcher.close()


def _teller(ref: Ref[Hub], topic: str) -> Callable[[bytes], None]:
    def tell(_: bytes) -> None:
        ref.tell(TopicChanged(topic))

    return tell
