"""The nodes by capability and load: choosing looks at a few of them, however many there are."""

import heapq
from collections.abc import Collection, Iterator
from typing import Final, TypeAlias
from uuid import UUID

from actors.scheduler.circles import CLOSED, Circle, circles_of_node, circles_of_user
from actors.scheduler.demand import ANY, Demand
from actors.scheduler.kit import NOTHING, Needs
from actors.scheduler.larder import Larder
from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import Node, UnitKey
from actors.scheduler.policy import FOR_OURS, Rank, goes_before, is_last, rank
from actors.scheduler.verifiers import OwnVerifiers
from sql.circles import ALONE, Circles

Entry: TypeAlias = tuple[Rank, int, Node]  # the node's version when it had this rank
# A job type, whose work, whether of jobs that have many units, and what the node has at least.
Line: TypeAlias = tuple[str, Circle, bool, Needs]
SLACK = 64
NEEDS_MOST: Final = 64  # kinds of needs that nodes are listed by
NOWHERE: Final[frozenset[Line]] = frozenset()


class Index:
    """Nodes stand in lines by what they can do and whose work they may do (``circles``).

    A line has a heap of ranks once somebody asked for it; entries that are out of date are dropped
    when met. Those that have said hello stand in lines for jobs of many units as well: a client of
    the reference cannot tell the units of one job apart. ``ours`` are the gateway's own nodes: few.
    """

    def __init__(self, ours: Collection[UUID] = ()) -> None:
        self._ours = frozenset(ours)
        self.circles: Circles = ALONE
        self.larder = Larder()
        self._verifiers = OwnVerifiers()
        self._nodes: dict[UUID, Node] = {}
        self._capable: dict[Line, dict[UUID, Node]] = {}  # the eligible ones
        self._listed: dict[UUID, frozenset[Line]] = {}  # where in ``_capable`` a node stands
        self._heaps: dict[Line, list[Entry]] = {}
        self._needs: dict[Needs, None] = {NOTHING: None}  # those that were asked for
        self.free: dict[UUID, Node] = {}  # they would begin a unit at once
        self.laden: dict[UUID, Node] = {}  # units wait at them that others could begin
        self.laden_afar: dict[UUID, Node] = {}  # the same, of nodes that other gateways serve
        self.crowded: dict[UUID, Node] = {}  # they were given more than they need for now
        self._closed = 0  # how many lines are some people's alone
        self._versions = 0

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    @property
    def entries(self) -> int:
        """How many entries the heaps hold, those out of date too."""
        return sum(len(heap) for heap in self._heaps.values())

    def get(self, node: UUID) -> Node | None:
        return self._nodes.get(node)

    def node(self, node: UUID) -> Node:
        """The node's record, a new one if there is none."""
        found = self._nodes.get(node)
        if found is None:
            found = self._nodes[node] = Node(node, is_ours=node in self._ours)
        return found

    def take(self, node: Node, key: UnitKey) -> None:
        """Count a unit as the node's."""
        node.taken.add(key)
        self.changed(node)

    def release(self, node: Node, key: UnitKey) -> None:
        """The unit is the node's no more."""
        if key in node.taken:
            node.taken.discard(key)
            self.changed(node)

    def changed(self, node: Node) -> None:
        """Must follow every change of a node: it is listed where it belongs now."""
        if node.is_ours and self._verifiers.learn(node):
            for other in self._nodes.values():
                self.changed(other)
        node.is_odd = not self._verifiers.can_check(node)
        lines = self._lines_of(node)
        listed = self._listed.get(node.id, NOWHERE)
        if lines != listed:
            self._relist(node, listed, lines)
        _list(self.free, node, listed=node.is_free)
        _list(self.laden, node, listed=node.is_laden)
        _list(self.crowded, node, listed=node.is_crowded)
        _list(self.laden_afar, node, listed=node.is_laden_afar)
        self._versions += 1
        node.version = self._versions
        if node.has_room:
            entry = (rank(node), node.version, node)
            for line in lines:
                if line in self._heaps:
                    self._push(line, entry)

    def regroup(self, circles: Circles) -> bool:
        """Take over who belongs together; whether that is new."""
        if circles == self.circles:
            return False
        self.circles = circles
        for node in self._nodes.values():
            self.changed(node)
        return True

    @property
    def is_the_same_for_all(self) -> bool:
        """Whether it makes no difference whose unit it is, if its pool is ``any``."""
        return self._closed == 0

    def choose(
        self,
        demand: Demand,
        avoid: frozenset[UUID] = frozenset(),
        failed: frozenset[UUID] = frozenset(),
    ) -> Node | NoCapableNode | AllNodesFull:
        """The best node for a unit, as ``policy.choose`` defines it."""
        lines = self._lines_for(demand)
        if not lines:
            return NoCapableNode()
        for less in (failed, frozenset[UUID]()):
            if avoid and all(node in avoid for line in lines for node in self._capable[line]):
                avoid = less
        if ours := self._able_of_ours(demand, lines, avoid):
            return self._of_few(ours, demand)
        near = self._near(demand, lines, avoid)
        if near is not None:
            return near
        found = [self._best(line, avoid) for line in lines]
        return min((node for node in found if node is not None), key=rank, default=AllNodesFull())

    def _lines_for(self, demand: Demand) -> list[Line]:
        kind = demand.kind
        if kind.needs not in self._needs:
            self._list_by(kind.needs)
        if kind.pool == ANY and not self._closed:
            groups: tuple[Circle, ...] = (None,)
        else:
            groups = circles_of_user(demand.user, kind.pool, self.circles)
        lines = [(kind.job_type, group, kind.many, kind.needs) for group in groups]
        return [line for line in lines if line in self._capable]

    def _list_by(self, needs: Needs) -> None:
        """List nodes by needs that nobody had until now; of too many the oldest go."""
        if len(self._needs) >= NEEDS_MOST:
            oldest = next(kind for kind in self._needs if kind != NOTHING)
            del self._needs[oldest]
        self._needs[needs] = None
        for node in self._nodes.values():
            self.changed(node)

    def _able_of_ours(
        self, demand: Demand, lines: list[Line], avoid: frozenset[UUID]
    ) -> list[Node]:
        """Those that can do it and go before all others."""
        if demand.kind.job_type != FOR_OURS and not demand.is_final:
            return []
        names = self._nodes if demand.is_final else self._ours
        found = (self._nodes[n] for n in names if n in self._nodes and n not in avoid)
        first = (node for node in found if goes_before(node, demand, self.circles))
        return [n for n in first if any(n.id in self._capable[line] for line in lines)]

    def _of_few(self, nodes: list[Node], demand: Demand) -> Node | AllNodesFull:
        holders = self.larder.holders(demand.inputs)
        room = [node for node in nodes if node.has_room]
        near = [n for n in room if n.is_free and n.id in holders and not is_last(n, demand)]
        return min(near or room, key=rank, default=AllNodesFull())

    def _near(self, demand: Demand, lines: list[Line], avoid: frozenset[UUID]) -> Node | None:
        """The best of those that had the inputs lately and would begin at once."""
        holders = self.larder.holders(demand.inputs)
        found = [
            self._nodes[node]
            for node in holders
            if node not in avoid and any(node in self._capable[line] for line in lines)
        ]
        free = (n for n in found if n.is_free and n.has_room and not is_last(n, demand))
        return min(free, key=rank, default=None)

    def _best(self, line: Line, avoid: frozenset[UUID]) -> Node | None:
        heap = self._heap(line)
        aside: list[Entry] = []
        found: Node | None = None
        while heap and found is None:
            _, version, node = heap[0]
            if version != node.version:
                heapq.heappop(heap)
            elif node.id in avoid:
                aside.append(heapq.heappop(heap))
            else:
                found = node
        for entry in aside:
            heapq.heappush(heap, entry)
        return found

    def _heap(self, line: Line) -> list[Entry]:
        heap = self._heaps.get(line)
        if heap is None:
            there = (node for node in self._capable[line].values() if node.has_room)
            heap = self._heaps[line] = [(rank(node), node.version, node) for node in there]
            heapq.heapify(heap)
        return heap

    def _relist(self, node: Node, listed: frozenset[Line], lines: frozenset[Line]) -> None:
        for line in listed - lines:
            capable = self._capable[line]
            del capable[node.id]
            if not capable:
                del self._capable[line]
                self._heaps.pop(line, None)
                self._closed -= _is_closed(line)
        for line in lines - listed:
            if line not in self._capable:
                self._capable[line] = {}
                self._closed += _is_closed(line)
            self._capable[line][node.id] = node
        self._listed[node.id] = lines

    def _push(self, line: Line, entry: Entry) -> None:
        heap = self._heaps[line]
        capable = self._capable[line]
        if len(heap) > 2 * len(capable) + SLACK:
            heap[:] = [e for e in heap if e[1] == e[2].version]
            heapq.heapify(heap)
        heapq.heappush(heap, entry)

    def _lines_of(self, node: Node) -> frozenset[Line]:
        if not node.eligible:
            return NOWHERE
        groups = circles_of_node(node, self.circles)
        kinds = (False,) if node.slots is None else (False, True)
        met = [needs for needs in self._needs if node.kit.has(needs)]
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


def _is_closed(line: Line) -> bool:
    return line[1] is not None and line[1][0] in CLOSED
