"""Work stealing: units that wait behind other units at a busy node move to an idle node.

Only the session of the busy node knows whether it has sent a unit to the node. So the scheduler
recalls the unit: it asks the session to return the unit. A unit that was not sent is requeued as an
unsent attempt, which is no retry, and is then placed like any other. Until the unit is returned, a
slot of the idle node is held.

If another gateway serves the busy node, that gateway's scheduler gets a ``StealRequest`` and
recalls the unit. The scheduler that gets a ``StealRequest`` assigns the returned unit to the node
that the request names, and informs the other gateways with ``PeerAssigned``.
"""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Final, TypeAlias
from uuid import UUID

from actors.scheduler.messages import StealRequest
from actors.scheduler.node import Node
from actors.scheduler.policy import burden, may_move, relieves
from actors.scheduler.state import SchedulerState
from actors.scheduler.units import RequestKind, Unit

BUSY_MOST: Final = 256  # nodes with a backlog that one round examines
RECALL_SECONDS: Final = 10.0  # how long the idle node's slot is held for a recalled unit
# Kind, user and avoided nodes: units with the same value can go to the same nodes.
Movability: TypeAlias = tuple[RequestKind, UUID, frozenset[UUID]]


class WorkStealing:
    """Decides which units move to which nodes; the state carries the moves out."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state
        self._round: deque[Node] = deque()  # nodes with a backlog that are still to be examined

    @property
    def is_uneven(self) -> bool:
        """True if units wait at some nodes while others are idle."""
        index = self._state.index
        return bool(index.free and (index.busy or index.busy_elsewhere))

    def balance(self, now: datetime, clock: float) -> list[StealRequest]:
        """Recall units that idle nodes would begin at once; return the requests to other gateways.

        The node with the most units per slot is relieved first; of its units the last ones move.
        """
        no_idle_node: set[Movability] = set()
        requests: list[StealRequest] = []
        expires = clock + RECALL_SECONDS
        for unit, busy in self._in_backlogs(now):
            movability = (unit.kind, unit.user, unit.shuns)
            if movability in no_idle_node:
                continue
            if (idle := self._idle_for(unit, busy)) is None:
                no_idle_node.add(movability)
            elif busy.session is None:
                requests.append(StealRequest(unit.job, unit.number, unit.attempt, idle.id))
                self._state.reserve_recalled(unit, idle, expires)
            else:
                self._state.recall(unit, idle, expires)
        return requests

    def recall_for_peer(self, request: StealRequest, now: datetime, clock: float) -> bool:
        """Recall a unit for another gateway's node; return False if the unit must stay.

        Return True also if the unit is unknown here, or its node has no session here: another
        gateway may recall the unit.
        """
        unit = self._state.units.get((request.job, request.unit))
        if unit is None or unit.attempt != request.attempt or unit.node is None:
            return True
        if unit.node.session is None:
            return True
        if not self._may_move(unit, unit.node, now):
            return False
        idle = self._state.index.node(request.node)
        return self._state.recall(unit, idle, clock + RECALL_SECONDS)

    def _in_backlogs(self, now: datetime) -> Iterator[tuple[Unit, Node]]:
        """Yield units that could move, and their nodes, while a node is idle.

        Nodes with a session here come first.
        """
        for busy in self._busy_nodes():
            for unit in self._movable(busy, now):
                if not self._state.index.free:
                    return
                yield unit, busy

    def _busy_nodes(self) -> Iterator[Node]:
        """Yield the next nodes of a round over all nodes that had a backlog when it began.

        At most ``BUSY_MOST`` nodes are examined in one call; the next call continues the round.
        """
        here, elsewhere = self._state.index.busy.values(), self._state.index.busy_elsewhere.values()
        if not self._round or len(here) + len(elsewhere) <= BUSY_MOST:
            self._round.clear()
            both = (sorted(nodes, key=burden, reverse=True) for nodes in (here, elsewhere))
            self._round.extend(chain(*both))
        for _ in range(min(BUSY_MOST, len(self._round))):
            busy = self._round.popleft()
            if busy.has_backlog or busy.has_backlog_elsewhere:
                yield busy

    def _movable(self, busy: Node, now: datetime) -> Iterator[Unit]:
        """Yield the units that wait at a node, the last assigned first."""
        known = self._state.units
        units = [unit for key in busy.assigned if (unit := known.get(key)) is not None]
        here = [unit for unit in units if self._may_move(unit, busy, now)]
        waiting = len(busy.assigned) - (busy.slots or 1)
        leaving = sum(unit.is_recalled and unit.node is busy for unit in units)
        here.sort(key=lambda unit: (unit.active_since, unit.place, unit.key), reverse=True)
        yield from here[: max(waiting - leaving, 0)]

    def _may_move(self, unit: Unit, busy: Node, now: datetime) -> bool:
        if (
            unit.node is not busy
            or unit.reservation is not None
            or unit.recall_refused
            or unit.paused
        ):
            return False
        if unit.state != "DISPATCHED" or unit.key in self._state.copies or unit.is_unreachable:
            return False
        return may_move(unit.state, (now - unit.active_since).total_seconds(), unit.unsent)

    def _idle_for(self, unit: Unit, busy: Node) -> Node | None:
        """Return the node that would be chosen for the unit, if it would begin the unit at once."""
        node = self._state.index.choose(unit.demand, unit.shuns)
        if not isinstance(node, Node) or node.id in unit.shuns or not relieves(node, busy):
            return None
        return node
