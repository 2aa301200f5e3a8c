"""Read-only answers of the scheduler: fleets, verifier coverage, alternatives, wait reasons."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

import attrs

from actors.node_session.messages import AlternativesFound
from actors.scheduler.access import may_do
from actors.scheduler.messages import CPU, FindAlternatives, FleetSummary, WaitCounts
from actors.scheduler.node import Lacked, Node, blenders_of, raised_requirements
from actors.scheduler.node_index import can_run_checks
from actors.scheduler.policy import can_do, yields_to_verifiable
from actors.scheduler.state import SchedulerState
from actors.scheduler.units import RequestKind, Unit
from rendertrust.blender_version import UNKNOWN
from rendertrust.device_class import are_comparable
from rendertrust.job_status import AT_WORK
from rendertrust.job_types import RENDER
from sql.access import Access
from sql.nodes import ACTIVE


def fleet_of(state: SchedulerState, user: UUID, job_type: str, pool: str) -> FleetSummary:
    """Summarise the live nodes that do this job type for the user in the pool."""
    able = [node for node in state.index if _may(state, node, user, job_type, pool)]
    resources_by_node = [node.resources for node in able]
    return FleetSummary(
        nodes=len(able),
        slots=sum(node.slots or 1 for node in able),
        blenders=blenders_of(able),
        memory=max((resources.memory for resources in resources_by_node), default=0),
        ours=sum(node.is_own_online for node in able),
        has_gpu=any(resources.device not in ("", CPU) for resources in resources_by_node),
        has_opengl=any(resources.opengl for resources in resources_by_node),
    )


def _may(state: SchedulerState, node: Node, user: UUID, job_type: str, pool: str) -> bool:
    lives = node.eligible and job_type in node.does
    return lives and may_do(node, user, pool, state.index.access)


def verifier_coverage(state: SchedulerState, nodes: Iterable[UUID]) -> dict[UUID, bool]:
    """Return for each connected node that renders whether a verifier can check its results."""
    known = (state.index.get(node) for node in nodes)
    asked = [one for one in known if one is not None and one.session and RENDER in one.does]
    verifiers = (one for one in state.index if one.is_ours and can_run_checks(one))
    classes = {each for one in verifiers for each in one.resources.classes}
    return {
        one.id: one.is_ours
        or any(are_comparable(each, one.resources.device_class) for each in classes)
        for one in asked
    }


def alternatives(state: SchedulerState, asked: FindAlternatives) -> AlternativesFound:
    """Describe the other connected nodes for a unit that its node cannot do.

    For a unit that this scheduler does not know, the answer is one after which the unit is tried
    again. All nodes without an owner, and unknown nodes, count as nodes of one owner.
    """
    about = (asked.job, asked.unit, asked.attempt)
    unit = state.units.get((asked.job, asked.unit))
    if unit is None:
        return AlternativesFound(*about, is_able=True, is_other=True, is_untried=True)
    lacked = Lacked(asked.memory, asked.opengl, asked.vram, asked.scripts)
    needs = raised_requirements(unit.kind.needs, lacked)
    kind = attrs.evolve(unit.kind, needs=needs)
    owner = state.index.node(asked.node).owner
    tried = [state.index.get(name) for name in unit.avoid - {asked.node}]
    owners = {owner, *(None if node is None else node.owner for node in tried)}
    others = list(_others(state, unit, asked))
    fresh = [node for node in others if node.id not in unit.avoid and _may_do(node, unit)]
    seconds = (n for n in tried if n is not None and n.session is not None and n.owner != owner)
    return AlternativesFound(
        *about,
        is_able=any(can_do(node, kind) or _may_be_elsewhere(node, unit) for node in others),
        is_other=any(node.owner not in owners for node in fresh),
        is_seconded=any(seconds),
        is_untried=bool(fresh),
        owners=len(owners),
    )


def _others(state: SchedulerState, unit: Unit, asked: FindAlternatives) -> Iterator[Node]:
    """Yield the other nodes that may do the user's work and have a session at any gateway."""
    is_alone = state.membership[1] < 2
    for node in state.index:
        is_there = node.session is not None or not (is_alone or node.epoch == 0)
        may = may_do(node, unit.user, unit.kind.pool, state.index.access)
        if node.id != asked.node and is_there and node.eligible and may:
            yield node


