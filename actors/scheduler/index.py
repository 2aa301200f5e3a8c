"""The nodes by capability and load: choosing looks at a few of them, however many there are."""

import heapq
from collections.abc import Iterator
from typing import TypeAlias
from uuid import UUID

from actors.scheduler.messages import AllNodesFull, NoCapableNode
from actors.scheduler.node import Node, UnitKey
from actors.scheduler.policy import Rank, rank

Entry: TypeAlias = tuple[Rank, int, Node]  # the node's version when it had this rank
SLACK = 64


class Index:
    """A heap of ranks for each capability; entries that are out of date are dropped when met."""

    def __init__(self) -> None:
        self._nodes: dict[UUID, Node] = {}
        self._capable: dict[str, dict[UUID, Node]] = {}  # the eligible ones
        self._listed: dict[UUID, frozenset[str]] = {}  # where in ``_capable`` a node stands
        self._heaps: dict[str, list[Entry]] = {}
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
        does = node.does if node.eligible else frozenset[str]()
        listed = self._listed.get(node.id, frozenset())
        if does != listed:
            self._relist(node, listed, does)
        self._versions += 1
        node.version = self._versions
        if node.has_room:
            entry = (rank(node), node.version, node)
            for capability in does:
                self._push(capability, entry)

    def choose(
        self, job_type: str, avoid: frozenset[UUID] = frozenset()
    ) -> Node | NoCapableNode | AllNodesFull:
        """The best node for a unit, as ``policy.choose`` defines it."""
        capable = self._capable.get(job_type)
        if not capable:
            return NoCapableNode()
        avoid = frozenset(node for node in avoid if node in capable)
        if len(avoid) == len(capable):
            avoid = frozenset()
        heap = self._heaps[job_type]
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
        return found or AllNodesFull()

    def _relist(self, node: Node, listed: frozenset[str], does: frozenset[str]) -> None:
        for capability in listed - does:
            capable = self._capable[capability]
            del capable[node.id]
            if not capable:
                del self._capable[capability], self._heaps[capability]
        for capability in does - listed:
            self._capable.setdefault(capability, {})[node.id] = node
            self._heaps.setdefault(capability, [])
        self._listed[node.id] = does

    def _push(self, capability: str, entry: Entry) -> None:
        heap = self._heaps[capability]
        capable = self._capable[capability]
        if len(heap) > 2 * len(capable) + SLACK:
            heap[:] = [e for e in heap if e[1] == e[2].version]
            heapq.heapify(heap)
        heapq.heappush(heap, entry)
