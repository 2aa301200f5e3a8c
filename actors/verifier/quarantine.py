"""Quarantine of nodes with too many strikes, and its end after valid results for their owner."""

import logging
from collections.abc import Mapping, Sequence, Set
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.ports import Clock, Store
from actors.scheduler.messages import Scheduler, StandingChanged
from sql.audit_log import Act
from sql.nodes import ACTIVE, StandingChange
from sql.reputation_rules import RELEASED_BY, STRIKES_MOST, Record, Reputation, strikes_of

ACTOR = "verifier"
LOOK_SECONDS: Final = 10.0  # how often every gateway looks for nodes to release
RELEASED: Final = f"{RELEASED_BY} frames in a row for its owner were valid"
OR_RESULTS: Final = (
    f", or {RELEASED_BY} different valid frames in a row for its owner, unless an admin quarantined"
    " it"
)
CLASSES_MOST: Final = 200  # letters of a reason that name device classes, as nodes state these
NodeClass: TypeAlias = tuple[UUID, str]  # a node with one of its device classes
log = logging.getLogger(__name__)


class QuarantineReview:
    """Review of nodes' records: nodes with too many strikes are quarantined, and nodes with enough
    valid results for their owner are released.
    """

    def __init__(self, store: Store, clock: Clock, scheduler: Ref[Scheduler]) -> None:
        self._store, self._clock, self._scheduler = store, clock, scheduler
        self._caught: set[UUID] = set()  # nodes whose record must be reviewed
        self._refuting: set[tuple[UUID, int]] = set()  # units with a result that was found valid
        self._due_at = float("-inf")  # when to look for nodes to release

    def suspect(self, node: UUID) -> None:
        """Let the next ``attend`` review the node's record."""
        self._caught.add(node)

    def refute(self, job: UUID, unit: int) -> None:
        """Let the next ``attend`` review the nodes that blamed the scene of this unit, which has a
        valid result.
        """
        self._refuting.add((job, unit))

    def suspects(self, node: UUID) -> bool:
        """Return True if the node's record has not been reviewed yet."""
        return node in self._caught

    async def known(self, nodes: Set[UUID]) -> "NodeReputation":
        """Return the reputation of these nodes. Raises Unavailable."""
        known = NodeReputation.of(await self._store.records(sorted(nodes)) if nodes else ())
        # Also review nodes whose review was lost, and quarantined nodes that deliver earlier units.
        self._caught |= {n for n, strikes in known.strikes.items() if strikes >= STRIKES_MOST}
        return known

    async def attend(self) -> None:
        """Review the suspected nodes; quarantine and release nodes.

        Raises Unavailable; the next call tries again.
        """
        for unit in list(self._refuting):
            self._caught |= {one.node for one in await self._store.scene_reports(*unit)}
            self._refuting.discard(unit)
        for node in list(self._caught):
            await self._judge(node)
            self._caught.discard(node)
        if self._clock.monotonic() >= self._due_at:
            for node, version in (await self._store.releasable_nodes()).items():
                await self._release(node, version)
            self._due_at = self._clock.monotonic() + LOOK_SECONDS

    async def _judge(self, node: UUID) -> None:
        records = await self._store.records([node])
        if strikes_of(records) < STRIKES_MOST:
            return
        now = self._clock.now()
        act = Act(now, None, ACTOR, "node.quarantine", f"node:{node}", why(records))
        # A release that began before may have reset the record by now, so name the record.
        standing = await self._store.quarantine(node, records[0].released_at, act)
        if standing is not None:
            log.warning("node %s is quarantined: its results were invalid", node)
            self._scheduler.tell(StandingChanged(node, standing))

    async def _release(self, node: UUID, version: int) -> None:
        act = Act(self._clock.now(), None, ACTOR, "node.release", f"node:{node}", RELEASED)
        standing = await self._store.stand(StandingChange(node, version, ACTIVE, RELEASED), act)
        if standing is not None:
            log.info("node %s is released: %s", node, RELEASED)
            self._scheduler.tell(StandingChanged(node, standing))


@attrs.frozen
class NodeReputation:
    """Reputation of several nodes.

    ``classes``: reputation per node and device class. ``strikes``: per node, over all its classes.
    """

    classes: Mapping[NodeClass, Reputation] = attrs.field(factory=dict[NodeClass, Reputation])
    strikes: Mapping[UUID, int] = attrs.field(factory=dict[UUID, int])

    @classmethod
    def of(cls, records: Sequence[Record]) -> "NodeReputation":
        """Summarise records of several nodes."""
        classes = {(one.node, one.device_class): one.reputation for one in records}
        nodes = {one.node for one in records}
        strikes = {n: strikes_of([one for one in records if one.node == n]) for n in nodes}
        return cls(classes, strikes)


def why(records: Sequence[Record]) -> str:
    """Return the reason of a quarantine, for the node's operator."""
    bad = [one for one in records if one.reputation.invalid]
    count = sum(one.reputation.invalid for one in bad)
    machine = ", ".join(one.device_class or "unknown device class" for one in bad)[:CLASSES_MOST]
    is_first = not any(one.released for one in records)
    return (
        f"{count} of its results ({machine}) were invalid; see which and why with: "
        f"rendertrust nodes checks. An admin releases it{OR_RESULTS if is_first else ''}."
    )
