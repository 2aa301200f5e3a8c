"""Where else a unit could go that a node could not do: asked before it has come to nothing."""

from collections.abc import Iterator

import attrs

from actors.node_session.messages import AlternativesFound
from actors.scheduler.access import may_do
from actors.scheduler.messages import FindAlternatives
from actors.scheduler.node import Node
from actors.scheduler.policy import can_do
from actors.scheduler.resources import raised
from actors.scheduler.state import SchedulerState
from actors.scheduler.unit import Unit


def elsewhere(board: SchedulerState, asked: FindAlternatives) -> AlternativesFound:
    """Return which connected nodes there are for it, beside the one that has it.

    A unit that is not known here any more is tried again. Nodes without an account are one owner's,
    and so are those of which nothing is known any more.
    """
    about = (asked.job, asked.unit, asked.attempt)
    unit = board.units.get((asked.job, asked.unit))
    if unit is None:
        return AlternativesFound(*about, is_able=True, is_other=True, is_untried=True)
    needs = raised(unit.kind.needs, asked.memory, opengl=asked.opengl)
    kind = attrs.evolve(unit.kind, needs=needs)
    owner = board.index.node(asked.node).owner
    tried = [board.index.get(name) for name in unit.avoid - {asked.node}]
    owners = {owner, *(None if node is None else node.owner for node in tried)}
    others = list(_others(board, unit, asked))
    fresh = [node for node in others if node.id not in unit.avoid and _may_do(node, unit)]
    seconds = (n for n in tried if n is not None and n.session is not None and n.owner != owner)
    return AlternativesFound(
        *about,
        is_able=any(can_do(node, kind) or _is_afar(node, unit) for node in others),
        is_other=any(node.owner not in owners for node in fresh),
        is_seconded=any(seconds),
        is_untried=bool(fresh),
        owners=len(owners),
    )


def _others(board: SchedulerState, unit: Unit, asked: FindAlternatives) -> Iterator[Node]:
    """Yield the nodes that may do its work, and have a session: here, or at another gateway."""
    is_alone = board.among[1] < 2
    for node in board.index:
        is_there = node.session is not None or not (is_alone or node.epoch == 0)
        may = may_do(node, unit.user, unit.kind.pool, board.index.circles)
        if node.id != asked.node and is_there and node.eligible and may:
            yield node


def _may_do(node: Node, unit: Unit) -> bool:
    """Whether it has what the unit needs, or what its job asked for."""
    kind = unit.kind
    return can_do(node, kind) or can_do(node, kind.as_asked) or _is_afar(node, unit)


def _is_afar(node: Node, unit: Unit) -> bool:
    """Whether another gateway serves it, which alone knows what it has."""
    return node.session is None and node.healthy and unit.job_type in node.capabilities
