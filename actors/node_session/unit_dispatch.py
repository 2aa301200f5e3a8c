"""Dispatch of a session's units to its node: fair order among users, and units that the node may
not begin.
"""

import logging
from collections.abc import Iterable, Set
from datetime import datetime
from typing import Final
from uuid import UUID

from actors.node_session import unit_failures
from actors.node_session.connection import NodeConnection
from actors.node_session.ledger_requests import LeaseRenewal, UnitCommits
from actors.node_session.progress_watchdog import ProgressTracker
from actors.node_session.relay_frame_builder import RelayFrameBuilder, pool_of
from actors.node_session.session_state import HeldUnit, Phase, SessionState
from actors.node_session.unit_failures import Failure
from actors.ports import ObjectsUnavailable
from actors.scheduler.messages import Assignment
from sql.units import weight

# Users without waiting units that a node's fair order remembers before it forgets some.
USERS_KEPT: Final = 64
NOBODY: Final[frozenset[UUID]] = frozenset()  # shared, as each other empty one takes 216 bytes
log = logging.getLogger(__name__)


class FairOrder:
    """Start-time fair queueing of a node's waiting units over users, weighted by priority.

    The Scheduler may assign a node far more units than it runs, so a user who submits one job after
    another could fill the node's backlog. The more of a user's units were sent lately, the later
    the user's next unit is sent. A new user starts at the present virtual time, and a user without
    waiting units saves up no turns.
    """

    def __init__(self) -> None:
        self._ends: dict[UUID, float] = {}  # virtual time at which each user's last unit ends
        self._now = 0.0  # virtual time of the unit that was sent last
        self._waiting = NOBODY  # users whose units waited the last time

    def next(self, waiting: Iterable[HeldUnit]) -> HeldUnit | None:
        """Return the unit to send next; None if no unit waits.

        Of one user's units, the unit of the highest priority is sent first; of these, the unit of
        the oldest job.
        """
        firsts: dict[UUID, HeldUnit] = {}
        for held in waiting:
            known = firsts.setdefault(held.assignment.user, held)
            if known is not held and _order_of(held) < _order_of(known):
                firsts[held.assignment.user] = held
        self._update_users(firsts.keys())
        return min(firsts.values(), key=self._turn, default=None)

    def took(self, held: HeldUnit) -> None:
        """Record that a unit was sent."""
        unit = held.assignment
        begin = self._ends.get(unit.user, self._now)
        self._ends[unit.user] = begin + 1 / weight(unit.priority)
        self._now = max(self._now, begin)

    def _update_users(self, users: Set[UUID]) -> None:
        """Let new waiting ``users`` start now; forget users without a claim to a later turn."""
        for user in users - self._waiting:
            self._ends[user] = max(self._ends.get(user, self._now), self._now)
        self._waiting = frozenset(users)
        if len(self._ends) > 2 * len(users) + USERS_KEPT:
            kept = self._ends.items()
            self._ends = {u: end for u, end in kept if u in users or end > self._now}

    def _turn(self, held: HeldUnit) -> tuple[float, int, datetime]:
        unit = held.assignment
        ends = self._ends[unit.user] + 1 / weight(unit.priority)
        return ends, -unit.priority, unit.queued_at


def _order_of(held: HeldUnit) -> tuple[int, datetime, int]:
    unit = held.assignment
    return -unit.priority, unit.queued_at, unit.place


