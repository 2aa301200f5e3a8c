"""Hub of all open console pages: reads and renders each view once for all its viewers.

Nothing is read for pages that are not open. A pushed event is only a hint that something changed;
pages are read afterwards, so a lost hint is soon corrected.
"""

import asyncio
import math
from collections.abc import Callable, Iterable
from typing import ClassVar, Final, Literal, TypeAlias

import attrs
import structlog

from actors.kernel import Actor, AskFailed, Message, Overflow, Ref, handles
from actors.ports import Bus, Clock
from actors.ports.bus import Subscription
from sql.database import Unavailable
from supervisors.backoff import Backoff
from supervisors.child import Child
from supervisors.intensity import Intensity
from supervisors.registry import Registry
from supervisors.strategy import GiveUp, Strategy
from supervisors.supervisor import Supervisor
from web.console.console_memory import GATEWAYS, ConsoleMemory
from web.console.registry import ConsolePage
from web.console.render import Fragment, blocks
from web.console.view import View
from web.gateway import Gateway
from web.process.readiness import Probe

Word: TypeAlias = Literal["", "beat", "here", "away"]
TICK_SECONDS: Final = 0.25  # four updates a second: more than anybody reads
READ_SECONDS: Final = 2.0
RESTS: Final = 10  # pause after a reading, in multiples of its duration
SHARE: Final = 9  # pause in multiples of the readings of all views: a hundred may be open
AWAY_SECONDS: Final = 1.0  # after a failed reading
LOOK_SECONDS: Final = 1.0  # how often the database is probed
SAMPLE_SECONDS: Final = 2.0
BEAT_SECONDS: Final = 2.0  # how often viewers get a sign of life
WATCHERS_MAX: Final = 5_000
TOPICS: Final = ("jobs", "nodes")
ANYTHING: Final = "anything"  # the topic of a change of unknown kind
CAPACITY: Final = 4_096

log = structlog.get_logger("console")


@attrs.frozen
class PageUpdate:
    """An update: changed blocks, and whether the shown content is current or old.

    ``beat``: a sign of life without content; without it a page could not detect a broken
    connection.
    """

    fragments: tuple[Fragment, ...] = ()
    word: Word = ""


class PageWatcher:
    """A viewer's pending changes. The stream owns it, and the hub writes to it.

    Only the newest version of a block is kept, so a slow reader gets fewer updates, not later ones.
    ``filled`` is set when there is something to take; several watchers of one stream share it.
    """

    def __init__(self, filled: asyncio.Event) -> None:
        self._pending: dict[str, Fragment] = {}
        self._word: Word = ""
        self._filled = filled
        self.is_open = True

    def put(self, fragments: Iterable[Fragment]) -> None:
        """Add changed blocks; without blocks: the shown content is current."""
        self._pending.update((fragment.name, fragment) for fragment in fragments)
        self._word = "here"
        self._filled.set()

    def put_away(self) -> None:
        """Record that nothing can be read now: the shown content is old."""
        self._word = "away"
        self._filled.set()

    def put_beat(self) -> None:
        """Add a sign of life, unless something else is pending."""
        self._word = self._word or "beat"
        self._filled.set()

    def take(self) -> PageUpdate:
        """Return what is new, if anything."""
        news = PageUpdate(tuple(self._pending.values()), self._word)
        self._pending, self._word = {}, ""
        return news

    def close(self) -> None:
        """Close the watcher: nothing is read or written any more."""
        self.is_open = False
        self._filled.set()


class Hub:
    """Marker: the address of the hub."""


@attrs.frozen
class Watch(Message[Hub, bool]):
    """Sent by a stream: keep ``watcher`` up to date with a page. The reply is False if there are
    too many.
    """

    page: ConsolePage
    view: View
    watcher: PageWatcher

    @property
    def key(self) -> str:
        """Return the key of the view: equal keys are read and rendered once."""
        return f"{self.view.who.user if self.page.own else ''} {self.view.key()}"


@attrs.frozen
class TopicChanged(Message[Hub, None]):
    """Sent by the bus or an action: a topic changed. One reading covers all of its changes."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    topic: str

    def coalesce_key(self) -> str:
        return self.topic


@attrs.frozen
class RefreshDue(Message[Hub, None]):
    """Sent by the hub's timer: read the views that are due."""


