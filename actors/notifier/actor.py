"""The Notifier actor: publishes changes of jobs on the bus, which carries them to all gateways.

Everything that the actor sends is a hint, which may be lost. The actor keeps the progress and
recent log lines of running units, which are not in the database.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import attrs
import orjson
from prometheus_client import Counter

from actors.kernel import Actor, Ref, handles, handles_batch
from actors.notifier import log_hints, scheduler_hints
from actors.notifier.log_tails import LogLine, LogTails
from actors.notifier.messages import (
    AnnounceGateway,
    AskOthers,
    LogHintReceived,
    Notifier,
    Progress,
    ProgressOf,
    ProgressOfJobs,
    ProgressOfUnits,
    Publish,
    PublishMoved,
    TailOf,
    TellOthers,
    ToOthers,
    UnitLogLines,
    UnitsMoved,
)
from actors.notifier.progress import ProgressStore
from actors.ports import Bus
from actors.ports.bus import Subscription
from actors.scheduler.messages import GatewayMembership, PeerClaimed, Scheduler
from rendertrust.job_status import ENDED

TOPIC, PROGRESS, MOVES, SAID = "jobs", "progress", "moves", "said"
HERE_SECONDS: Final = 5.0  # interval of this gateway's announcements
SILENT_MOST: Final = 3  # missed announcements after which a gateway counts as gone
MOVES_SECONDS: Final = 0.05  # least time between two publications of changed jobs
PUBLISH_SECONDS: Final = 1.0  # interval at which progress is published
UNTOLD_MOST: Final = 200  # jobs with log lines that were not sent to other gateways yet
PUBLISHED_MOST: Final = 1_000  # reports published per interval
JOBS_ENDED: Final = Counter(
    "rendertrust_jobs_ended", "Jobs that ended at this gateway, by state.", ["state"]
)


@attrs.frozen
class NotifierSettings:
    """Limits of the Notifier's memory: attempts with progress, and jobs with log lines."""

    progress_most: int = 20_000
    tails_most: int = 1_000


