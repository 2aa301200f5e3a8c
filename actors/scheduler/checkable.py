"""Whose work somebody who is there could hold against its scene: figures of one moment.

As the Verifier chooses: one of the gateway's own that is kin of it; where none of those is there,
a node of another owner and the same class.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from actors.scheduler.board import Board
from actors.scheduler.node import Node
from actors.scheduler.verifiers import checks
from sql.kin import is_kin

RENDER: Final = "render"


def checkable(board: Board, nodes: Iterable[UUID]) -> dict[UUID, bool]:
    """Of those of the nodes that are connected and render."""
    known = (board.index.get(node) for node in nodes)
    asked = [one for one in known if one is not None and one.session and RENDER in one.does]
    checkers = [one for one in board.index if checks(one)]
    ours = {one.kit.device_class for one in checkers if one.is_ours}
    owners: defaultdict[str, set[UUID]] = defaultdict(set)
    for one in checkers:
        if one.owner is not None and not one.is_ours:
            owners[one.kit.device_class].add(one.owner)
    return {one.id: _is_checkable(one, ours, owners[one.kit.device_class]) for one in asked}


def _is_checkable(node: Node, ours: set[str], owners: set[UUID]) -> bool:
    if node.is_ours:
        return True  # it is known, whoever looks
    if ours:
        return any(is_kin(one, node.kit.device_class) for one in ours)
    return bool(owners - {node.owner})