def _may_do(node: Node, unit: Unit) -> bool:
    """Return whether a node meets the unit's requirements, or the requirements that its job asked
    for.
    """
    kind = unit.kind
    return can_do(node, kind) or can_do(node, kind.as_asked) or _may_be_elsewhere(node, unit)


def _may_be_elsewhere(node: Node, unit: Unit) -> bool:
    """Return whether another gateway may serve the node, whose resources are then unknown here."""
    return node.session is None and node.healthy and unit.job_type in node.capabilities


REUSE_SECONDS: Final = 1.0  # how long counts are reused
ABLE: Final = ("ready", "full")
# By reason: the requirement that a node does not meet, with a value that every node meets.
LACKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "wrong_class": {"device_class": ""},
    "low_memory": {"memory": 0, "vram": 0, "card_memory": 0},
    "wrong_device": {"device": "", "scripts": False},
    "other_blender": {"blender": UNKNOWN},
    "no_opengl": {"opengl": False},
}


class WaitReasons:
    """Counts nodes once for all units of the same kind and user, and reuses counts for a second."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state
        self._counted: dict[tuple[RequestKind, UUID], WaitCounts] = {}
        self._until = 0.0

    def of(self, job: UUID, units: Iterable[int], clock: float) -> dict[int, WaitCounts]:
        """Return the counts for the units that this scheduler knows, by number."""
        if clock >= self._until:
            self._counted.clear()
            self._until = clock + REUSE_SECONDS
        known = ((number, self._state.units.get((job, number))) for number in units)
        return {number: self._of(unit) for number, unit in known if unit is not None}

    def _of(self, unit: Unit) -> WaitCounts:
        key = (unit.kind, unit.user)
        if key not in self._counted:
            self._counted[key] = count_nodes(self._state, unit)
        return waiting_of(self._state, unit, self._counted[key])


def count_nodes(state: SchedulerState, unit: Unit) -> WaitCounts:
    """Count the nodes by the reason why they do not run the unit."""
    found: dict[str, Any] = Counter(
        _kind(node, unit, state.index.access)
        for node in state.index
        if unit.job_type in node.capabilities
    )
    able = [
        node
        for node in state.index
        if yields_to_verifiable(node, unit.demand) and _kind(node, unit, state.index.access) in ABLE
    ]
    return WaitCounts(
        unverifiable=len(able),
        ready=found["ready"],
        full=found["full"],
        paused=found["paused"],
        barred=found["barred"],
        closed=found["closed"],
        silent=found["silent"],
        unable=found["unable"],
        wrong_class=found["wrong_class"],
        low_memory=found["low_memory"],
        wrong_device=found["wrong_device"],
        other_blender=found["other_blender"],
        no_opengl=found["no_opengl"],
    )


def waiting_of(state: SchedulerState, unit: Unit, figures: WaitCounts) -> WaitCounts:
    """Return the counts with the unit's start time, and whether its node can be reached."""
    has_node = unit.state in AT_WORK and unit.node is not None
    reachable = unit.node.session is not None if has_node and unit.node is not None else None
    return attrs.evolve(figures, not_before=unit.not_before, reachable=reachable)


def _kind(node: Node, unit: Unit, access: Access) -> str:
    if unit.job_type not in node.capabilities:
        return "unable"
    if not node.healthy and node.session is None:
        return "silent"
    if not node.eligible or (node.standing.name != ACTIVE and node.owner != unit.user):
        return "barred"
    if not may_do(node, unit.user, unit.kind.pool, access):
        return "closed"
    if not can_do(node, unit.kind):
        is_reset = node.session is None and node.offered is None  # no hello since its session ended
        return "silent" if is_reset else _lack(node, unit.kind)
    if node.is_paused or node.is_resting:
        return "paused"
    return "ready" if node.accepts_work else "full"


def _lack(node: Node, kind: RequestKind) -> str:
    """Return the one requirement that a node does not meet; ``unable`` if there are several."""
    for lack, asks_not in LACKS.items():
        if can_do(node, attrs.evolve(kind, needs=attrs.evolve(kind.needs, **asks_not))):
            return lack
    return "unable"