@attrs.frozen
class SampleActors(Message[Hub, None]):
    """Sent by the hub's timer: take a reading of the actors, for the charts."""


@attrs.define
class OpenView:
    """An open view. ``stirred``: something changed since it was read.

    ``away``: its viewers see old content and know it. ``joined``: viewers who came since it was
    read.
    """

    page: ConsolePage
    view: View
    watchers: list[PageWatcher] = attrs.field(factory=list[PageWatcher])
    joined: list[PageWatcher] = attrs.field(factory=list[PageWatcher])
    fragments: dict[str, Fragment] = attrs.field(factory=dict[str, Fragment])
    stirred: bool = True
    away: bool = False
    rested_at: float = -math.inf
    relieved_at: float = -math.inf  # when it may be read for new viewers, before its pause is over
    due_at: float = -math.inf
    took: float = 0.0  # seconds that the last reading took

    def join(self, watcher: PageWatcher) -> None:
        """Add a viewer, whose page may be newer than the last reading; they get the next one.

        Older fragments would revert their page, so they are not sent.
        """
        self.joined.append(watcher)
        self.stirred, self.rested_at = True, min(self.rested_at, self.relieved_at)
        if self.away:
            watcher.put_away()

    def is_left(self) -> bool:
        """Return whether no viewer is left."""
        self.watchers = [watcher for watcher in self.watchers if watcher.is_open]
        self.joined = [watcher for watcher in self.joined if watcher.is_open]
        return not self.everybody

    @property
    def everybody(self) -> list[PageWatcher]:
        return [*self.watchers, *self.joined]

    def is_due(self, now: float) -> bool:
        """Return whether it must be read again."""
        return now >= self.rested_at and (self.stirred or now >= self.due_at)

    def begun(self) -> None:
        """Record the start of a reading: later changes are for the next one."""
        self.stirred = False

    def failed(self, until: float) -> None:
        """Record a failed reading; all viewers are informed once."""
        self.stirred, self.rested_at, self.relieved_at = True, until, until
        for watcher in self.everybody if not self.away else ():
            watcher.put_away()
        self.away = True

    def shown(self, fresh: list[Fragment]) -> None:
        """Record a reading: send viewers the changed fragments, or that the page is current
        again; new viewers get all.
        """
        for watcher in self.watchers if fresh or self.away else ():
            watcher.put(fresh)
        for watcher in self.joined:
            watcher.put(self.fragments.values())
        self.watchers, self.joined, self.away = self.everybody, [], False

    def read_at(self, now: float, took: float, all_took: float) -> None:
        """Set the pause after a reading: long readings rest long, so that they do not block others.

        If many views are read, each is read less often; ``all_took`` is how long all of them take
        together.
        """
        self.took = took
        rest = max(self.page.rest, RESTS * took, min(SHARE * all_took, self.page.every))
        self.relieved_at = now + RESTS * took
        self.rested_at, self.due_at = now + rest, now + max(self.page.every, rest)

    def beat(self) -> None:
        """Send a sign of life without content; pages marked as old stay marked."""
        for watcher in self.everybody if not self.away else ():
            watcher.put_beat()

    def changed(self, fragments: list[Fragment]) -> list[Fragment]:
        """Return the fragments that changed."""
        fresh = [
            fragment
            for fragment in fragments
            if fragment.name not in self.fragments
            or self.fragments[fragment.name].digest != fragment.digest
        ]
        self.fragments.update((fragment.name, fragment) for fragment in fresh)
        return fresh


