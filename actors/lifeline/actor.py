"""The Lifeline: takes units from nodes that fell silent, so that others may have them."""

import logging
from datetime import timedelta

import attrs

from actors.kernel import Actor, Ref, handles
from actors.ledger.messages import Commit, Decided, Ledger, Posted
from actors.lifeline.messages import Lifeline, Sweep
from actors.lifeline.policy import rescue
from actors.notifier.messages import Notifier, UnitsMoved
from actors.ports import Clock, Store
from actors.scheduler.messages import NodeGone, Scheduler, UnitsChanged
from sql.database import Unavailable

log = logging.getLogger(__name__)


@attrs.frozen
class LifelineSettings:
    """Seconds. ``grace_seconds`` are given to nodes after a start, and after the database was away:

    their leases could not be renewed in the meantime, and an agent waits up to 30 s between two
    tries to connect.
    """

    sweep_seconds: float = 5.0
    grace_seconds: float = 35.0
    unsent_seconds: float = 45.0


class LifelineActor(Actor[Lifeline]):
    """Commits what it decides; a commit that is lost is decided again at the next sweep."""

    def __init__(
        self,
        ledger: Ref[Ledger],
        scheduler: Ref[Scheduler],
        notifier: Ref[Notifier],
        store: Store,
        clock: Clock,
        *,
        settings: LifelineSettings = LifelineSettings(),
    ) -> None:
        self._ledger = ledger
        self._scheduler = scheduler
        self._notifier = notifier
        self._store = store
        self._clock = clock
        self._settings = settings

    async def started(self) -> None:
        self.after(self._settings.grace_seconds, Sweep())

    @handles(Sweep)
    async def sweep(self, message: Sweep) -> None:
        try:
            await self._sweep()
        except Unavailable as error:
            log.warning("no sweep: %s", type(error).__name__)
            self.after(self._settings.grace_seconds, Sweep())
        else:
            self.after(self._settings.sweep_seconds, Sweep(), jitter=0.1)

    async def _sweep(self) -> None:
        now = self._clock.now()
        for node in await self._store.silence(now):
            self._scheduler.tell(NodeGone(node))
        unsent_since = now - timedelta(seconds=self._settings.unsent_seconds)
        for unit in await self._store.lost_units(now, unsent_since):
            commit = Commit(effects=(rescue(unit),), observer=self.ref, tag=unit)
            if not self._ledger.tell(commit):
                return  # the rest at the next sweep

    @handles(Decided)
    async def decided(self, message: Decided) -> None:
        outcome = message.outcome
        if isinstance(outcome, Posted):
            log.info("%d units were taken from lost nodes", len(outcome.units))
            self._scheduler.tell(UnitsChanged(outcome.units))
            self._notifier.tell(UnitsMoved(outcome.units))
