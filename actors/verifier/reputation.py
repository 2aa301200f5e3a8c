"""Quarantine of nodes: who delivered too much that is invalid gets no strangers' work any more."""

import logging
from collections.abc import Mapping, Sequence, Set
from typing import TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.ports import Clock, Store
from actors.scheduler.messages import Scheduler, StandingChanged
from sql.audit import Act
from sql.reputation import STRIKES_MOST, Record, strikes_of

ACTOR = "verifier"
NodeClass: TypeAlias = tuple[UUID, str]  # of which it works with a class of machine
log = logging.getLogger(__name__)


class NodeReputations:
    """Whose record is to be looked at, until the database was asked."""

    def __init__(self, store: Store, clock: Clock, scheduler: Ref[Scheduler]) -> None:
        self._store, self._clock, self._scheduler = store, clock, scheduler
        self._caught: set[UUID] = set()  # nodes
        self._refuting: set[tuple[UUID, int]] = set()  # units found valid

    def suspect(self, node: UUID) -> None:
        """Something stands in its record that may be too much."""
        self._caught.add(node)

    def refute(self, job: UUID, unit: int) -> None:
        """Its scene is in order: who said otherwise is to be looked at."""
        self._refuting.add((job, unit))

    def suspects(self, node: UUID) -> bool:
        """Whether its record is still to be looked at."""
        return node in self._caught

    async def known(self, nodes: Set[UUID]) -> "NodeReputation":
        """What is known of their work. Raises Unavailable."""
        known = NodeReputation.of(await self._store.records(sorted(nodes)) if nodes else ())
        # And nobody came to it, or they deliver what they had.
        self._caught |= {n for n, strikes in known.strikes.items() if strikes >= STRIKES_MOST}
        return known

    async def attend(self) -> None:
        """Say the word on those who lied too often, or said of scenes what is not so.

        Raises Unavailable: then the next time.
        """
        for unit in list(self._refuting):
            self._caught |= {one.node for one in await self._store.scene_words(*unit)}
            self._refuting.discard(unit)
        for node in list(self._caught):
            await self._judge(node)
            self._caught.discard(node)

    async def _judge(self, node: UUID) -> None:
        records = await self._store.records([node])
        if strikes_of(records) < STRIKES_MOST:
            return
        now = self._clock.now()
        act = Act(now, None, ACTOR, "node.quarantine", f"node:{node}", why(records))
        standing = await self._store.quarantine(node, act)
        if standing is not None:
            log.warning("node %s is quarantined: its results were wrong", node)
            self._scheduler.tell(StandingChanged(node, standing))


@attrs.frozen
class NodeReputation:
    """The streak is of a class of machine; strikes are the node's, whatever it says that it is."""

    streaks: Mapping[NodeClass, int] = attrs.field(factory=dict[NodeClass, int])
    strikes: Mapping[UUID, int] = attrs.field(factory=dict[UUID, int])

    @classmethod
    def of(cls, records: Sequence[Record]) -> "NodeReputation":
        """By all their records."""
        streaks = {(one.node, one.device_class): one.reputation.valid_in_row for one in records}
        nodes = {one.node for one in records}
        strikes = {n: strikes_of([one for one in records if one.node == n]) for n in nodes}
        return cls(streaks, strikes)


def why(records: Sequence[Record]) -> str:
    """What its operator is told."""
    bad = [one for one in records if one.reputation.invalid]
    count = sum(one.reputation.invalid for one in bad)
    machine = ", ".join(one.device_class or "no class told" for one in bad)
    return (
        f"{count} of its results ({machine}) were invalid;"
        " 'rendertrust nodes checks' shows which and why. An admin releases it."
    )
