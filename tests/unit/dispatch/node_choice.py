"""Choice of a node by examining every node: what ``NodeIndex.choose`` must give."""

from collections.abc import Collection, Iterable
from uuid import UUID

import attrs

from actors.scheduler.access import may_do
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import Node
from actors.scheduler.policy import (
    can_do,
    has_precedence,
    has_untried,
    owners_that_failed,
    rank,
    yields,
)
from actors.scheduler.units import PlacementRequest
from sql.access import ALONE, Access


def candidates(
    nodes: Iterable[Node],
    demand: PlacementRequest,
    avoid: frozenset[UUID] = frozenset(),
    access: Access = ALONE,
    failed: frozenset[UUID] = frozenset(),
) -> list[Node]:
    """Return the nodes that may get the unit, by the rules of ``NodeIndex.choose``."""
    known = list(nodes)
    asked = _capable(known, attrs.evolve(demand, kind=demand.kind.as_asked), access)
    capable = _capable(known, demand, access)
    if not has_untried(capable, failed) and (has_untried(asked, failed) or not capable):
        capable = asked
    have_failed = (node for node in known if node.id in failed)
    owners = owners_that_failed(have_failed, demand.user, access)
    fresh = [n for n in capable if owners and n.session is not None and n.owner not in owners]
    tiers = (
        [node for node in among if node.id not in shunned]
        for among in (fresh, capable)
        for shunned in (avoid, failed)
    )
    able = next((tier for tier in tiers if tier), capable)
    return [node for node in able if has_precedence(node, demand, access)] or able


def _capable(nodes: Iterable[Node], demand: PlacementRequest, access: Access) -> list[Node]:
    """Return the healthy nodes that meet the requirements and may do this user's work."""
    kind = demand.kind
    fit = (node for node in nodes if node.eligible and can_do(node, kind))
    return [node for node in fit if may_do(node, demand.user, kind.pool, access)]


def choose(
    nodes: Iterable[Node],
    demand: PlacementRequest,
    avoid: frozenset[UUID] = frozenset(),
    access: Access = ALONE,
    *,
    holders: Collection[UUID] = (),
    failed: frozenset[UUID] = frozenset(),
) -> Node | NoCapableNode | AllNodesFull:
    """Return the node for a unit; ``holders`` probably have its input in their cache."""
    capable = candidates(nodes, demand, avoid, access, failed)
    if not capable:
        return NoCapableNode()
    room = [node for node in capable if node.accepts_work]
    near = [n for n in room if n.is_free and n.id in holders and not yields(n, demand)]
    if not room:
        return AllNodesFull()
    best, needs = min(near or room, key=rank), demand.kind.needs
    if not best.resources.must_install(needs):
        return best
    ready = [node for node in room if not node.resources.must_install(needs)]
    return min((n for n in ready if n.is_free and not n.is_resting), key=rank, default=best)
