"""The Lifeline actor: requeues units whose lease ended, and fails units that waited too long."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import attrs
from prometheus_client import Counter

from actors.kernel import Actor, Ref, handles
from actors.ledger.effects import UnitFail, UnitRequeue
from actors.ledger.messages import Commit, Decided, Ledger, Posted
from actors.lifeline.messages import Expire, Lifeline, Sweep
from actors.notifier.messages import Notifier, announce
from actors.ports import Ports
from actors.scheduler.messages import NodeGone, Scheduler
from config.settings import DEFAULTS, Leases
from sql.database import Unavailable
from sql.unit_retry_policy import HELD_NODES
from sql.units import OpenUnit

log = logging.getLogger(__name__)
LOST: Final = Counter(
    "rendertrust_units_lost", "Expired leases of units that three or more nodes had before."
)
EXPIRE_SECONDS: Final = 600.0  # interval of searches for units that have waited too long
# Longest wait of a queued unit since the job's submission, start time or last activity. ``fsck``
# allows one day more, and nine further days for a unit at a node.
WAITING_MOST: Final = timedelta(days=7)
STEP_SECONDS: Final = 5.0  # largest difference of two healthy clocks between two sweeps


@attrs.frozen
class Clocks:
    """Readings of the database's clock and of this machine's monotonic clock, taken at the same
    time.
    """

    database: datetime
    steady: float


class LifelineActor(Actor[Lifeline]):
    """Finds lost and overdue units, and commits their requeue or failure.

    A lost commit is repeated in the next sweep. Of several gateways only the leader sweeps. After a
    start, a database outage, or a jump of the database's clock the leader pauses for
    ``leases.grace_seconds``. Leases could not be renewed in the meantime, and a node agent waits up
    to 30 s between two tries to connect. All gateways watch the clocks, as any may become the
    leader.
    """

    def __init__(
        self,
        ports: Ports,
        ledger: Ref[Ledger],
        scheduler: Ref[Scheduler],
        notifier: Ref[Notifier],
        leases: Leases = DEFAULTS.leases,
    ) -> None:
        self._leadership = ports.leadership
        self._ledger = ledger
        self._scheduler = scheduler
        self._notifier = notifier
        self._store = ports.store
        self._clock = ports.clock
        self._leases = leases
        self._read: Clocks | None = None

    async def started(self) -> None:
        self.after(self._leases.grace_seconds, Sweep())
        self.after(self._leases.grace_seconds, Expire())

    @handles(Sweep)
    async def sweep(self, message: Sweep) -> None:
        try:
            if await self._stepped():
                log.warning(
                    "no sweep for ended leases: the database's clock was set ahead, or this machine"
                    " slept"
                )
                self.after(self._leases.grace_seconds, Sweep())
                return
            if await self._leadership.leads("lifeline"):
                await self._sweep()
        except Unavailable as error:
            log.warning("no sweep for ended leases: %s", type(error).__name__)
            self.after(self._leases.grace_seconds, Sweep())
        else:
            self.after(self._leases.sweep_seconds, Sweep(), jitter=0.1)

    async def _stepped(self) -> bool:
        before = self._read
        self._read = Clocks(await self._store.now(), self._clock.monotonic())
        return stepped(before, self._read)

    @handles(Expire)
    async def expire(self, message: Expire) -> None:
        self.after(EXPIRE_SECONDS, Expire(), jitter=0.1)
        try:
            leads = await self._leadership.leads("lifeline")
            waiting = await self._store.waiting_units(WAITING_MOST) if leads else ()
        except Unavailable as error:
            log.warning("units that waited too long cannot be read: %s", type(error).__name__)
        else:
            self._commit([(unit, expired(unit)) for unit in waiting])

    async def _sweep(self) -> None:
        for node in await self._store.mark_silent_nodes():
            self._scheduler.tell(NodeGone(node))
        lost = await self._store.lost_units(timedelta(seconds=self._leases.unsent_seconds))
        self._commit([(unit, rescue(unit)) for unit in lost])

    def _commit(self, decided: Iterable[tuple[OpenUnit, UnitFail | UnitRequeue]]) -> None:
        for unit, effect in decided:
            if not self._ledger.tell(Commit(effects=(effect,), observer=self.ref, tag=unit)):
                return  # the mailbox is full: the next sweep handles the remaining units

    @handles(Decided)
    async def decided(self, message: Decided) -> None:
        outcome = message.outcome
        if isinstance(outcome, Posted):
            self._tell_admin(message.tag)
            log.info("%d units were rescued or expired", len(outcome.units))
            announce(outcome.units, self._scheduler, self._notifier)

    def _tell_admin(self, unit: OpenUnit) -> None:
        """Count and log a unit that was lost after several other nodes did not finish it."""
        if unit.lease_until is None or unit.state == "QUEUED" or len(unit.avoid) < HELD_NODES:
            return
        LOST.inc()
        said = "unit %s of job %s waits: %d nodes did not finish it, and another node lost it"
        log.error(said, unit.number, unit.job, len(unit.avoid))


# -- decisions (pure)


def stepped(before: Clocks | None, now: Clocks) -> bool:
    """Return True if the database's clock was set ahead, or this machine slept, since ``before``.

    Leases then seem to have expired although there was no time to renew them.
    """
    if before is None:
        return False
    passed = (now.database - before.database).total_seconds()
    return passed - (now.steady - before.steady) > STEP_SECONDS


def rescue(unit: OpenUnit) -> UnitRequeue:
    """Requeue a unit whose lease ended, however often that happened before.

    A unit that was never sent to its node does not count as lost. It stays at its node if a session
    of the node takes a lease for it before the commit.
    """
    if unit.lease_until is None:
        reason = "it was never sent to its node"
        return UnitRequeue(unit.job, unit.number, unit.attempt, reason, unsent=True, unheard=True)
    return UnitRequeue(unit.job, unit.number, unit.attempt, "its lease ran out", lost_by=unit.node)


def expired(unit: OpenUnit) -> UnitFail:
    """Fail a unit that waited longer than ``WAITING_MOST``; its hold is released."""
    return UnitFail(
        job=unit.job,
        unit=unit.number,
        attempt=unit.attempt,
        node=None,
        error_class="gateway",
        error_code="no_node",
        error=f"no node finished it within {WAITING_MOST.days} days; submit it again",
    )
