"""Placement: which node gets a new job, and which units that wait get a node now."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import attrs

from actors.scheduler.access import is_anybodys, may_do, people_of
from actors.scheduler.messages import AllNodesFull, Dispatch, NoCapableNode
from actors.scheduler.node import Node
from actors.scheduler.policy import can_do
from actors.scheduler.state import SchedulerState
from actors.scheduler.units import (
    AssignmentTag,
    PlacementRequest,
    RequestKind,
    Unit,
    kind_of,
    of_dispatch,
)
from sql.access import Access

ORDER_SECONDS: Final = 3.0  # the web waits two; a commit not answered by then never happens
PLACING_SECONDS: Final = 30.0  # no client waits for these commits: the Ledger may be slow
OVERSUBSCRIBED_MOST: Final = 8  # oversubscribed nodes that are examined for one unit

# -- new jobs


def book(
    state: SchedulerState, order: Dispatch, now: datetime, clock: float
) -> AssignmentTag | NoCapableNode | AllNodesFull:
    """Reserve a slot for a new job, or only keep the job where it may wait in the queue."""
    pinned_order = pinned(order, state.index, state.index.access)
    if isinstance(pinned_order, NoCapableNode):
        return pinned_order
    unit = of_dispatch(pinned_order, now)
    unit.not_before = order.plan.spec.start_after
    if unit.not_before is not None and unit.not_before > now:
        return state.reserve_queued(unit, clock + ORDER_SECONDS)
    choice = state.index.choose(unit.demand)
    if isinstance(choice, AllNodesFull) and state.expire(now, clock):
        choice = state.index.choose(unit.demand)
    if isinstance(choice, Node):
        return state.reserve(unit, choice, clock + ORDER_SECONDS)
    if _may_wait(state, order, unit, choice):
        return state.reserve_queued(unit, clock + ORDER_SECONDS)
    return choice


def _may_wait(
    state: SchedulerState, order: Dispatch, unit: Unit, choice: NoCapableNode | AllNodesFull
) -> bool:
    """Return whether a job may wait in the queue.

    A job of many units also waits where a node has not said hello yet.
    """
    if isinstance(choice, AllNodesFull):
        return order.plan.spec.queue or order.is_many
    if order.plan.spec.queue or not order.is_many:
        return order.plan.spec.queue
    alone = attrs.evolve(unit.demand, kind=attrs.evolve(unit.kind, many=False))
    return not isinstance(state.index.choose(alone), NoCapableNode)


def pinned(order: Dispatch, nodes: Iterable[Node], access: Access) -> Dispatch | NoCapableNode:
    """Return the order with the device class that its units are pinned to, if they must be alike.

    Frames of an animation flicker unless the device, instruction set and build of Blender are the
    same for all; and only a verifier of the same class can check them. The class is stored with the
    job and never changes. A node of it must be connected now.
    """
    needs = order.plan.needs
    if not needs.alike or needs.device_class:
        return order
    chosen = chosen_class(order, nodes, access)
    if chosen is None:
        return NoCapableNode()
    plan = attrs.evolve(order.plan, needs=attrs.evolve(needs, device_class=chosen))
    return attrs.evolve(order, plan=plan)


def chosen_class(order: Dispatch, nodes: Iterable[Node], access: Access) -> str | None:
    """Return the class with the most connected nodes that can do the job.

    A class whose nodes have two owners or more goes first: they can check each other's work.
    """
    kind = kind_of(order.plan, many=order.is_many)
    found: defaultdict[str, list[UUID | None]] = defaultdict(list)
    for node in nodes:
        name = node.resources.device_class
        can = node.session is not None and node.eligible and can_do(node, kind)
        if name and can and may_do(node, order.user, kind.pool, access):
            found[name].append(node.owner)
    sizes = ((min(len(set(owners)), 2), len(owners), name) for name, owners in found.items())
    return max(sizes, default=(0, 0, None))[-1]


# -- units that wait


def place(state: SchedulerState, now: datetime, clock: float) -> Iterator[AssignmentTag]:
    """Reserve slots for units that wait; each tag must be committed or refused.

    Units that came back for other gateways' nodes go first, then the queue, then units whose node
    cannot be reached.
    """
    if changed := state.index.take_changed():
        _wake(state, changed)
    returned = (pair for pair in state.take_returned() if pair[0].waits and not pair[0].ticket)
    alike = state.index.is_the_same_for_all and not state.index.oversubscribed
    queued = state.queue.placeable(partial(choose, state), alike=alike)
    unreachable = state.unreachable.placeable(state.index.choose)
    for unit, node in itertools.chain(returned, queued, unreachable):
        yield state.reserve(unit, node, clock + PLACING_SECONDS)


def _wake(state: SchedulerState, changed: Iterable[Node]) -> None:
    """Unpark the units that these nodes may be given.

    One node of each sort of machine is asked: after a change of trust all nodes are among them.
    """
    sorts: dict[tuple[object, ...], list[Node]] = {}
    for node in changed:
        sorts.setdefault((node.does, node.slots is None, node.resources), []).append(node)
    for nodes in sorts.values():
        first = nodes[0]

        def can(kind: RequestKind, node: Node = first) -> bool:
            return can_do(node, kind.as_asked)

        if any(map(is_anybodys, nodes)):
            state.queue.wake(can)
        access = state.index.access
        users = frozenset[UUID]().union(*(people_of(node, access) for node in nodes))
        state.queue.wake_of(users, can)


def choose(
    state: SchedulerState,
    demand: PlacementRequest,
    avoid: frozenset[UUID],
    failed: frozenset[UUID],
    /,
) -> Node | NoCapableNode | AllNodesFull:
    """Return the best node for a unit that waits, unless that node is saturated.

    The best has the fewest units per slot: if it is saturated, all are. One that was given more
    than that by new jobs may take a unit all the same (``_may_add``): a few are examined.
    """
    choice = state.index.choose(demand, avoid, failed)
    tried = avoid
    while isinstance(choice, Node) and choice.is_saturated:
        if _may_add(state, choice, demand):
            return choice
        known = avoid or choice.id in tried or len(tried) >= OVERSUBSCRIBED_MOST
        if known or not choice.is_oversubscribed:
            return AllNodesFull()
        tried |= {choice.id}
        choice = state.index.choose(demand, tried, tried)
    return choice


def _may_add(state: SchedulerState, node: Node, demand: PlacementRequest) -> bool:
    """Return whether a saturated node gets one more unit of the user.

    A user's first units do not wait behind later ones that a node already has: as many of them as
    the node runs at once may wait there. A user with nothing waiting at an oversubscribed node need
    not wait for the end of what it has.
    """
    units = (state.units.get(key) for key in node.assigned)
    own = [
        unit.turn
        for unit in units
        if unit is not None and unit.user == demand.user and unit.state != "RUNNING"
    ]
    if demand.turn is None or not own:
        return node.is_oversubscribed and not own
    before = sum(turn < demand.turn for turn in own)
    return before < min(len(own), max(node.slots or 1, 1))
