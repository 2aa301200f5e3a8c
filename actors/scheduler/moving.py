"""Units that wait behind others at one node, while another has nothing to do: they change nodes.

Only the session of the node that has a unit knows whether it was sent. So it is asked; what was not
sent it gives back as an unsent attempt, which is no retry, and then the unit is placed like any
other that waits. A slot of the idle node is kept for it as long as that may take.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from actors.ledger.messages import UnitState
from actors.node_session.messages import Recall
from actors.scheduler.copying import Copies
from actors.scheduler.demand import Kind
from actors.scheduler.node import Node, UnitKey
from actors.scheduler.policy import burden, may_move, relieves
from actors.scheduler.stragglers import since
from actors.scheduler.unit import Placing, Unit

RECALL_SECONDS: Final = 10.0  # a session that has not answered then has gone, or the Ledger is slow
Wanted: TypeAlias = tuple[Kind, UUID, frozenset[UUID]]


class Moves(Copies):
    """A unit moves when its session says that it is back; until then it is its node's."""

    @property
    def is_uneven(self) -> bool:
        """Whether units wait at some nodes while others have nothing to do."""
        return bool(self.index.free and self.index.laden)

    def relieve(self, now: datetime, clock: float) -> None:
        """Ask nodes with a backlog for what others would begin at once.

        Who has most for each of its slots gives first, and of its units the last ones.
        """
        nobody: set[Wanted] = set()
        for laden in sorted(self.index.laden.values(), key=burden, reverse=True):
            for unit in self._movable(laden, now):
                if not (self.index.free and laden.is_laden):
                    break
                wanted = (unit.kind, unit.user, unit.shuns)
                if wanted in nobody:
                    continue
                if (idle := self._idle_for(unit, laden)) is None:
                    nobody.add(wanted)
                else:
                    self._move(unit, laden, idle, clock)

    def _movable(self, laden: Node, now: datetime) -> Iterator[Unit]:
        """What a node could give, the last that came to it first; as many as wait there."""
        units = (self.units.get(key) for key in laden.taken)
        here = [unit for unit in units if unit is not None and self._may_move(unit, laden, now)]
        waiting = len(laden.taken) - (laden.slots or 0)
        leaving = sum(unit.is_recalled for unit in map(self.units.get, laden.taken) if unit)
        here.sort(key=lambda unit: (since(unit), unit.place, unit.key), reverse=True)
        yield from here[: max(waiting - leaving, 0)]

    def _may_move(self, unit: Unit, laden: Node, now: datetime) -> bool:
        if unit.node is not laden or unit.placing is not None or unit.kept or unit.paused:
            return False
        if unit.state != "DISPATCHED" or unit.key in self.copies:
            return False
        return may_move(unit.state, (now - since(unit)).total_seconds(), unit.unsent)

    def _idle_for(self, unit: Unit, laden: Node) -> Node | None:
        """The node that would be chosen for the unit, if it would begin it at once."""
        node = self.index.choose(unit.demand, unit.shuns)
        if not isinstance(node, Node) or node.id in unit.shuns or not relieves(node, laden):
            return None
        return node

    def _move(self, unit: Unit, laden: Node, idle: Node, clock: float) -> None:
        recall = Recall(unit.job, unit.number, unit.attempt, for_another=True)
        if not self._tell(laden, recall):
            return
        self._keep(unit, Placing(idle, unit.next_attempt, clock + RECALL_SECONDS, is_recall=True))
        self._take(unit, idle)

    def kept(self, key: UnitKey, attempt: int) -> None:
        """Its node has it already: it stays there."""
        unit = self.units.get(key)
        if unit is not None and unit.attempt == attempt and unit.is_recalled:
            unit.kept = True
            self._stay(unit)

    def _begin(self, unit: Unit) -> None:
        unit.state = "RUNNING"
        self._stay(unit)

    def _stay(self, unit: Unit) -> None:
        if unit.is_recalled:
            self._give_back(unit)

    def _came_back(self, unit: Unit, state: UnitState) -> bool:
        """Whether it is one that was asked for, and waits now: all else of it is known here."""
        is_back = state.state == "QUEUED" and state.attempt == unit.attempt
        if not (is_back and unit.is_recalled) or state.job_status == "PAUSED":
            return False
        assert unit.node is not None, "a node had it"
        self._give_back(unit)
        self._take_away(unit, unit.node, finished=True)
        unit.state, unit.node, unit.unsent = "QUEUED", None, unit.unsent + 1
        unit.told, unit.not_before = False, None
        self.queue.add(unit, unit.queued_at)  # it may be placed at once
        return True
