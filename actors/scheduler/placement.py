"""Placement: which node gets a new job, and which units that wait get a node now."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import attrs

from actors.ledger.effects import JobInsert
from actors.scheduler.access import may_do, related_users, takes_every_user
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import GPU, Node, blenders_of
from actors.scheduler.policy import can_do
from actors.scheduler.state import SchedulerState
from actors.scheduler.units import (
    AssignmentTag,
    PlacementRequest,
    RequestKind,
    Unit,
    kind_of,
    of_insert,
)
from rendertrust.blender_version import UNKNOWN, BlenderVersion
from sql.access import Access

# How long a slot is held for a new job: the web and the Ledger give up within two seconds.
NEW_JOB_SECONDS: Final = 3.0
# How long a slot is held for a waiting unit: no client waits, so the Ledger may be slow.
PLACING_SECONDS: Final = 30.0
OVERSUBSCRIBED_MOST: Final = 8  # oversubscribed nodes that are examined for one unit

# -- new jobs


def reserve(
    state: SchedulerState, insert: JobInsert, now: datetime, clock: float
) -> AssignmentTag | NoCapableNode | AllNodesFull:
    """Reserve a slot for a new job; without one, register the job if it may wait in the queue."""
    pinned_insert = pinned(insert, state.index, state.index.access)
    if isinstance(pinned_insert, NoCapableNode):
        return NoCapableNode(_other_blenders(state, insert))
    unit = of_insert(pinned_insert, now)
    unit.not_before = insert.plan.spec.start_after
    if unit.not_before is not None and unit.not_before > now:
        return state.reserve_queued(unit, clock + NEW_JOB_SECONDS)
    choice = state.index.choose(unit.demand)
    if isinstance(choice, AllNodesFull) and state.expire(now, clock):
        choice = state.index.choose(unit.demand)
    if isinstance(choice, Node):
        return state.reserve(unit, choice, clock + NEW_JOB_SECONDS)
    if _may_wait(state, insert, unit, choice):
        return state.reserve_queued(unit, clock + NEW_JOB_SECONDS)
    if isinstance(choice, NoCapableNode):
        return NoCapableNode(_other_blenders(state, insert), _largest_card(state, insert))
    return choice


def _other_blenders(state: SchedulerState, insert: JobInsert) -> tuple[BlenderVersion, ...]:
    """Return the versions of Blender on connected nodes that lack only the job's version."""
    kind = kind_of(insert.plan, many=insert.is_many)
    if kind.needs.blender == UNKNOWN:
        return ()
    kind = attrs.evolve(kind, needs=attrs.evolve(kind.needs, blender=UNKNOWN))
    access = state.index.access
    return blenders_of(node for node in state.index if _is_able(node, insert, kind, access))


def _largest_card(state: SchedulerState, insert: JobInsert) -> int | None:
    """Return the graphics memory of the largest card, if nodes lack only the card that the job asks
    for; None if they lack something else.
    """
    kind = kind_of(insert.plan, many=insert.is_many)
    if kind.needs.device != GPU:
        return None
    without = attrs.evolve(kind.needs, device="", vram=0, card_memory=0)
    kind, access = attrs.evolve(kind, needs=without), state.index.access
    able = [node.resources for node in state.index if _is_able(node, insert, kind, access)]
    return max((each.vram for each in able), default=None)


def _may_wait(
    state: SchedulerState, insert: JobInsert, unit: Unit, choice: NoCapableNode | AllNodesFull
) -> bool:
    """Return whether a job may wait in the queue.

    A job of several units also waits if nodes that could do it have not sent a hello yet.
    """
    if isinstance(choice, AllNodesFull):
        return insert.plan.spec.queue or insert.is_many
    if insert.plan.spec.queue or not insert.is_many:
        return insert.plan.spec.queue
    alone = attrs.evolve(unit.demand, kind=attrs.evolve(unit.kind, many=False))
    return not isinstance(state.index.choose(alone), NoCapableNode)


