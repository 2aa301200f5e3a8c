"""Which node gets a unit: decided over values, without waiting for anything."""

from collections.abc import Iterable
from typing import Final, TypeAlias
from uuid import UUID

from actors.ledger.messages import UnitState
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import Node

Rank: TypeAlias = tuple[bool, float, float, int]
Age: TypeAlias = tuple[int, int]

# How far a unit is within one attempt: nothing but the next attempt brings it back.
_STEP: Final = {"DISPATCHED": 1, "RUNNING": 2, "QUEUED": 3}
_ENDED: Final = 4
PAUSE_SECONDS: Final = 15.0
PAUSE_SECONDS_MOST: Final = 600.0
PENDING: Final = "PENDING"  # not in the books yet: its first commit is under way


def rank(node: Node) -> Rank:
    """The least is the best: reachable, fewest units per slot, least loaded, then by id."""
    return (
        node.session is None,
        len(node.taken) / max(node.slots or 1, 1),
        node.load,
        node.id.int,
    )


def candidates(
    nodes: Iterable[Node], job_type: str, avoid: frozenset[UUID], user: UUID | None = None
) -> list[Node]:
    """The healthy nodes that can do the work, and may do this user's.

    One that failed the unit before is among them only if there is no other: a unit that one node
    alone can do would otherwise wait for ever.
    """
    fit = [node for node in nodes if node.eligible and job_type in node.does]
    capable = [node for node in fit if node.serves in (None, user)]
    return [node for node in capable if node.id not in avoid] or capable


def choose(
    nodes: Iterable[Node],
    job_type: str,
    avoid: frozenset[UUID] = frozenset(),
    user: UUID | None = None,
) -> Node | NoCapableNode | AllNodesFull:
    """The node for a unit. ``Index.choose`` answers the same without looking at every node."""
    capable = candidates(nodes, job_type, avoid, user)
    if not capable:
        return NoCapableNode()
    free = [node for node in capable if node.has_room]
    return min(free, key=rank) if free else AllNodesFull()


def pause_seconds(declines: int) -> float:
    """How long a node gets nothing after it gave back so many units in a row."""
    return min(PAUSE_SECONDS * 2.0 ** (declines - 1), PAUSE_SECONDS_MOST)


def age(state: str, attempt: int) -> Age:
    """Orders what is known of a unit: what has the greater age happened later."""
    return (attempt, 0 if state == PENDING else _STEP.get(state, _ENDED))


def has_ended(state: str) -> bool:
    """Whether nothing will happen to the unit any more."""
    return state not in _STEP and state != PENDING


def is_assigned(state: str) -> bool:
    """Whether a node has the unit."""
    return state in ("DISPATCHED", "RUNNING")


def key_of(state: UnitState) -> tuple[UUID, int]:
    return (state.job, state.unit)
