"""The nodes by capability and load: choosing looks at a few of them, however many there are."""

import heapq
from collections.abc import Iterator
from typing import Final, TypeAlias
from uuid import UUID

from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import Node, UnitKey
from actors.scheduler.policy import Rank, rank

Entry: TypeAlias = tuple[Rank, int, Node]  # the node's version when it had this rank
Line: TypeAlias = tuple[str, UUID | None]  # a job type, and whose units alone; None: anybody's
SLACK = 64
NOWHERE: Final[frozenset[Line]] = frozenset()


class Index:
    """A heap of ranks for each capability; entries that are out of date are dropped when met.

    Nodes that serve one user alone stand in heaps of their own.
    """

    def __init__(self) -> None:
        self._nodes: dict[UUID, Node] = {}
        self._capable: dict[Line, dict[UUID, Node]] = {}  # the eligible ones
        self._listed: dict[UUID, frozenset[Line]] = {}  # where in ``_capable`` a node stands
        self._heaps: dict[Line, list[Entry]] = {}
        self._private = 0  # how many lines are one user's alone
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
            found = self._nodes[node] = Node(node)
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
        lines = _lines_of(node)
        listed = self._listed.get(node.id, NOWHERE)
        if lines != listed:
            self._relist(node, listed, lines)
        self._versions += 1
        node.version = self._versions
        if node.has_room:
            entry = (rank(node), node.version, node)
            for line in lines:
                self._push(line, entry)

    @property
    def is_the_same_for_all(self) -> bool:
        """Whether it makes no difference whose unit it is."""
        return self._private == 0

    def choose(
        self, job_type: str, avoid: frozenset[UUID] = frozenset(), user: UUID | None = None
    ) -> Node | NoCapableNode | AllNodesFull:
        """The best node for a unit, as ``policy.choose`` defines it."""
        lines: list[Line] = [(job_type, None)]
        if self._private and user is not None:
            lines.append((job_type, user))
        lines = [line for line in lines if line in self._capable]
        if not lines:
            return NoCapableNode()
        avoid = frozenset(n for n in avoid if any(n in self._capable[line] for line in lines))
        if len(avoid) == sum(len(self._capable[line]) for line in lines):
            avoid = frozenset()
        found = [self._best(self._heaps[line], avoid) for line in lines]
        return min((node for node in found if node is not None), key=rank, default=AllNodesFull())

    def _best(self, heap: list[Entry], avoid: frozenset[UUID]) -> Node | None:
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

    def _relist(self, node: Node, listed: frozenset[Line], lines: frozenset[Line]) -> None:
        for line in listed - lines:
            capable = self._capable[line]
            del capable[node.id]
            if not capable:
                del self._capable[line], self._heaps[line]
                self._private -= line[1] is not None
        for line in lines - listed:
            if line not in self._capable:
                self._capable[line], self._heaps[line] = {}, []
                self._private += line[1] is not None
            self._capable[line][node.id] = node
        self._listed[node.id] = lines

    def _push(self, line: Line, entry: Entry) -> None:
        heap = self._heaps[line]
        capable = self._capable[line]
        if len(heap) > 2 * len(capable) + SLACK:
            heap[:] = [e for e in heap if e[1] == e[2].version]
            heapq.heapify(heap)
        heapq.heappush(heap, entry)


def _lines_of(node: Node) -> frozenset[Line]:
    if not node.eligible:
        return NOWHERE
    serves = node.serves
    return frozenset((job_type, serves) for job_type in node.does)
