"""Why a unit has no node yet, or why its node has not begun: figures for people, of one moment."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import attrs

from actors.scheduler.access import may_do
from actors.scheduler.messages import WaitCounts
from actors.scheduler.node import Node
from actors.scheduler.placement_request import RequestKind
from actors.scheduler.policy import can_do, is_assigned, is_last
from actors.scheduler.state import SchedulerState
from actors.scheduler.unit import Unit
from sql.access import Access
from sql.scheduler_rows import ACTIVE

GOOD_SECONDS: Final = 1.0
ABLE: Final = ("ready", "full")
LACKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "unlike": {"device_class": ""},
    "small": {"memory": 0},
    "elsewise": {"device": ""},
    "older": {"blender": (0, 0)},
    "bare": {"opengl": False},
}


class WaitReasons:
    """Counts nodes once for all units of a kind and user: there may be thousands of either."""

    def __init__(self, board: SchedulerState) -> None:
        self._board = board
        self._counted: dict[tuple[RequestKind, UUID], WaitCounts] = {}
        self._until = 0.0

    def of(self, job: UUID, units: Iterable[int], clock: float) -> dict[int, WaitCounts]:
        """Of those that are open, as far as is known here; figures may be a second old."""
        if clock >= self._until:
            self._counted.clear()
            self._until = clock + GOOD_SECONDS
        known = ((number, self._board.units.get((job, number))) for number in units)
        return {number: self._of(unit) for number, unit in known if unit is not None}

    def _of(self, unit: Unit) -> WaitCounts:
        key = (unit.kind, unit.user)
        if key not in self._counted:
            self._counted[key] = counted(self._board, unit)
        return waiting_of(self._board, unit, self._counted[key])


def counted(board: SchedulerState, unit: Unit) -> WaitCounts:
    """Of all nodes, how many there are of each kind."""
    found: dict[str, Any] = Counter(
        _kind(node, unit, board.index.circles)
        for node in board.index
        if unit.job_type in node.capabilities
    )
    able = [
        node
        for node in board.index
        if is_last(node, unit.demand) and _kind(node, unit, board.index.circles) in ABLE
    ]
    return WaitCounts(
        odd=len(able),
        ready=found["ready"],
        full=found["full"],
        resting=found["resting"],
        barred=found["barred"],
        closed=found["closed"],
        away=found["away"],
        unable=found["unable"],
        unlike=found["unlike"],
        small=found["small"],
        elsewise=found["elsewise"],
        older=found["older"],
        bare=found["bare"],
    )


def waiting_of(board: SchedulerState, unit: Unit, figures: WaitCounts) -> WaitCounts:
    """With what is this unit's own."""
    has_node = is_assigned(unit.state) and unit.node is not None
    reachable = unit.node.session is not None if has_node and unit.node is not None else None
    return attrs.evolve(figures, not_before=unit.not_before, reachable=reachable)


def _kind(node: Node, unit: Unit, circles: Access) -> str:
    if unit.job_type not in node.capabilities:
        return "unable"
    if not node.healthy and node.session is None:
        return "away"
    if not node.eligible or (node.standing.name != ACTIVE and node.owner != unit.user):
        return "barred"
    if not may_do(node, unit.user, unit.kind.pool, circles):
        return "closed"
    if not can_do(node, unit.kind):
        hung_up = node.session is None and node.offered is None  # what it has it said last time
        return "away" if hung_up else _lack(node, unit.kind)
    if node.is_paused:
        return "resting"
    return "ready" if node.accepts_work else "full"


def _lack(node: Node, kind: RequestKind) -> str:
    """Why it cannot do such work: by the one thing that it lacks, where it is one."""
    for lack, asks_not in LACKS.items():
        if can_do(node, attrs.evolve(kind, needs=attrs.evolve(kind.needs, **asks_not))):
            return lack
    return "unable"
