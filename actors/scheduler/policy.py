"""Decisions of the scheduler, as pure functions.

``turn`` decides which user is next. ``rank`` and the rules beside it decide which node a unit gets;
``NodeIndex`` applies them without examining every node.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID
from zlib import crc32

from actors.scheduler.access import is_trusted
from actors.scheduler.node import Node
from actors.scheduler.units import PlacementRequest, RequestKind
from rendertrust.job_types import is_preflight
from sql.access import Access
from sql.unit_retry_policy import NODE_FAILURES_MOST
from sql.units import ANY, weight

Rank: TypeAlias = tuple[bool, bool, float, bool, float, int]
Turn: TypeAlias = tuple[float, int, datetime]

PAUSE_SECONDS: Final = 15.0
PAUSE_SECONDS_MOST: Final = 600.0
BACKLOG_SECONDS: Final = 1.0  # a unit that has waited less at its node is not moved
UNSENT_MOST: Final = 8  # unsent attempts after which a unit stays with its node


def rank(node: Node) -> Rank:
    """Return a sort key for nodes, best first: connected, not resting, fewest units per slot, with
    results that a verifier can check, least loaded.

    A resting node gets work only if no other node can take it.
    """
    return (
        node.session is None,
        node.is_resting,
        burden(node),
        node.is_unverifiable,
        node.load,
        node.id.int,
    )


def has_untried(nodes: Iterable[Node], failed: Collection[UUID]) -> bool:
    """Return whether one of these nodes is connected and has not failed the unit."""
    return any(node.session is not None and node.id not in failed for node in nodes)


def owners_that_failed(
    failed: Iterable[Node], user: UUID | None, access: Access
) -> frozenset[UUID | None]:
    """Return the owners of the nodes that failed a unit; empty until three nodes have.

    Owners that the user trusts are left out. All nodes without an owner count as one owner's.
    """
    nodes = list(failed)
    if len(nodes) < NODE_FAILURES_MOST:
        return frozenset()
    return frozenset(node.owner for node in nodes if not is_trusted(node, user, access))


def has_precedence(node: Node, demand: PlacementRequest, access: Access) -> bool:
    """Return whether this node has precedence: no other gets such work while it is connected."""
    if demand.is_final and node.session is not None and is_trusted(node, demand.user, access):
        return True
    return node.is_own_online and is_preflight(demand.kind.job_type)


def can_do(node: Node, kind: RequestKind) -> bool:
    """Return whether a node can do units of this kind.

    Jobs of several units need a node that sent a hello.
    """
    says = node.slots is not None or not kind.many
    return says and kind.job_type in node.does and node.resources.has(kind.needs)


def yields_to_verifiable(node: Node, demand: PlacementRequest) -> bool:
    """Return whether other idle nodes are preferred, because no verifier can check this one.

    That matters only for units that strangers' nodes may do.
    """
    return node.is_unverifiable and demand.kind.pool == ANY


def yields(node: Node, demand: PlacementRequest) -> bool:
    """Return whether other idle nodes are preferred, although this one may have the unit's input.

    A resting node yields, too, and one that would first install the unit's Blender.
    """
    is_later = node.is_resting or node.resources.must_install(demand.kind.needs)
    return is_later or yields_to_verifiable(node, demand)


def with_installed(chosen: Node, others: Iterable[Node], demand: PlacementRequest) -> Node:
    """Return the node for a unit: ``chosen``, or of the ``others`` the best idle one that has the
    unit's version of Blender installed, if ``chosen`` would first install it.

    A busy node is not waited for: the next unit of that version finds both nodes ready.
    """
    needs = demand.kind.needs
    if not chosen.resources.must_install(needs):
        return chosen
    ready = (
        node
        for node in others
        if node.is_free and node.accepts_work and not node.is_resting
        if not node.resources.must_install(needs)
    )
    return min(ready, key=rank, default=chosen)


def turn(priority: int, share: int, queued_at: datetime) -> Turn:
    """Return a user's sort key in a fair queue, from their first unit; the least is next.

    ``share``: how many of the user's units nodes have. Users are ordered by ``share`` + 1 divided
    by the weight of the priority, then by the greater priority, then by the longer wait. So no user
    starves.
    """
    return ((share + 1) / weight(priority), -priority, queued_at)


def begins_elsewhere(key: tuple[UUID, int], index: int, gateways: int) -> bool:
    """Return whether another gateway should place a unit before gateway ``index``, this one.

    As gateways begin with different units, they seldom claim the same one. Each still places all
    units if the others have no nodes.
    """
    if gateways < 2:
        return False
    job, number = key
    return crc32(job.bytes + number.to_bytes(8)) % gateways != index


def pause_seconds(declines: int) -> float:
    """Return how long a node gets no units after it declined so often in a row."""
    return min(PAUSE_SECONDS * 2.0 ** (declines - 1), PAUSE_SECONDS_MOST)


def may_move(state: str, seconds: float, unsent: int) -> bool:
    """Return whether a unit that waited at its node for ``seconds`` may move to an idle one.

    Each move is an unsent attempt; ``unsent`` is the number of earlier ones.
    """
    return state == "DISPATCHED" and seconds >= BACKLOG_SECONDS and unsent < UNSENT_MOST


def relieves(idle: Node, busy: Node) -> bool:
    """Return whether the idle node has a free slot and does not rest, and units wait at the busy
    one.
    """
    may_take = idle.is_free and idle.accepts_work and not idle.is_resting
    return may_take and (busy.has_backlog or busy.has_backlog_elsewhere)


def burden(node: Node) -> float:
    """Return the number of units that a node has per slot."""
    return len(node.assigned) / max(node.slots or 1, 1)
