"""Where else a unit could go that a node could not do: asked before it has come to nothing."""

from collections.abc import Iterator

import attrs

from actors.node_session.messages import Elsewhere
from actors.scheduler.board import Board
from actors.scheduler.circles import may_do
from actors.scheduler.kit import raised
from actors.scheduler.messages import WhoElse
from actors.scheduler.node import Node
from actors.scheduler.policy import can_do
from actors.scheduler.unit import Unit


def elsewhere(board: Board, asked: WhoElse) -> Elsewhere:
    """What nodes there are for it, beside the one that has it. A unit that is not known here any
    more is tried again.
    """
    about = (asked.job, asked.unit, asked.attempt)
    unit = board.units.get((asked.job, asked.unit))
    if unit is None:
        return Elsewhere(*about, is_able=True, is_other=True, is_seconded=False)
    needs = raised(unit.kind.needs, asked.memory, opengl=asked.opengl)
    kind = attrs.evolve(unit.kind, needs=needs)
    others = list(_others(board, unit, asked))
    is_able = any(can_do(node, kind) or _is_afar(node, unit) for node in others)
    owner = board.index.node(asked.node).owner
    fresh = (node for node in others if node.id not in unit.avoid and node.owner != owner)
    is_other = any(can_do(node, unit.kind) or _is_afar(node, unit) for node in fresh)
    failed = (board.index.get(node) for node in unit.avoid)
    is_seconded = any(node is not None and node.owner != owner for node in failed)
    return Elsewhere(*about, is_able=is_able, is_other=is_other, is_seconded=is_seconded)


def _others(board: Board, unit: Unit, asked: WhoElse) -> Iterator[Node]:
    for node in board.index:
        may = may_do(node, unit.user, unit.kind.pool, board.index.circles)
        if node.id != asked.node and node.eligible and may:
            yield node


def _is_afar(node: Node, unit: Unit) -> bool:
    """Whether another gateway serves it, which alone knows what it has."""
    return node.session is None and node.healthy and unit.job_type in node.capabilities
