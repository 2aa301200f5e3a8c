"""Index of the nodes by capability and load, so that few nodes are examined to choose one."""

import heapq
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.scheduler.access import CLOSED, AccessGroup, groups_of_node, groups_of_user
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import NOTHING, Node, NodeResources, Requirements, UnitKey
from actors.scheduler.policy import (
    Rank,
    has_precedence,
    has_untried,
    owners_that_failed,
    rank,
    with_installed,
    yields,
)
from actors.scheduler.units import PlacementRequest
from rendertrust.device_class import are_comparable
from rendertrust.job_types import CHECK, is_preflight
from sql.access import ALONE, Access
from sql.nodes import ACTIVE
from sql.unit_retry_policy import NODE_FAILURES_MOST
from sql.units import ANY

HOLDERS_MOST: Final = 16  # most recent nodes remembered for each input
INPUTS_MOST: Final = 4_096  # inputs remembered; a busy gateway reaches this within minutes


class CacheAffinity:
    """Nodes that got an input lately and so probably have it in their cache."""

    def __init__(self, inputs_most: int = INPUTS_MOST) -> None:
        # For each input, the nodes that got it; the most recently assigned input is last.
        self._holders: OrderedDict[str, tuple[UUID, ...]] = OrderedDict()
        self._most = inputs_most

    def note(self, node: UUID, inputs: str) -> None:
        """Note that a node was assigned a unit with this input."""
        if not inputs:
            return
        others = [one for one in self._holders.get(inputs, ()) if one != node]
        self._holders[inputs] = (*others, node)[-HOLDERS_MOST:]
        self._holders.move_to_end(inputs)
        if len(self._holders) > self._most:
            self._holders.popitem(last=False)

    def holders(self, inputs: str) -> Iterable[UUID]:
        """Return the nodes that got the input most recently, the latest of them last."""
        return self._holders.get(inputs, ()) if inputs else ()


def can_run_checks(node: Node) -> bool:
    """Return whether a node is connected and ACTIVE, offers checks, and states its device class."""
    says = node.session is not None and CHECK in (node.offered or ())
    return says and node.standing.name == ACTIVE and bool(node.resources.device_class)


@attrs.define
class VerifierClasses:
    """Device classes that the gateway's connected verifiers can check.

    A node whose results no verifier can check is unverifiable: it gets strangers' work last.
    """

    _classes: dict[UUID, tuple[str, ...]] = attrs.field(factory=dict[UUID, tuple[str, ...]])

    def learn(self, node: Node) -> bool:
        """Update the device classes of one of the gateway's nodes; return whether they have
        changed.
        """
        before = self._classes.pop(node.id, None)
        if can_run_checks(node):
            self._classes[node.id] = node.resources.classes
        return before != self._classes.get(node.id)

    def can_check(self, node: Node) -> bool:
        """Return whether a verifier can check the results of the node's own build of Blender.

        True if there is no verifier, or the node states no device class.
        """
        machine = node.resources.device_class
        classes = [each for several in self._classes.values() for each in several]
        return not (classes and machine) or any(are_comparable(one, machine) for one in classes)


Entry: TypeAlias = tuple[Rank, int, Node]  # the rank, and the node's version when it had this rank
# The key of a list of nodes: job type, access group, whether for jobs of several units, and
# requirements that all its nodes meet.
Bucket: TypeAlias = tuple[str, AccessGroup, bool, Requirements]
SLACK: Final = 64  # entries that a heap may have beyond two for each node
NEEDS_MOST: Final = 64  # requirements that have their own buckets
# Number of examinations of a node that cost about as much as adding the node to a bucket.
LISTING: Final = 16
MISSES_MOST: Final = 1024  # requirements without buckets whose failed examinations are counted
NO_BUCKETS: Final[frozenset[Bucket]] = frozenset()


