"""Decisions of the scheduler over values (pure).

``turn`` says whose unit is next, ``choose`` which node it gets. ``UnitQueue`` and ``NodeIndex``
give the same answers without examining everything.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID
from zlib import crc32

import attrs

from actors.scheduler.access import is_trusted, may_do
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import Node
from actors.scheduler.units import PlacementRequest, RequestKind
from sql.access import ALONE, Access
from sql.retry_policy import NODE_FAILURES_MOST
from sql.units import ANY, weight

Rank: TypeAlias = tuple[bool, float, bool, float, int]
Turn: TypeAlias = tuple[float, int, datetime]

PAUSE_SECONDS: Final = 15.0
PAUSE_SECONDS_MOST: Final = 600.0
BACKLOG_SECONDS: Final = 1.0  # a unit that takes less is not worth moving
UNSENT_MOST: Final = 8  # unsent attempts of a unit; after these it stays with its node
# Prices follow from preflights, so nodes that the gateway's owner controls do them first.
FOR_OURS: Final = "preflight"


def rank(node: Node) -> Rank:
    """Order nodes, the best first: connected, fewest units per slot, verifiable, least loaded."""
    return (
        node.session is None,
        burden(node),
        node.is_unverifiable,
        node.load,
        node.id.int,
    )


def candidates(
    nodes: Iterable[Node],
    demand: PlacementRequest,
    avoid: frozenset[UUID] = frozenset(),
    access: Access = ALONE,
    failed: frozenset[UUID] = frozenset(),
) -> list[Node]:
    """Return the healthy nodes that can do the work and may do this user's.

    A node to ``avoid``, because it failed the job before, is among them only if there is no other,
    and a node that ``failed`` the unit only if all others did: a unit that only one node can do
    would otherwise wait for ever. Once three nodes have failed it, connected nodes of other owners
    than those ``heard`` go first. Preflights go to nodes of the gateway's owner, as long as one
    that can do them is connected. The last try of a unit goes to nodes that its user trusts.

    What nodes found that a unit needs counts while a connected node has it that did not fail the
    unit, or where there is no other node.
    """
    known = list(nodes)
    asked = _capable(known, attrs.evolve(demand, kind=demand.kind.as_asked), access)
    capable = _capable(known, demand, access)
    if not has_untried(capable, failed) and (has_untried(asked, failed) or not capable):
        capable = asked
    said = heard((node for node in known if node.id in failed), demand.user, access)
    fresh = [n for n in capable if n.session is not None and n.owner not in said] if said else []
    tiers = (
        [node for node in among if node.id not in shunned]
        for among in (fresh, capable)
        for shunned in (avoid, failed)
    )
    able = next((tier for tier in tiers if tier), capable)
    return [node for node in able if goes_before(node, demand, access)] or able


def _capable(nodes: Iterable[Node], demand: PlacementRequest, access: Access) -> list[Node]:
    """Return the healthy nodes that have what is needed and may do this user's work."""
    kind = demand.kind
    fit = (node for node in nodes if node.eligible and can_do(node, kind))
    return [node for node in fit if may_do(node, demand.user, kind.pool, access)]


def has_untried(nodes: Iterable[Node], failed: Collection[UUID]) -> bool:
    """Return whether a connected node among them has not failed the unit."""
    return any(node.session is not None and node.id not in failed for node in nodes)


def heard(failed: Iterable[Node], user: UUID | None, access: Access) -> frozenset[UUID | None]:
    """Return the owners whose nodes failed a unit, once three nodes have; others go first then.

    Owners that the user trusts are left out. Nodes without an account have one owner together.
    """
    nodes = list(failed)
    if len(nodes) < NODE_FAILURES_MOST:
        return frozenset()
    return frozenset(node.owner for node in nodes if not is_trusted(node, user, access))


def goes_before(node: Node, demand: PlacementRequest, access: Access) -> bool:
    """Return whether no other node gets such work while this one is connected."""
    if demand.is_final and node.session is not None and is_trusted(node, demand.user, access):
        return True
    return node.is_own_online and demand.kind.job_type == FOR_OURS


def can_do(node: Node, kind: RequestKind) -> bool:
    """Return whether a node can do such units. Jobs of many units need a node that said hello."""
    says = node.slots is not None or not kind.many
    return says and kind.job_type in node.does and node.resources.has(kind.needs)


def choose(
    nodes: Iterable[Node],
    demand: PlacementRequest,
    avoid: frozenset[UUID] = frozenset(),
    access: Access = ALONE,
    *,
    holders: Collection[UUID] = (),
    failed: frozenset[UUID] = frozenset(),
) -> Node | NoCapableNode | AllNodesFull:
    """Return the node for a unit.

    Of the ``holders`` of its input it is the best that would begin at once, otherwise the best of
    all. ``NodeIndex.choose`` gives the same answer without examining every node.
    """
    capable = candidates(nodes, demand, avoid, access, failed)
    if not capable:
        return NoCapableNode()
    room = [node for node in capable if node.accepts_work]
    near = [n for n in room if n.is_free and n.id in holders and not is_last(n, demand)]
    return min(near or room, key=rank) if room else AllNodesFull()


def is_last(node: Node, demand: PlacementRequest) -> bool:
    """Return whether idle verifiable nodes go before it: it gets work of strangers."""
    return node.is_unverifiable and demand.kind.pool == ANY


def turn(priority: int, share: int, queued_at: datetime) -> Turn:
    """Order users by their first units, the least first.

    The user who would have the least at work, by weight, if they got one more goes first; then the
    greater priority, then the longest wait. So no user starves: one with nothing at work goes
    before all who have enough.
    """
    return ((share + 1) / weight(priority), -priority, queued_at)


def begins_elsewhere(key: tuple[UUID, int], index: int, gateways: int) -> bool:
    """Return whether another gateway places a unit first; ``index`` is this gateway's number.

    So gateways seldom claim the same unit, yet each places all units if the others have no nodes.
    """
    if gateways < 2:
        return False
    job, number = key
    return crc32(job.bytes + number.to_bytes(8)) % gateways != index


def pause_seconds(declines: int) -> float:
    """Return how long a node gets nothing after it declined so many units in a row."""
    return min(PAUSE_SECONDS * 2.0 ** (declines - 1), PAUSE_SECONDS_MOST)


def may_move(state: str, seconds: float, unsent: int) -> bool:
    """Return whether a unit that was in a node's backlog for so long may go to an idle node.

    Each move is an unsent attempt, like every return from a backlog.
    """
    return state == "DISPATCHED" and seconds >= BACKLOG_SECONDS and unsent < UNSENT_MOST


def relieves(idle: Node, busy: Node) -> bool:
    """Return whether the idle node would begin at once what waits at the busy one."""
    return idle.is_free and idle.accepts_work and (busy.has_backlog or busy.has_backlog_elsewhere)


def burden(node: Node) -> float:
    """Return how many units a node has for each slot."""
    return len(node.assigned) / max(node.slots or 1, 1)
