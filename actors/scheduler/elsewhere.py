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
    """What nodes there are for it, beside the one that has it. Of a unit that is not known here
    any more both is so: then it is tried again.
    """
    about = (asked.job, asked.unit, asked.attempt)
    unit = board.units.get((asked.job, asked.unit))
    if unit is None:
        return Elsewhere(*about, is_able=True, is_other=True)
    needs = raised(unit.kind.needs, asked.memory, opengl=asked.opengl)
    kind = attrs.evolve(unit.kind, needs=needs)
    others = list(_others(board, unit, asked))
    is_able = any(can_do(node, kind) or _is_afar(node, unit) for node in others)
    return Elsewhere(*about, is_able=is_able, is_other=_has_other(board, unit, asked, others))


def _others(board: Board, unit: Unit, asked: WhoElse) -> Iterator[Node]:
    for node in board.index:
        may = may_do(node, unit.user, unit.kind.pool, board.index.circles)
        if node.id != asked.node and node.eligible and may:
            yield node


def _is_afar(node: Node, unit: Unit) -> bool:
    """Whether another gateway serves it, which alone knows what it has."""
    return node.session is None and node.healthy and unit.job_type in node.capabilities


def _has_other(board: Board, unit: Unit, asked: WhoElse, others: list[Node]) -> bool:
    """Whether another owner's node can be asked, and none of another's has failed it yet."""
    owner = board.index.node(asked.node).owner
    failed = (board.index.get(node) for node in unit.avoid)
    if any(node is not None and node.owner != owner for node in failed):
        return False
    there = (node for node in others if can_do(node, unit.kind) or _is_afar(node, unit))
    return any(node.owner != owner for node in there)
