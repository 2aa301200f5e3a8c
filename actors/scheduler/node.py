"""A node, as the Scheduler knows it."""

from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Ref
from actors.node_session.messages import NodeSession
from actors.scheduler.messages import MEMORY_MOST, SessionReady
from actors.scheduler.placement_request import CPU, GPU, Requirements, version_of
from sql.scheduler_rows import ACTIVE, NOTHING_SAID, QUARANTINED, StandingRecord

BACKLOG: Final = 32  # units that may wait for a node beyond its slots
DEPTH: Final = 2  # units for each slot: one runs, and the next is there when it ends
UnitKey: TypeAlias = tuple[UUID, int]


@attrs.frozen
class NodeResources:
    """A node that said no hello has nothing of all this, as far as anybody knows.

    ``memory`` is what it gives to one unit. A node that does not say whether it has OpenGL is
    believed to have it.
    """

    device: str = ""
    blender: tuple[int, int] = (0, 0)
    memory: int = 0
    device_class: str = ""
    opengl: bool = True

    def has(self, needs: Requirements) -> bool:
        """Whether it is enough."""
        return (
            needs.device in ("", self.device)
            and needs.blender <= self.blender
            and needs.memory <= self.memory
            and needs.device_class in ("", self.device_class)
            and needs.opengl <= self.opengl
        )


UNKNOWN: Final = NodeResources()


def _no_units() -> set[UnitKey]:
    return set()


@attrs.define(eq=False)
class Node:
    """What the scheduler knows of a node, from the database, its heartbeats and its session.

    ``assigned`` are the units that it has or is about to get. ``slots`` None: it never said hello.
    ``offered``: the job types that its hello names. ``pools``: whose work it takes, as its hello
    says; none named: anybody's. ``is_ours``: the gateway's owner runs it. ``is_unverifiable``: the
    gateway has verifiers, and none of them can check what the node renders.

    ``behind``: its session missed a message and must be told everything again. ``declines`` counts
    the units that it declined in a row; while ``is_paused`` it gets none. ``left_at``: when its
    last session ended, by the monotonic clock. ``silent_since``: when it was first found that only
    its name is known, by the same clock.
    """

    id: UUID
    owner: UUID | None = None
    capabilities: frozenset[str] = frozenset()
    offered: frozenset[str] | None = None
    load: float = 0.0
    healthy: bool = False
    slots: int | None = None
    session: Ref[Any] | None = None
    epoch: int = 0  # of the newest session that is known, here or at another gateway
    left_at: float | None = None
    silent_since: float | None = None
    assigned: set[UnitKey] = attrs.field(factory=_no_units)
    behind: bool = False
    declines: int = 0
    is_paused: bool = False
    standing: StandingRecord = NOTHING_SAID
    pools: frozenset[str] = frozenset()
    resources: NodeResources = UNKNOWN
    is_ours: bool = False
    is_unverifiable: bool = False
    version: int = 0  # of its entries in the index

    def tell(self, message: Message[NodeSession, None]) -> bool:
        """Whether its session took it; False where it has none."""
        return self.session is not None and self.session.tell(message)

    def hear(self, hello: SessionReady) -> None:
        """Take over what it says of itself."""
        self.slots = hello.slots
        self.offered = frozenset(hello.offered) if hello.offered else None
        self.pools = frozenset(hello.pools)
        machine = (hello.device_class, hello.blender, hello.ram, hello.vram)
        self.resources = resources_of(*machine, hello.slots, opengl=hello.opengl)

    def leave(self, now: float) -> None:
        """Its session ended: until it is heard of again, nobody knows that it lives.

        What never said hello speaks the reference alone: its heartbeats are its word.
        """
        self.session = None
        if self.slots is not None:
            self.healthy, self.left_at = False, now
        self.forget()

    def is_back(self, silent_seconds: float | None, now: float) -> bool:
        """Return whether a sign of life came since its last session ended."""
        if self.left_at is None or silent_seconds is None:
            return self.left_at is None
        return silent_seconds < now - self.left_at

    def forget(self) -> None:
        """What it said and did while its last session lived."""
        self.slots = self.offered = None
        self.pools, self.resources = frozenset(), UNKNOWN
        self.declines, self.is_paused = 0, False

    @property
    def eligible(self) -> bool:
        """Whether it may be given work: it lives, by heartbeat or by a session, and nobody says no.

        While it is quarantined it may be given its owner's work, and must have an owner.
        """
        if self.standing.name != ACTIVE and self.serves is None:
            return False
        return self.healthy or self.session is not None

    @property
    def is_known(self) -> bool:
        """Whether anything is lost when it is forgotten: it may be another gateway's."""
        is_there = self.healthy or self.session is not None or bool(self.assigned)
        return is_there or self.standing.version > 0

    @property
    def serves(self) -> UUID | None:
        """Whose units alone it may be given; None: anybody's."""
        return self.owner if self.standing.name == QUARANTINED else None

    @property
    def is_open(self) -> bool:
        """Whether it takes anybody's work, as it says itself."""
        return not self.pools or "any" in self.pools

    @property
    def is_own_online(self) -> bool:
        """Whether it is the gateway's own, and there."""
        return self.is_ours and self.session is not None

    @property
    def accepts_work(self) -> bool:
        return not self.is_paused and len(self.assigned) < (self.slots or 0) + BACKLOG

    @property
    def is_free(self) -> bool:
        """Whether it would begin a unit at once."""
        return self.session is not None and len(self.assigned) < (self.slots or 0)

    @property
    def has_backlog(self) -> bool:
        """Whether units wait at it that its session has not sent: it was given more than it runs.

        To one that never said how many it runs, everything is sent at once.
        """
        return self.session is not None and len(self.assigned) > (self.slots or len(self.assigned))

    @property
    def has_backlog_elsewhere(self) -> bool:
        """Whether units wait at it, as far as can be told: it is not served here, and has several.
        One whose session ended here is not looked for elsewhere until it is heard of.
        """
        may_live = self.healthy or self.left_at is None
        return self.session is None and may_live and len(self.assigned) > 1

    @property
    def is_saturated(self) -> bool:
        """Whether it has enough for now: what waits is better kept for whoever is free first."""
        return self.session is not None and len(self.assigned) >= DEPTH * max(self.slots or 1, 1)

    @property
    def is_oversubscribed(self) -> bool:
        """Whether it was given more than that: orders are, where their answer names a node."""
        return self.session is not None and len(self.assigned) > DEPTH * max(self.slots or 1, 1)

    @property
    def does(self) -> frozenset[str]:
        """The job types it can do now: those registered, less those its hello left out."""
        if self.offered is None:
            return self.capabilities
        return self.capabilities & self.offered


def resources_of(
    device_class: str | None,
    blender: str | None,
    ram: int | None,
    vram: int | None = None,
    slots: int | None = None,
    *,
    opengl: bool | None = None,
) -> NodeResources:
    """From the fields of a hello; the class begins with the kind of its device (``cpu/x86_64``).

    Memory is for all its slots together, and a unit gets one of them. What a device of its own
    renders must fit into that device's memory too, where the node says how much it gives of it.
    """
    kind = (device_class or "").partition("/")[0].lower()
    device = "" if not kind else CPU if kind == CPU else GPU
    given = min(ram or 0, MEMORY_MOST)
    if device == GPU and vram is not None:
        given = min(given, vram)
    memory = given // max(slots or 1, 1)
    return NodeResources(
        device, version_of(blender or ""), memory, device_class or "", opengl is not False
    )
