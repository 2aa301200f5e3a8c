"""Who gets what, and where: decided over values, without waiting for anything.

``turn`` and ``within`` say whose unit is next, ``choose`` which node it gets. Queue and Index
answer the same without looking at everything.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID
from zlib import crc32

import attrs

from actors.ledger.messages import UnitState
from actors.scheduler.access import is_trusted, may_do
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import Node
from actors.scheduler.placement_request import PlacementRequest, RequestKind, Within
from sql.access import ALONE, Access
from sql.retry_policy import NODE_FAILURES_MOST
from sql.scheduler_rows import ANY, weight

Rank: TypeAlias = tuple[bool, float, bool, float, int]
Age: TypeAlias = tuple[int, int]
Turn: TypeAlias = tuple[float, int, datetime]

# How far a unit is within one attempt: nothing but the next attempt brings it back.
_STEP: Final = {"DISPATCHED": 1, "RUNNING": 2, "QUEUED": 3}
_ENDED: Final = 4
PAUSE_SECONDS: Final = 15.0
PAUSE_SECONDS_MOST: Final = 600.0
BACKLOG_SECONDS: Final = 1.0  # a unit that takes less is not worth moving
UNSENT_MOST: Final = 8  # of a unit's attempts: then it stays with whoever has it
# What a price follows from: a machine that the gateway's owner controls goes before all others.
FOR_OURS: Final = "preflight"
PENDING: Final = "PENDING"  # not in the books yet: its first commit is under way


def rank(node: Node) -> Rank:
    """The least is the best: reachable, fewest units per slot, one that somebody can check, least
    loaded, then by id.
    """
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
    """The healthy nodes that can do the work, and may do this user's.

    One to ``avoid``, as it failed the job before, is among them only if there is no other, and one
    that ``failed`` the unit only if all others did: a unit that one node alone can do would
    otherwise wait for ever. When three nodes have failed it, connected ones of other strangers than
    those ``heard`` go first. Work for the gateway's own nodes is theirs alone, as long as one that
    can do it is there; the last try of a unit is theirs, or that of nodes whom its user trusts.

    What nodes found that a unit needs holds while a connected node has it that did not fail it; or
    else where no other is there.
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
    """The healthy nodes that have what is needed, and may do this user's work."""
    kind = demand.kind
    fit = (node for node in nodes if node.eligible and can_do(node, kind))
    return [node for node in fit if may_do(node, demand.user, kind.pool, access)]


def has_untried(nodes: Iterable[Node], failed: Collection[UUID]) -> bool:
    """Whether a connected one among them has not failed the unit."""
    return any(node.session is not None and node.id not in failed for node in nodes)


def heard(failed: Iterable[Node], user: UUID | None, access: Access) -> frozenset[UUID | None]:
    """Return the strangers whose nodes have failed a unit, once three nodes have: others are asked
    first. Nodes without an account are one stranger's.
    """
    nodes = list(failed)
    if len(nodes) < NODE_FAILURES_MOST:
        return frozenset()
    return frozenset(node.owner for node in nodes if not is_trusted(node, user, access))


def goes_before(node: Node, demand: PlacementRequest, access: Access) -> bool:
    """Whether no other node is given such work while this one is there."""
    if demand.is_final and node.session is not None and is_trusted(node, demand.user, access):
        return True
    return node.is_own_online and demand.kind.job_type == FOR_OURS


def can_do(node: Node, kind: RequestKind) -> bool:
    """Whether a node has what such units need. Many of one job only go where hello was said."""
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
    """The node for a unit: of ``holders``, who had its inputs lately, the best that would begin at
    once; else the best of all. ``NodeIndex.choose`` answers the same without looking at every node.
    """
    capable = candidates(nodes, demand, avoid, access, failed)
    if not capable:
        return NoCapableNode()
    room = [node for node in capable if node.accepts_work]
    near = [n for n in room if n.is_free and n.id in holders and not is_last(n, demand)]
    return min(near or room, key=rank) if room else AllNodesFull()


def is_last(node: Node, demand: PlacementRequest) -> bool:
    """Whether idle ones of which the work can be checked go before it, as strangers order it."""
    return node.is_unverifiable and demand.kind.pool == ANY


def turn(priority: int, share: int, queued_at: datetime) -> Turn:
    """Whose turn it is among users, the least first, by each one's first unit.

    Who would have the least at work, by weight, if he were given one more; of equals who has the
    greater priority, then who has waited longest. So nobody starves: whoever has nothing goes
    before all who have enough.
    """
    return ((share + 1) / weight(priority), -priority, queued_at)


def within(
    priority: int, queued_at: datetime, job: UUID, place: int, *, elsewhere: bool = False
) -> Within:
    """The order of one user's own units, the least first: here priority comes before all else.

    Of a job those that other gateways begin with come after the others, the last of them first.
    """
    return (-priority, queued_at, job.int, elsewhere, -place if elsewhere else place)


def begins_elsewhere(key: tuple[UUID, int], index: int, gateways: int) -> bool:
    """Whether another one of so many gateways than that of the ``index`` begins with a unit: so
    they seldom reach for the same one, and each takes all where the others have no node for it.
    """
    if gateways < 2:
        return False
    job, number = key
    return crc32(job.bytes + number.to_bytes(8)) % gateways != index


def pause_seconds(declines: int) -> float:
    """How long a node gets nothing after it gave back so many units in a row."""
    return min(PAUSE_SECONDS * 2.0 ** (declines - 1), PAUSE_SECONDS_MOST)


def may_move(state: str, seconds: float, unsent: int) -> bool:
    """Whether a unit that has been in a node's backlog for so long may be another node's, who has
    nothing to do. Each move is an unsent attempt, as every other way back from a backlog is.
    """
    return state == "DISPATCHED" and seconds >= BACKLOG_SECONDS and unsent < UNSENT_MOST


def relieves(idle: Node, busy: Node) -> bool:
    """Whether one node would begin at once what waits at another, behind what that one runs."""
    return idle.is_free and idle.accepts_work and (busy.has_backlog or busy.has_backlog_elsewhere)


def burden(node: Node) -> float:
    """How many units a node has for each that it runs at once."""
    return len(node.assigned) / max(node.slots or 1, 1)


def age(state: str, attempt: int) -> Age:
    """Orders what is known of a unit: what has the greater age happened later."""
    return (attempt, 0 if state == PENDING else _STEP.get(state, _ENDED))


def is_over(status: str) -> bool:
    """Whether a job of that status has ended."""
    return status in ("COMPLETED", "FAILED", "CANCELLED")


def has_ended(state: str) -> bool:
    """Whether nothing will happen to the unit any more."""
    return state not in _STEP and state != PENDING


def is_assigned(state: str) -> bool:
    """Whether a node has the unit."""
    return state in ("DISPATCHED", "RUNNING")


def key_of(state: UnitState) -> tuple[UUID, int]:
    return (state.job, state.unit)