class UnitDispatcher:
    """Adds units to the session, sends them as slots become free, and drops them."""

    def __init__(
        self,
        state: SessionState,
        connection: NodeConnection,
        commits: UnitCommits,
        leases: LeaseRenewal,
        *,
        relay_frames: RelayFrameBuilder,
        progress: ProgressTracker,
    ) -> None:
        self._state = state
        self._connection = connection
        self._commits = commits
        self._leases = leases
        self._relay_frames = relay_frames
        self._progress = progress
        self._order = FairOrder()

    async def add(self, unit: Assignment) -> None:
        """Add a unit to the session, and drop an earlier attempt at it."""
        known = self._state.units.get(unit.job, unit.number)
        if known is not None:
            if known.attempt == unit.attempt and known.phase is Phase.WAITING:
                known.assignment = unit  # the priority may have changed
            if known.attempt >= unit.attempt:
                return
            await self.drop(known)
        held = HeldUnit(unit)
        if unit.state == "RUNNING":
            held.phase, held.is_started = Phase.RUNNING, True
            held.begun_at = self._state.assigned_time(unit)
        self._state.units.add(held)
        self._leases.soon()

    async def drop(self, held: HeldUnit) -> None:
        """Remove a unit that is no longer assigned to the node; cancel it if it was sent."""
        self._state.units.remove(held)
        if held.is_out:
            await self._connection.cancel(held.running)

    async def send_waiting(self) -> None:
        """Send waiting units while the node has free slots."""
        state = self._state
        if not state.is_assigned or (state.hello is None and not state.is_plain):
            return
        waiting = state.units.waiting()
        if not waiting:
            return
        self._withhold(waiting)
        slots = None if state.hello is None else state.hello.slots
        while (held := self._order.next(state.units.sendable(slots))) is not None:
            if not await self._send(held):
                return

    def _withhold(self, waiting: Iterable[HeldUnit]) -> None:
        """Requeue waiting units that are paused, or that the node may not begin."""
        state, owner = self._state, self._state.node.owner
        for held in waiting:
            unit = held.assignment
            if unit.paused:
                self._commits.end(held, unit_failures.paused(unit))
            elif not state.standing.may_work_for(unit.user, owner):
                self._commits.end(held, unit_failures.withheld(unit))
            elif not state.serves(pool_of(unit, owner)):
                self._commits.decline()
                self._commits.end(held, unit_failures.withheld(unit))

    async def _send(self, held: HeldUnit) -> bool:
        """Send one unit, whose lease then begins; return False if nothing else can be sent now."""
        state, unit = self._state, held.assignment
        build = state.build_for(unit)
        try:
            dispatch = await self._relay_frames.dispatch(unit, state.node.owner, build)
            if not await self._connection.send(dispatch):
                return False
        except ObjectsUnavailable:
            self._commits.retry(held)
            return False
        except ValueError as fault:
            return await self._return_unsendable(held, fault)
        progress = self._progress.of(held.id, state.now)
        if build is not None:
            to = state.node.id, build.version, build.build or "?"
            log.info("unit %s:%d:%d was sent to node %s for Blender %s, %s", *held.id, *to)
        held.phase, held.heard_at, held.tries = Phase.SENT, state.now, 0
        # A simple node gets a unit as soon as it is assigned, and again each time it connects.
        held.begun_at = state.assigned_time(unit) if state.hello is None else progress.since
        progress.allow_transfer((file.path, file.size) for file in dispatch.inputs)
        self._order.took(held)
        self._leases.soon()
        return True

    async def _return_unsendable(self, held: HeldUnit, fault: ValueError) -> bool:
        """Fail a unit that cannot be sent to any node; requeue it if only this node is affected.

        Returns False if the object store is unavailable; the unit then still waits.
        """
        unit, node = held.assignment, self._state.node.id
        try:
            is_sendable = await self._relay_frames.is_sendable(unit)
        except ObjectsUnavailable:
            self._commits.retry(held)
            return False
        if not is_sendable:
            log.error("a unit cannot be sent: %s", fault)
            error = f"cannot be sent to a node: {fault}"
            self._commits.fail(held, Failure("gateway", error, "unsendable", final=True))
            return True
        log.warning("a unit cannot be sent to node %s at the address it uses: %s", node, fault)
        self._commits.decline()
        self._commits.end(held, unit_failures.unsendable(unit, node))
        return True
