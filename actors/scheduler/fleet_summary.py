"""What the nodes are, taken together, that may do somebody's work now: figures of one moment."""

from uuid import UUID

from actors.scheduler.access import may_do
from actors.scheduler.messages import FleetSummary
from actors.scheduler.node import Node
from actors.scheduler.resources import CPU
from actors.scheduler.state import SchedulerState


def fleet_of(board: SchedulerState, user: UUID, job_type: str, pool: str) -> FleetSummary:
    """Of those that live and do this type for the user in that pool."""
    able = [node for node in board.index if _may(board, node, user, job_type, pool)]
    resources_by_node = [node.resources for node in able]
    return FleetSummary(
        nodes=len(able),
        slots=sum(node.slots or 1 for node in able),
        blender=max((resources.blender for resources in resources_by_node), default=(0, 0)),
        memory=max((resources.memory for resources in resources_by_node), default=0),
        ours=sum(node.measures for node in able),
        has_gpu=any(resources.device not in ("", CPU) for resources in resources_by_node),
    )


def _may(board: SchedulerState, node: Node, user: UUID, job_type: str, pool: str) -> bool:
    lives = node.eligible and job_type in node.does
    return lives and may_do(node, user, pool, board.index.circles)
