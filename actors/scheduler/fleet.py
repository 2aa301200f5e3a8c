"""What the nodes are, taken together, that may do somebody's work now: figures of one moment."""

from uuid import UUID

from actors.scheduler.board import Board
from actors.scheduler.circles import may_do
from actors.scheduler.kit import CPU
from actors.scheduler.messages import Fleet
from actors.scheduler.node import Node


def fleet_of(board: Board, user: UUID, job_type: str, pool: str) -> Fleet:
    """Of those that live and do this type for the user in that pool."""
    able = [node for node in board.index if _may(board, node, user, job_type, pool)]
    kits = [node.kit for node in able]
    return Fleet(
        nodes=len(able),
        slots=sum(node.slots or 1 for node in able),
        blender=max((kit.blender for kit in kits), default=(0, 0)),
        memory=max((kit.memory for kit in kits), default=0),
        ours=sum(node.measures for node in able),
        has_gpu=any(kit.device not in ("", CPU) for kit in kits),
    )


def _may(board: Board, node: Node, user: UUID, job_type: str, pool: str) -> bool:
    lives = node.eligible and job_type in node.does
    return lives and may_do(node, user, pool, board.index.circles)