def pinned(insert: JobInsert, nodes: Iterable[Node], access: Access) -> JobInsert | NoCapableNode:
    """Return the job, pinned to a device class if its frames must look alike.

    An animation flickers unless all its frames have the same device, instruction set and build of
    Blender. Also, only a verifier of the same class can compare the frames exactly. The class is
    stored with the job and never changes. A node of the class must be connected now.
    """
    needs = insert.plan.needs
    if not needs.alike or needs.device_class:
        return insert
    chosen = chosen_class(insert, nodes, access)
    if chosen is None:
        return NoCapableNode()
    plan = attrs.evolve(insert.plan, needs=attrs.evolve(needs, device_class=chosen))
    return attrs.evolve(insert, plan=plan)


def chosen_class(insert: JobInsert, nodes: Iterable[Node], access: Access) -> str | None:
    """Return the device class with the most connected nodes that can do the job; None if no node
    can.
    """
    kind = kind_of(insert.plan, many=insert.is_many)
    found: Counter[str] = Counter()
    for node in nodes:
        name = node.resources.class_for(kind.needs)
        if name and _is_able(node, insert, kind, access):
            found[name] += 1
    return max(found, key=lambda name: (found[name], name), default=None)


def _is_able(node: Node, insert: JobInsert, kind: RequestKind, access: Access) -> bool:
    """Return whether a node that is connected here can do the job, and may do it for its user."""
    can = node.session is not None and node.eligible and can_do(node, kind)
    return can and may_do(node, insert.user, kind.pool, access)


# -- units that wait


def place(state: SchedulerState, now: datetime, clock: float) -> Iterator[AssignmentTag]:
    """Reserve slots for units that wait; each tag must be committed or refused.

    Units that were recalled for other gateways' nodes go first, then the queue, then unreachable
    units.
    """
    if changed := state.index.take_changed():
        _wake(state, changed)
    returned = (pair for pair in state.take_returned() if pair[0].waits and not pair[0].ticket)
    alike = state.index.ignores_user and not state.index.oversubscribed
    queued = state.queue.placeable(partial(choose_for_waiting, state), alike=alike)
    unreachable = state.unreachable.placeable(state.index.choose)
    for unit, node in itertools.chain(returned, queued, unreachable):
        yield state.reserve(unit, node, clock + PLACING_SECONDS)


def _wake(state: SchedulerState, changed: Iterable[Node]) -> None:
    """Unpark the units that these nodes may be able to do.

    Of nodes with equal job types and resources only one is examined, as a change of trust changes
    all nodes.
    """
    sorts: dict[tuple[object, ...], list[Node]] = {}
    for node in changed:
        sorts.setdefault((node.does, node.slots is None, node.resources), []).append(node)
    for nodes in sorts.values():
        first = nodes[0]

        def can(kind: RequestKind, node: Node = first) -> bool:
            return can_do(node, kind.as_asked)

        if any(map(takes_every_user, nodes)):
            state.queue.wake(can)
        access = state.index.access
        users = frozenset[UUID]().union(*(related_users(node, access) for node in nodes))
        state.queue.wake_of(users, can)


def choose_for_waiting(
    state: SchedulerState,
    demand: PlacementRequest,
    avoid: frozenset[UUID],
    failed: frozenset[UUID],
    /,
) -> Node | NoCapableNode | AllNodesFull:
    """Return the best node for a unit that waits, unless that node is saturated.

    The best node has the fewest units per slot: if it is saturated, all are. A saturated node still
    gets the unit if ``_may_add`` allows it; if the best is oversubscribed, a few more are examined.
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

    It does if the unit comes before another of the user's units that wait at the node, and fewer of
    these come before it than the node has slots. An oversubscribed node also gets a unit of a user
    who has no unit waiting there, so that other users' backlog does not delay this user.
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
