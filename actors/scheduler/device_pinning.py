"""Frames of one job that are to be alike: all of them by one class of nodes, which is chosen here.

Of an animation each frame is to come of the same device, instruction set and build of Blender, or
it may flicker; and a frame is only checked by a node of the class that rendered it.
"""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

import attrs

from actors.scheduler.access import may_do
from actors.scheduler.messages import Dispatch, NoCapableNode
from actors.scheduler.node import Node
from actors.scheduler.placement_request import NEEDS, kind_of, wants_alike
from actors.scheduler.policy import can_do
from sql.access import Access


def pinned(order: Dispatch, nodes: Iterable[Node], circles: Access) -> Dispatch | NoCapableNode:
    """The order with the class of nodes that its units are for, if they are to be alike.

    It is written down with the job, and never changes. There must be such a node now.
    """
    if not wants_alike(order.params):
        return order
    chosen = chosen_class(order, nodes, circles)
    if chosen is None:
        return NoCapableNode()
    needs = {**order.params[NEEDS], "device_class": chosen}
    return attrs.evolve(order, params={**order.params, NEEDS: needs})


def chosen_class(order: Dispatch, nodes: Iterable[Node], circles: Access) -> str | None:
    """The class with the most nodes that are connected and may do it; before all others those of
    two owners at least, who can check each other's work.
    """
    kind = kind_of(order.job_type, order.params, many=len(order.pieces) > 1)
    found: defaultdict[str, list[UUID | None]] = defaultdict(list)
    for node in nodes:
        name = node.resources.device_class
        can = node.session is not None and node.eligible and can_do(node, kind)
        if name and can and may_do(node, order.user, kind.pool, circles):
            found[name].append(node.owner)
    sizes = ((min(len(set(owners)), 2), len(owners), name) for name, owners in found.items())
    return max(sizes, default=(0, 0, None))[-1]
