"""Second attempts beside the first: units that straggle near the end of their job."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from uuid import UUID

import attrs

from actors.ledger.messages import UnitState
from actors.scheduler.base_state import PLACING_SECONDS, AssignmentTag, BaseState
from actors.scheduler.node import Node
from actors.scheduler.policy import PENDING, key_of
from actors.scheduler.straggler_policy import StragglerPolicy, late
from actors.scheduler.units import Unit, copy_of
from sql.scheduler_rows import OpenUnit


class Speculation(BaseState):
    """A copy is a unit of its own here, beside the one that it is a copy of."""

    def late(self, now: datetime, patience: StragglerPolicy) -> list[Unit]:
        """Units of which a second node may be given a copy, if their jobs' others were faster."""
        if not self.index.free:
            return []
        known = self.units.values()
        units = (unit for unit in known if not unit.answered and unit.key not in self.copies)
        return late(units, self._more, now, patience)

    def copy(self, unit: Unit, clock: float) -> AssignmentTag | None:
        """Reserve a slot of an idle node for another attempt; None: there is no such node."""
        assert unit.node is not None, "it is at work"
        shunned = unit.shuns | {unit.node.id}
        node = self.index.choose(unit.demand, shunned)
        if not isinstance(node, Node) or not node.is_free or node.id in shunned:
            return None
        booking = self._reserve(copy_of(unit), node, clock + PLACING_SECONDS)
        return attrs.evolve(booking, beside=unit.attempt)

    def _note_copy(self, copy: Unit) -> None:
        """It stands in the books: its number is given."""
        first = self.units.get(copy.key)
        if first is not None:
            first.copied = max(first.copied, copy.attempt)

    def _hear_of_copy(self, state: UnitState) -> None:
        copy = self.copies.get(key_of(state))
        if copy is None or copy.state == PENDING:
            return
        self._promote_to(state.job, state.unit, state.attempt)
        is_over = state.copied >= copy.attempt and state.copy_node is None
        if copy.is_copy and (is_over or state.attempt > copy.attempt):
            self._drop(copy)

    def _promote_to(self, job: UUID, number: int, attempt: int) -> None:
        """If that attempt was the copy's, it is the unit's one now."""
        copy = self.copies.get((job, number))
        if copy is None or copy.state == PENDING or copy.attempt != attempt:
            return
        first = self.units.get(copy.key)
        if first is not None:
            self._drop(first)
        del self.copies[copy.key]
        copy.is_copy = False
        self.units[copy.key] = copy

    def _compare_copies(
        self, rows: Sequence[OpenUnit], now: datetime, jobs: AbstractSet[UUID]
    ) -> None:
        """Take over the copies at work that the database has of these jobs."""
        for row in rows:
            copy = self.copies.get((row.job, row.unit))
            if copy is not None and copy.attempt < row.attempt:
                self._drop(copy)
                copy = None
            if copy is None:
                self._admit(row, now)
            elif copy.attempt == row.attempt:
                copy.state, copy.started_at = row.state, row.started_at
                copy.told = copy.told or row.lease_until is not None
                self._note_pause(copy, paused=row.paused == "owner")
        seen = {(row.job, row.unit, row.attempt) for row in rows}
        for copy in [c for c in self.copies.values() if c.state != PENDING]:
            if copy.job in jobs and (*copy.key, copy.attempt) not in seen:
                self._drop(copy)