class HubActor(Actor[Hub]):
    """The hub. ``memory`` outlives it, because charts need it; ``url`` is this gateway's address.

    ``probe`` checks whether the database answers, so that seldom read pages are marked as old in
    time.
    """

    def __init__(
        self, bus: Bus, clock: Clock, memory: ConsoleMemory, url: Callable[[], str], probe: Probe
    ) -> None:
        self._bus, self._clock, self._memory, self._url = bus, clock, memory, url
        self._probe, self._look_at, self._is_there = probe, -math.inf, True
        self._views: dict[str, OpenView] = {}
        self._subscriptions: list[Subscription] = []
        self._is_ticking, self._beat_at = False, -math.inf

    async def started(self) -> None:
        self._subscriptions = [
            *(self._bus.subscribe(topic, _teller(self.ref, topic)) for topic in TOPICS),
            self._bus.subscribe(GATEWAYS, self._memory.gateways.hear),
        ]
        self.after(SAMPLE_SECONDS, SampleActors())

    async def stopped(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        for watched in self._views.values():
            self._end(watched)

    @handles(Watch)
    async def follow(self, message: Watch) -> bool:
        if sum(len(watched.everybody) for watched in self._views.values()) >= WATCHERS_MAX:
            return False
        watched = self._views.setdefault(message.key, OpenView(message.page, message.view))
        watched.join(message.watcher)
        if not self._is_ticking:
            self._is_ticking = True
            self.after(0.0, RefreshDue())
        return True

    @handles(TopicChanged)
    async def happened(self, message: TopicChanged) -> None:
        for watched in self._views.values():
            watched.stirred |= message.topic in {ANYTHING, *watched.page.topics}

    @handles(SampleActors)
    async def sample(self, _: SampleActors) -> None:
        self.after(SAMPLE_SECONDS, SampleActors())
        self._memory.history.sample()
        await self._bus.publish(GATEWAYS, self._memory.gateways.hello(self._url()))

    @handles(RefreshDue)
    async def tick(self, _: RefreshDue) -> None:
        await self._look()
        for key, watched in list(self._views.items()):
            if watched.is_left():
                del self._views[key]
            elif not (self._is_there or watched.page.inside):
                watched.failed(self._clock.monotonic())
            elif watched.is_due(self._clock.monotonic()):
                await self._show(watched)
        self._beat()
        self._is_ticking = bool(self._views)
        if self._is_ticking:
            self.after(TICK_SECONDS, RefreshDue())

    def _beat(self) -> None:
        """Send a sign of life to all viewers; it comes from the hub, so that a stuck hub is
        noticed.
        """
        if self._clock.monotonic() < self._beat_at:
            return
        for watched in self._views.values():
            watched.beat()
        self._beat_at = self._clock.monotonic() + BEAT_SECONDS

    async def _look(self) -> None:
        """Probe the database; while it is away, no page is read."""
        if self._clock.monotonic() < self._look_at:
            return
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                self._is_there = await self._probe()
        except TimeoutError:
            self._is_there = False
        self._look_at = self._clock.monotonic() + LOOK_SECONDS

    async def _show(self, watched: OpenView) -> None:
        """Read a view and send what changed. An error in one page does not affect others."""
        begun = self._clock.monotonic()
        watched.begun()
        try:
            fresh = await self._fresh(watched)
        except (Unavailable, AskFailed, TimeoutError):
            watched.failed(self._clock.monotonic() + AWAY_SECONDS)
        except Exception as error:
            log.error("a page cannot be shown", page=watched.page.path, exc_info=error)
            self._end(watched)
        else:
            now = self._clock.monotonic()
            all_took = sum(each.took for each in self._views.values())
            watched.read_at(now, now - begun, all_took)
            watched.shown(fresh)

    async def _fresh(self, watched: OpenView) -> list[Fragment]:
        page, view = watched.page, watched.view
        async with asyncio.timeout(READ_SECONDS):
            shown = await page.read(view)
        if not isinstance(shown, dict):  # the object is gone: a new request gets 404
            self._end(watched)
            return []
        return watched.changed(blocks(page.template, page.live, {**shown, "view": view}))

    def _end(self, watched: OpenView) -> None:
        for watcher in watched.everybody:
            watcher.close()


def _teller(ref: Ref[Hub], topic: str) -> Callable[[bytes], None]:
    def tell(_: bytes) -> None:
        ref.tell(TopicChanged(topic))

    return tell


def hub_child(gateway: Gateway, registry: Registry, bus: Bus) -> Child:
    """Return the hub's child specification; consoles work without it for a while."""
    ref = registry.register(Hub, Ref[Hub]("console", capacity=CAPACITY))
    memory, url = gateway.console, gateway.sales.url

    async def answers() -> bool:
        return await gateway.probes["database"]()

    child = Child("console", lambda: HubActor(bus, gateway.clock, memory, url, answers), ref=ref)
    part = Supervisor(
        "Console",
        Strategy.ONE_FOR_ONE,
        Intensity(5, 30),
        [child],
        backoff=Backoff(1, 60),
        give_up=GiveUp.STAY_DOWN,
    )
    return Child("Console", part)
