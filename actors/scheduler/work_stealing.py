"""Units that wait behind others at one node, while another has nothing to do: they change nodes.

Only the session of the node that has a unit knows whether it was sent. So it is asked; what was not
sent it gives back as an unsent attempt, which is no retry, and then the unit is placed like any
other that waits. A slot of the idle node is kept for it as long as that may take.

Where another gateway serves the busy node, its Scheduler is asked (``StealRequest``), and asks the
session. What comes back there it gives to the node that was named, whose gateway hears of it.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Final, TypeAlias
from uuid import UUID

from actors.ledger.messages import UnitState
from actors.node_session.messages import Recall
from actors.scheduler.messages import StealRequest
from actors.scheduler.node import Node, UnitKey
from actors.scheduler.placement_request import RequestKind
from actors.scheduler.policy import burden, may_move, relieves
from actors.scheduler.speculation import Speculation
from actors.scheduler.straggler_policy import since
from actors.scheduler.units import Reservation, Unit

LADEN_MOST: Final = 256  # nodes with a backlog that one look goes over
RECALL_SECONDS: Final = 10.0  # a session that has not answered then has gone, or the Ledger is slow
Wanted: TypeAlias = tuple[RequestKind, UUID, frozenset[UUID]]


class WorkStealing(Speculation):
    """A unit moves when its session says that it is back; until then it is its node's."""

    @property
    def is_uneven(self) -> bool:
        """Whether units wait at some nodes while others have nothing to do."""
        return bool(self.index.free and (self.index.laden or self.index.laden_afar))

    def relieve(self, now: datetime, clock: float) -> list[StealRequest]:
        """Ask nodes with a backlog for what others would begin at once; what to ask other gateways.

        Who has most for each of its slots gives first, and of its units the last ones.
        """
        nobody: set[Wanted] = set()
        wishes: list[StealRequest] = []
        for unit, laden in self._in_backlogs(now):
            wanted = (unit.kind, unit.user, unit.shuns)
            if wanted in nobody:
                continue
            if (idle := self._idle_for(unit, laden)) is None:
                nobody.add(wanted)
            elif laden.session is None:
                wishes.append(StealRequest(unit.job, unit.number, unit.attempt, idle.id))
                self._promise(unit, idle, clock)
            elif self._recall(unit, laden):
                self._promise(unit, idle, clock)
        return wishes

    def _in_backlogs(self, now: datetime) -> Iterator[tuple[Unit, Node]]:
        """What could move, while there is a node with nothing to do; first of our own nodes'."""
        for laden in self._laden():
            for unit in self._movable(laden, now):
                if not self.index.free:
                    return
                yield unit, laden

    def _laden(self) -> Iterator[Node]:
        """Some of those that have a backlog: the next ones of a round over all that had one when it
        began. So a look takes no longer where there are many.
        """
        here, afar = self.index.laden.values(), self.index.laden_afar.values()
        if not self._round or len(here) + len(afar) <= LADEN_MOST:
            self._round.clear()
            both = (sorted(nodes, key=burden, reverse=True) for nodes in (here, afar))
            self._round.extend(chain(*both))
        for _ in range(min(LADEN_MOST, len(self._round))):
            laden = self._round.popleft()
            if laden.has_backlog or laden.is_laden_afar:
                yield laden

    def _movable(self, laden: Node, now: datetime) -> Iterator[Unit]:
        """What a node could give, the last that came to it first; as many as wait there."""
        units = [unit for key in laden.taken if (unit := self.units.get(key)) is not None]
        here = [unit for unit in units if self._may_move(unit, laden, now)]
        waiting = len(laden.taken) - (laden.slots or 1)
        leaving = sum(unit.is_recalled and unit.node is laden for unit in units)
        here.sort(key=lambda unit: (since(unit), unit.place, unit.key), reverse=True)
        yield from here[: max(waiting - leaving, 0)]

    def _may_move(self, unit: Unit, laden: Node, now: datetime) -> bool:
        if unit.node is not laden or unit.placing is not None or unit.kept or unit.paused:
            return False
        if unit.state != "DISPATCHED" or unit.key in self.copies or unit.is_stray:
            return False
        return may_move(unit.state, (now - since(unit)).total_seconds(), unit.unsent)

    def _idle_for(self, unit: Unit, laden: Node) -> Node | None:
        """The node that would be chosen for the unit, if it would begin it at once."""
        node = self.index.choose(unit.demand, unit.shuns)
        if not isinstance(node, Node) or node.id in unit.shuns or not relieves(node, laden):
            return None
        return node

    def _recall(self, unit: Unit, laden: Node) -> bool:
        return self._tell(laden, Recall(unit.job, unit.number, unit.attempt, for_another=True))

    def _promise(self, unit: Unit, idle: Node, clock: float) -> None:
        self._keep(
            unit, Reservation(idle, unit.next_attempt, clock + RECALL_SECONDS, is_recall=True)
        )
        self._take(unit, idle)

    # -- for other gateways

    def lend(self, wish: StealRequest, now: datetime, clock: float) -> bool:
        """Ask for what another gateway's node would begin; False: that stays where it is.

        What is not known so here, or waits at no node of ours, others may know of.
        """
        unit = self.units.get((wish.job, wish.unit))
        if unit is None or unit.attempt != wish.attempt or unit.node is None:
            return True
        if unit.node.session is None:
            return True
        if not (self._may_move(unit, unit.node, now) and self._recall(unit, unit.node)):
            return False
        self._promise(unit, self.index.node(wish.node), clock)
        return True

    def _promised(self) -> Iterator[tuple[Unit, Node]]:
        """What came back for nodes of other gateways'."""
        lent, self._lent = self._lent, []
        return ((unit, node) for unit, node in lent if unit.waits and not unit.ticket)

    # -- what the session says

    def kept(self, key: UnitKey, attempt: int, node: UUID | None = None) -> UUID | None:
        """Its node has it already: it stays there. For which node another gateway wanted it."""
        unit = self.units.get(key)
        if unit is None or unit.attempt != attempt or not unit.is_recalled:
            return None
        idle = unit.placing.node if unit.placing is not None else None
        if idle is None or node not in (None, idle.id):
            return None
        unit.kept = True
        self._stay(unit)
        return idle.id if node is None and idle.session is None else None

    def _begin(self, unit: Unit) -> None:
        unit.state = "RUNNING"
        self._stay(unit)

    def _stay(self, unit: Unit) -> None:
        if unit.is_recalled:
            self._give_back(unit)

    def _came_back(self, unit: Unit, state: UnitState) -> bool:
        """Whether it is one that was asked for, and waits now: all else of it is known here."""
        is_back = state.state == "QUEUED" and state.attempt == unit.attempt
        placing = unit.placing
        if not is_back or placing is None or not placing.is_recall:
            return False
        if state.job_status == "PAUSED" or unit.node is None or placing.node is None:
            return False
        self._give_back(unit)
        self._take_away(unit, unit.node, finished=True)
        unit.state, unit.node, unit.unsent = "QUEUED", None, unit.unsent + 1
        unit.told, unit.not_before = False, None
        if placing.node.session is None:
            self._lent.append((unit, placing.node))
        else:
            self.queue.add(unit, unit.queued_at)  # it may be placed at once
        return True