class NotifierActor(Actor[Notifier]):
    """Publishes changes of jobs on the ``bus``, and keeps what nodes report of running units.

    ``scheduler``: this gateway's Scheduler, which receives the hints from other gateways.
    ``name``: the id of this gateway.
    """

    def __init__(
        self,
        bus: Bus,
        scheduler: Ref[Scheduler],
        name: UUID,
        settings: NotifierSettings = NotifierSettings(),
    ) -> None:
        self._name = name
        self._others: dict[bytes, int] = {}  # number of missed announcements, by gateway
        self._bus = bus
        self._scheduler = scheduler
        self._subscriptions: list[Subscription] = []
        self._progress = ProgressStore(settings.progress_most)
        self._tails = LogTails(settings.tails_most)
        self._untold = LogTails(UNTOLD_MOST)  # lines not sent to the other gateways yet
        self._unpublished: dict[tuple[UUID, int], Progress] = {}
        self._moved: dict[UUID, None] = {}  # changed jobs that are not published yet
        self._is_resting = False  # changed jobs were published less than MOVES_SECONDS ago

    async def started(self) -> None:
        self._subscriptions = [
            self._bus.subscribe(MOVES, self._hear_of_moves),
            self._bus.subscribe(SAID, self._hear_what_was_said),
        ]
        self.after(PUBLISH_SECONDS, AskOthers())
        self.after(HERE_SECONDS, AnnounceGateway())

    async def stopped(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()

    @handles(ToOthers)
    async def to_others(self, message: ToOthers) -> None:
        """Publish a hint for other Schedulers; a PeerClaimed only if there are other gateways."""
        if not isinstance(message.hint, PeerClaimed) or self._others:
            await self._bus.publish(MOVES, scheduler_hints.encoded(message.hint))

    def _hear_of_moves(self, payload: bytes) -> None:
        """Forward a hint to the Scheduler, where this gateway's own hints do no harm."""
        hint = scheduler_hints.decoded(payload)
        if hint is not None:
            self._scheduler.tell(hint)

    @handles(Progress)
    async def progress(self, message: Progress) -> None:
        self._progress.put(message)
        self._tails.follow(message.job, message.unit, message.attempt, message.detail)
        if message.detail:
            self._to_tell().follow(message.job, message.unit, message.attempt, message.detail)
        if not self._unpublished:
            self.after(PUBLISH_SECONDS, Publish())
        key = (message.job, message.unit)
        if key in self._unpublished or len(self._unpublished) < PUBLISHED_MOST:
            self._unpublished[key] = message

    @handles(Publish)
    async def publish(self, _: Publish) -> None:
        """Publish the newest progress of each unit to other gateways, at most once a second."""
        told, self._unpublished = list(self._unpublished.values()), {}
        await self._bus.publish(PROGRESS, orjson.dumps([_how_far(one) for one in told]))

    @handles(ProgressOf)
    async def progress_of(self, message: ProgressOf) -> Progress | None:
        return self._progress.newest(message.job)

    @handles(ProgressOfJobs)
    async def progress_of_jobs(self, message: ProgressOfJobs) -> Mapping[UUID, float]:
        found = {job: self._progress.at_work(job) for job in message.jobs}
        return {job: value for job, value in found.items() if value is not None}

    @handles(ProgressOfUnits)
    async def progress_of_units(self, message: ProgressOfUnits) -> tuple[Progress, ...]:
        return self._progress.of(message.job)

    @handles(UnitLogLines)
    async def said(self, message: UnitLogLines) -> None:
        self._tails.add(message.job, message.unit, message.attempt, message.text)
        self._to_tell().add(message.job, message.unit, message.attempt, message.text)

    def _to_tell(self) -> LogTails:
        """Return the collection of lines to publish; if it is empty, start the timer that publishes
        them.
        """
        if self._untold.is_empty:
            self.after(PUBLISH_SECONDS, TellOthers())
        return self._untold

    @handles(TellOthers)
    async def tell_others(self, _: TellOthers) -> None:
        untold, self._untold = self._untold, LogTails(UNTOLD_MOST)
        await self._bus.publish(SAID, log_hints.telling(self._name, untold))

    @handles(AnnounceGateway)
    async def say_here(self, _: AnnounceGateway) -> None:
        before = len(self._others)
        self._others = {name: n + 1 for name, n in self._others.items() if n < SILENT_MOST}
        if before:
            self._tell_who_is_there()
        await self._bus.publish(SAID, log_hints.being(self._name))
        self.after(HERE_SECONDS, AnnounceGateway())

    def _note(self, other: bytes) -> None:
        is_new, self._others[other] = other not in self._others, 0
        if is_new:
            self._tell_who_is_there()

    def _tell_who_is_there(self) -> None:
        names = sorted((self._name.bytes, *self._others))
        self._scheduler.tell(GatewayMembership(names.index(self._name.bytes), len(names)))

    @handles(AskOthers)
    async def ask_others(self, _: AskOthers) -> None:
        await self._bus.publish(SAID, log_hints.asking(self._name))

    def _hear_what_was_said(self, payload: bytes) -> None:
        if not log_hints.is_own(self._name, payload):
            self.ref.tell(LogHintReceived(payload))

    @handles(LogHintReceived)
    async def heard(self, message: LogHintReceived) -> None:
        said = log_hints.heard(message.payload)
        if said is None:
            return
        self._note(log_hints.name_of(message.payload))
        if isinstance(said, log_hints.LogRequest):
            await self._bus.publish(SAID, log_hints.telling(self._name, self._tails, said.name))
        elif isinstance(said, log_hints.LogNews) and said.asked in (None, self._name):
            take = self._tails.hear if said.asked is None else self._tails.fill_in
            for job, tail in reversed(said.of):
                take(job, tail)

    @handles(TailOf)
    async def tail_of(self, message: TailOf) -> tuple[LogLine, ...]:
        return self._tails.of(message.job)

    @handles_batch(UnitsMoved, limit=100)
    async def units_moved(self, messages: Sequence[UnitsMoved]) -> Sequence[None]:
        units = [unit for message in messages for unit in message.units]
        for unit in units:
            self._progress.moved(unit)
        for _, status in {(u.job, u.job_status) for u in units if u.job_status in ENDED}:
            JOBS_ENDED.labels(status).inc()
        self._moved |= dict.fromkeys(unit.job for unit in units)
        if not self._is_resting:
            await self._publish_moved()
        return [None] * len(messages)

    @handles(PublishMoved)
    async def publish_moved(self, _: PublishMoved) -> None:
        self._is_resting = False
        await self._publish_moved()

    async def _publish_moved(self) -> None:
        """Publish the jobs that changed; those that change within MOVES_SECONDS follow together."""
        moved, self._moved = self._moved, {}
        if moved:
            self._is_resting = True
            self.after(MOVES_SECONDS, PublishMoved())
            await self._bus.publish(TOPIC, orjson.dumps([{"job": str(job)} for job in moved]))


def _how_far(told: Progress) -> dict[str, object]:
    return {
        "job": str(told.job),
        "unit": told.unit,
        "attempt": told.attempt,
        "progress": told.value,
    }