class NodeIndex:
    """Lists nodes in buckets by what they can do and whose work they may do (``access``).

    A node is in several buckets (see ``Bucket``). At its first use a bucket gets a heap of its
    nodes by rank; stale heap entries are dropped when they reach the top. Only nodes that sent a
    hello are in buckets for jobs of several units, as simple nodes (``docs/PROTOCOL.md``) cannot
    distinguish such units. ``ours``: the few nodes that the gateway's owner runs.
    """

    def __init__(self, ours: Collection[UUID] = ()) -> None:
        self._ours = frozenset(ours)
        self.access: Access = ALONE
        self.cache_affinity = CacheAffinity()
        self._verifiers = VerifierClasses()
        self._nodes: dict[UUID, Node] = {}
        self._capable: dict[Bucket, dict[UUID, Node]] = {}  # the eligible nodes of each bucket
        self._listed: dict[UUID, frozenset[Bucket]] = {}  # the buckets of each node
        self._heaps: dict[Bucket, list[Entry]] = {}
        self._needs: dict[Requirements, None] = {}  # with own buckets; the last used is last
        # For requirements without their own buckets: how many examined nodes did not meet the
        # requirements.
        self._misses: dict[Requirements, int] = {}
        self._resources: dict[UUID, NodeResources] = {}  # each node's resources at the last update
        self._changed: dict[UUID, Node] = {}  # nodes that may be able to do more than before
        self.free: dict[UUID, Node] = {}  # connected nodes with a free slot
        self.busy: dict[UUID, Node] = {}  # nodes with a backlog and a session here
        self.busy_elsewhere: dict[UUID, Node] = {}  # other gateways' nodes with a likely backlog
        self.oversubscribed: dict[UUID, Node] = {}  # nodes with more than DEPTH units per slot
        self._closed = 0  # number of buckets whose nodes do not take every user's work
        self._versions = 0

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    @property
    def entries(self) -> int:
        """The number of entries in the heaps, including stale entries."""
        return sum(len(heap) for heap in self._heaps.values())

    def get(self, node: UUID) -> Node | None:
        return self._nodes.get(node)

    def node(self, node: UUID) -> Node:
        """Return the record of a node; create it if the node is unknown."""
        found = self._nodes.get(node)
        if found is None:
            found = self._nodes[node] = Node(node, is_ours=node in self._ours)
        return found

    def forget(self, node: Node) -> None:
        """Drop the record of a node."""
        self.changed(node)
        self._relist(node, self._listed.get(node.id, NO_BUCKETS), NO_BUCKETS)
        for known in (self._nodes, self._listed, self._resources, self._changed):
            known.pop(node.id, None)

    def take(self, node: Node, key: UnitKey) -> None:
        """Assign a unit to the node."""
        node.assigned.add(key)
        self._rank_again(node, self._listed.get(node.id, NO_BUCKETS))

    def release(self, node: Node, key: UnitKey) -> None:
        """Take a unit from the node."""
        if key in node.assigned:
            node.assigned.discard(key)
            self._rank_again(node, self._listed.get(node.id, NO_BUCKETS))

    def changed(self, node: Node) -> None:
        """Update a node's buckets and rank; must be called after every change of a node."""
        if node.is_ours and self._verifiers.learn(node):
            for other in self._nodes.values():
                self.changed(other)
        node.is_unverifiable = not self._verifiers.can_check(node)
        buckets = self._buckets_of(node)
        listed = self._listed.get(node.id, NO_BUCKETS)
        if self._resources.get(node.id) is not node.resources:
            self._resources[node.id], self._changed[node.id] = node.resources, node
        if buckets != listed:
            if not buckets <= listed:
                self._changed[node.id] = node
            self._relist(node, listed, buckets)
        self._rank_again(node, buckets)

    def _rank_again(self, node: Node, buckets: frozenset[Bucket]) -> None:
        """Update a node's rank in its buckets, and whether it is free or busy.

        The buckets themselves do not depend on the node's units.
        """
        _list(self.free, node, listed=node.is_free)
        _list(self.busy, node, listed=node.has_backlog)
        _list(self.oversubscribed, node, listed=node.is_oversubscribed)
        _list(self.busy_elsewhere, node, listed=node.has_backlog_elsewhere)
        self._versions += 1
        node.version = self._versions
        if node.accepts_work:
            entry = (rank(node), node.version, node)
            for bucket in buckets:
                if bucket in self._heaps:
                    self._push(bucket, entry)

    def set_access(self, access: Access) -> bool:
        """Replace organisations and trust; return whether they have changed."""
        if access == self.access:
            return False
        self.access = access
        for node in self._nodes.values():
            self.changed(node)
        self._changed |= self._nodes  # each node may now be allowed the work of further users
        return True

    def take_changed(self) -> list[Node]:
        """Return the nodes that may be able to do more than when this was last called."""
        changed, self._changed = self._changed, {}
        return list(changed.values())

    @property
    def ignores_user(self) -> bool:
        """True if the choice in the pool ``any`` does not depend on the user."""
        return self._closed == 0

    def choose(
        self,
        demand: PlacementRequest,
        avoid: frozenset[UUID] = frozenset(),
        failed: frozenset[UUID] = frozenset(),
    ) -> Node | NoCapableNode | AllNodesFull:
        """Return the best node for a unit, of those that can do it and may do this user's work.

        ``avoid``: nodes that failed any unit of the job; they get it only if there is no other.
        ``failed``: nodes that failed this unit; they get it only if all have failed it, as a unit
        that only one node can do would otherwise wait for ever. Once three nodes have failed the
        unit, connected nodes of further owners are preferred. Preflights go to nodes of the
        gateway's owner while one that can do them is connected. The last try of a unit goes to
        nodes that its user trusts, while one that can do it is connected and not in ``avoid``.

        If nodes that probably have the unit's input in their cache could begin it at once, it is
        the best of these; otherwise it is the best of all.
        """
        demand, buckets = self._with_buckets(demand, failed)
        needs = demand.kind.needs
        if not buckets:
            return NoCapableNode()
        if len(failed) >= NODE_FAILURES_MOST:
            fresh = self._fresh(demand, buckets, avoid, failed)
            if fresh:
                first = [node for node in fresh if has_precedence(node, demand, self.access)]
                return self._of_few(first or fresh, demand)
        for less in (failed, frozenset()):
            if avoid and all(node.id in avoid for node in self._able(buckets, needs)):
                avoid = less
        if ours := self._with_precedence(demand, buckets, avoid):
            return self._of_few(ours, demand)
        near = self._near(demand, buckets, avoid)
        if near is not None:
            return near
        found = [self._best(bucket, avoid, needs) for bucket in buckets]
        best = min((node for node in found if node is not None), key=rank, default=None)
        if best is None:
            return AllNodesFull()
        others = (node for node in self._able(buckets, needs) if node.id not in avoid)
        return with_installed(best, others, demand)

    def _with_buckets(
        self, demand: PlacementRequest, failed: frozenset[UUID]
    ) -> tuple[PlacementRequest, list[Bucket]]:
        """Return the request for a node, and the buckets of the request.

        Requirements that were raised after failures are lowered again to those of the job in two
        cases: no node meets them; or the connected nodes that meet them have failed the unit, and a
        connected node that meets the job's has not.
        """
        buckets = self._buckets_for(demand)
        if demand.kind.asked is None:
            return demand, buckets
        if has_untried(self._able(buckets, demand.kind.needs), failed):
            return demand, buckets
        asked = attrs.evolve(demand, kind=demand.kind.as_asked)
        others = self._buckets_for(asked)
        if not buckets or has_untried(self._able(others, asked.kind.needs), failed):
            return asked, others
        return demand, buckets

    def _fresh(
        self,
        demand: PlacementRequest,
        buckets: list[Bucket],
        avoid: frozenset[UUID],
        failed: frozenset[UUID],
    ) -> list[Node]:
        """Return connected nodes of owners whose nodes have not failed the unit.

        The list is empty while fewer than three nodes have failed the unit, and if no other owner
        has a suitable connected node.
        """
        known = (self._nodes[name] for name in failed if name in self._nodes)
        failed_owners = owners_that_failed(known, demand.user, self.access)
        if not failed_owners:
            return []
        able = self._able(buckets, demand.kind.needs)
        fresh = [
            node for node in able if node.session is not None and node.owner not in failed_owners
        ]
        tiers = ([node for node in fresh if node.id not in shunned] for shunned in (avoid, failed))
        return next((tier for tier in tiers if tier), [])

    def _buckets_for(self, demand: PlacementRequest) -> list[Bucket]:
        """Return the buckets that contain the nodes for a request.

        If the requirements have no buckets of their own, the returned buckets also contain nodes
        that do not meet them.
        """
        kind = demand.kind
        if kind.pool == ANY and not self._closed:
            groups: tuple[AccessGroup, ...] = (None,)
        else:
            groups = groups_of_user(demand.user, kind.pool, self.access)
        of = [(kind.job_type, group, kind.many, NOTHING) for group in groups]
        buckets = [bucket for bucket in of if bucket in self._capable]
        if kind.needs == NOTHING:
            return buckets
        if self._is_listed(kind.needs):
            buckets = [(*bucket[:3], kind.needs) for bucket in buckets]
            return [bucket for bucket in buckets if bucket in self._capable]
        return [bucket for bucket in buckets if self._has_able(bucket, kind.needs)]

    def _has_able(self, bucket: Bucket, needs: Requirements) -> bool:
        for number, node in enumerate(self._capable[bucket].values()):
            if node.resources.has(needs):
                self._note_misses(needs, number)
                return True
        self._note_misses(needs, len(self._capable[bucket]))
        return False

    def _able(self, buckets: list[Bucket], needs: Requirements) -> Iterator[Node]:
        """Yield the nodes in these buckets that meet the requirements."""
        nodes = (node for bucket in buckets for node in self._capable[bucket].values())
        return (node for node in nodes if node.resources.has(needs))

    def _can(self, node: Node, buckets: list[Bucket], needs: Requirements) -> bool:
        if not node.resources.has(needs):
            return False
        return not self._listed.get(node.id, NO_BUCKETS).isdisjoint(buckets)

    def _is_listed(self, needs: Requirements) -> bool:
        """Return whether these requirements have their own buckets; create the buckets if that
        saves time.

        Creating buckets takes long, so they are created after searches without them have taken as
        long. If too many requirements have buckets, those of the least recently used requirements
        are dropped.
        """
        if needs in self._needs:
            self._needs[needs] = self._needs.pop(needs)
            return True
        if self._misses.get(needs, 0) <= LISTING * len(self._nodes):
            return False
        del self._misses[needs]
        if len(self._needs) >= NEEDS_MOST:
            del self._needs[next(iter(self._needs))]
        self._needs[needs], changed = None, dict(self._changed)
        for node in list(self._nodes.values()):
            self.changed(node)
        self._changed = changed  # new buckets do not enable a node to do more
        return True

    def _note_misses(self, needs: Requirements, number: int) -> None:
        if number and needs not in self._needs:
            self._misses[needs] = self._misses.pop(needs, 0) + number
            if len(self._misses) > MISSES_MOST:
                del self._misses[next(iter(self._misses))]

    def _with_precedence(
        self, demand: PlacementRequest, buckets: list[Bucket], avoid: frozenset[UUID]
    ) -> list[Node]:
        """Return the nodes that can do the request and have precedence over all other nodes."""
        if not (is_preflight(demand.kind.job_type) or demand.is_final):
            return []
        names = self._nodes if demand.is_final else self._ours
        found = (self._nodes[n] for n in names if n in self._nodes and n not in avoid)
        first = (node for node in found if has_precedence(node, demand, self.access))
        return [node for node in first if self._can(node, buckets, demand.kind.needs)]

    def _of_few(self, nodes: list[Node], demand: PlacementRequest) -> Node | AllNodesFull:
        holders = self.cache_affinity.holders(demand.inputs)
        room = [node for node in nodes if node.accepts_work]
        near = [
            node
            for node in room
            if node.is_free and node.id in holders and not yields(node, demand)
        ]
        best = min(near or room, key=rank, default=None)
        return AllNodesFull() if best is None else with_installed(best, room, demand)

    def _near(
        self, demand: PlacementRequest, buckets: list[Bucket], avoid: frozenset[UUID]
    ) -> Node | None:
        """Return the best node that probably has the input cached and would begin at once."""
        best: Node | None = None
        least: Rank | None = None
        for name in self.cache_affinity.holders(demand.inputs):
            node = self._nodes.get(name)
            if node is None or not (node.is_free and node.accepts_work) or name in avoid:
                continue
            if yields(node, demand):
                continue
            its = rank(node)
            is_better = least is None or its < least
            if is_better and self._can(node, buckets, demand.kind.needs):
                best, least = node, its
        return best

    def _best(self, bucket: Bucket, avoid: frozenset[UUID], needs: Requirements) -> Node | None:
        heap = self._heap(bucket)
        aside: list[Entry] = []
        found: Node | None = None
        misses = 0
        while heap and found is None:
            _, version, node = heap[0]
            if version != node.version:
                heapq.heappop(heap)
            elif needs != NOTHING and not node.resources.has(needs):
                misses += 1
                aside.append(heapq.heappop(heap))
            elif node.id in avoid:
                aside.append(heapq.heappop(heap))
            else:
                found = node
        for entry in aside:
            heapq.heappush(heap, entry)
        self._note_misses(needs, misses)
        return found

    def _heap(self, bucket: Bucket) -> list[Entry]:
        heap = self._heaps.get(bucket)
        if heap is None:
            there = (node for node in self._capable[bucket].values() if node.accepts_work)
            heap = self._heaps[bucket] = [(rank(node), node.version, node) for node in there]
            heapq.heapify(heap)
        return heap

    def _relist(self, node: Node, listed: frozenset[Bucket], buckets: frozenset[Bucket]) -> None:
        for bucket in listed - buckets:
            capable = self._capable[bucket]
            del capable[node.id]
            if not capable:
                del self._capable[bucket]
                self._heaps.pop(bucket, None)
                self._closed -= _is_closed(bucket)
        for bucket in buckets - listed:
            if bucket not in self._capable:
                self._capable[bucket] = {}
                self._closed += _is_closed(bucket)
            self._capable[bucket][node.id] = node
        self._listed[node.id] = buckets

    def _push(self, bucket: Bucket, entry: Entry) -> None:
        heap = self._heaps[bucket]
        capable = self._capable[bucket]
        if len(heap) > 2 * len(capable) + SLACK:
            heap[:] = [e for e in heap if e[1] == e[2].version]
            heapq.heapify(heap)
        heapq.heappush(heap, entry)

    def _buckets_of(self, node: Node) -> frozenset[Bucket]:
        if not node.eligible:
            return NO_BUCKETS
        groups = groups_of_node(node, self.access)
        kinds = (False,) if node.slots is None else (False, True)
        met = [NOTHING, *(needs for needs in self._needs if node.resources.has(needs))]
        return frozenset(
            (job_type, group, many, needs)
            for job_type in node.does
            for group in groups
            for many in kinds
            for needs in met
        )


def _list(nodes: dict[UUID, Node], node: Node, *, listed: bool) -> None:
    if listed:
        nodes[node.id] = node
    else:
        nodes.pop(node.id, None)


def _is_closed(bucket: Bucket) -> bool:
    return bucket[1] is not None and bucket[1][0] in CLOSED
