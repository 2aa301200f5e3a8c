"""A node as the scheduler knows it, its resources, and the requirements of units."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Ref
from actors.node_session.messages import NodeSession
from actors.scheduler.messages import CPU, device_kind, unit_memory
from rendertrust.blender_version import UNKNOWN as UNKNOWN_VERSION
from rendertrust.blender_version import BlenderVersion, parse
from rendertrust.job_spec import NodeNeeds
from rendertrust.protocol import Hello
from sql.nodes import ACTIVE, NOTHING_SAID, QUARANTINED, StandingRecord

BACKLOG: Final = 32  # units that may wait for a node beyond its slots
DEPTH: Final = 2  # units for each slot, so that the next one is at the node when one ends
CLOCK_STEP: Final = 0.001  # seconds by which a timer may be early
GPU: Final = "gpu"
GIB: Final = 1 << 30
# A card sold with 24 GB reports down to 22.5 GiB: error correction and its driver take some.
CARD_PERCENT: Final = 93
UnitKey: TypeAlias = tuple[UUID, int]


@attrs.frozen(order=True, cache_hash=True)
class Requirements:
    """Requirements of a unit.

    ``device``: cpu or gpu. ``blender``: exactly this version, or with ``or_newer`` at least this
    one. ``undeclared``: nodes that do not say which version they have may run it, too. ``memory``:
    the least bytes. ``device_class``: exactly this device, instruction set and build of Blender.
    ``opengl``: the scene's render engine needs OpenGL (EEVEE, Workbench). ``vram``: the least bytes
    of graphics memory; ``memory`` then is main memory alone. ``card_memory``: the least bytes of
    graphics memory where a card renders it. ``scripts``: it has script shaders, which cards refuse.
    """

    device: str = ""
    blender: BlenderVersion = UNKNOWN_VERSION
    or_newer: bool = False
    undeclared: bool = False
    memory: int = 0
    device_class: str = ""
    opengl: bool = False
    vram: int = 0
    card_memory: int = 0
    scripts: bool = False


NOTHING: Final = Requirements()


@attrs.frozen
class NodeResources:
    """Resources of a node; the defaults are of a node that has not sent a hello.

    ``blenders``: the versions of its builds of Blender, the newest last. ``memory``: bytes for one
    unit; on a GPU at most its graphics memory. ``opengl`` is True if the node does not declare it.
    ``ram`` and ``vram``: bytes of main and of graphics memory for one unit. ``classes``: the device
    class, and those with the node's other builds of Blender. ``uninstalled``: the versions that the
    node first installs. ``built``: the device class of each version whose build is known.
    """

    device: str = ""
    blenders: tuple[BlenderVersion, ...] = ()
    memory: int = 0
    device_class: str = ""
    opengl: bool = True
    ram: int = 0
    vram: int = 0
    classes: tuple[str, ...] = ()
    uninstalled: frozenset[BlenderVersion] = frozenset()
    built: tuple[tuple[BlenderVersion, str], ...] = ()

    def has(self, needs: Requirements) -> bool:
        """Return whether the resources meet the requirements."""
        return (
            needs.device in ("", self.device)
            and (
                needs.blender == UNKNOWN_VERSION
                or needs.blender in self.blenders
                or (needs.or_newer and (needs.blender,) < self.blenders[-1:])
                or (needs.undeclared and not self.blenders)
            )
            and needs.memory <= (self.ram if needs.vram else self.memory)
            and needs.vram <= self.vram
            and needs.device_class in ("", self.class_for(needs))
            and needs.opengl <= self.opengl
            and (self.device != GPU or (needs.card_memory <= self.vram and not needs.scripts))
        )

    def must_install(self, needs: Requirements) -> bool:
        """Return whether the node first installs the version in which it would render.

        That is the required version, or with ``or_newer`` the nearest newer one.
        """
        return needs.blender != UNKNOWN_VERSION and self._used(needs) in self.uninstalled

    def class_for(self, needs: Requirements) -> str:
        """Return the device class in which the node would render; '' if unknown."""
        if needs.blender == UNKNOWN_VERSION:
            return self.device_class
        return dict(self.built).get(self._used(needs), self.device_class)

    def _used(self, needs: Requirements) -> BlenderVersion:
        """Return the oldest version that is not older than the required one."""
        newer = (version for version in self.blenders if version >= needs.blender)
        return next(newer, UNKNOWN_VERSION)  # the oldest is first


UNKNOWN: Final = NodeResources()


def _no_units() -> set[UnitKey]:
    return set()


@attrs.define(eq=False)
class Node:
    """A node as the database, its heartbeats and its session describe it.

    ``assigned``: the node's units, and units for which one of its slots is reserved. ``slots`` is
    None without a hello. ``offered``: the job types in the node's hello; None if the hello named
    none. ``pools``: the pools in the hello; empty if the node takes every user's work. ``is_ours``:
    the gateway's owner runs the node. ``is_unverifiable``: the gateway has verifiers, but none of
    them can check this node's results.

    ``behind``: the node's session missed a message and must get all assignments again.
    ``declines``: how often the node declined units since it connected or finished one; while
    ``is_paused`` the node gets no units.
    ``rests_until``: monotonic time until which other nodes get work before this one, because it
    fails often.
    ``left_at``: monotonic time when the node's last session here ended, of those with a hello.
    ``silent_since``: monotonic time when the node was first found without session, units, standing
    and sign of life.
    """

    id: UUID
    owner: UUID | None = None
    capabilities: frozenset[str] = frozenset()
    offered: frozenset[str] | None = None
    load: float = 0.0
    healthy: bool = False
    slots: int | None = None
    session: Ref[Any] | None = None
    epoch: int = 0  # number of the newest known session, at this or another gateway
    left_at: float | None = None
    silent_since: float | None = None
    assigned: set[UnitKey] = attrs.field(factory=_no_units)
    behind: bool = False
    declines: int = 0
    is_paused: bool = False
    rests_until: float | None = None
    standing: StandingRecord = NOTHING_SAID
    pools: frozenset[str] = frozenset()
    resources: NodeResources = UNKNOWN
    is_ours: bool = False
    is_unverifiable: bool = False
    version: int = 0  # entries in the index's heaps with another version are stale

    def tell(self, message: Message[NodeSession, None]) -> bool:
        """Send a message to the node's session; return False if there is no session, or its mailbox
        is full.
        """
        return self.session is not None and self.session.tell(message)

    def take_hello(self, hello: Hello) -> None:
        """Store what the node's hello declares."""
        self.slots = hello.slots
        self.offered = frozenset(hello.capabilities) if hello.capabilities else None
        self.pools = frozenset(hello.pools)
        named = tuple(each.version for each in hello.builds) or (hello.blender or "",)
        machine = (hello.device_class, named, hello.ram, hello.vram)
        found = resources_of(*machine, hello.slots, opengl=hello.opengl)
        lacking = (b.version for b in hello.used_builds if b.installed is False)
        self.resources = attrs.evolve(
            found,
            classes=hello.device_classes,
            uninstalled=frozenset(map(parse, lacking)),
            built=hello.built_classes,
        )

    def leave(self, now: float) -> None:
        """Record that the session ended: the node is not healthy until its next sign of life.

        A client that never sent a hello stays healthy, as its heartbeats do not need the session.
        """
        self.session = None
        if self.slots is not None:
            self.healthy, self.left_at = False, now
        self.forget()

    def is_back(self, silent_seconds: float | None, now: float) -> bool:
        """Return whether there was a sign of life after the node's last session ended, if any."""
        if self.left_at is None or silent_seconds is None:
            return self.left_at is None
        return silent_seconds < now - self.left_at

    def forget(self) -> None:
        """Reset what the node's last hello declared, its pause, and its count of declines."""
        self.slots = self.offered = None
        self.pools, self.resources = frozenset(), UNKNOWN
        self.declines, self.is_paused = 0, False

    def end_rest(self, now: float) -> bool:
        """End the node's rest if its time is over; return whether it ended."""
        if self.rests_until is None or now < self.rests_until - CLOCK_STEP:
            return False
        self.rests_until = None
        return True

    @property
    def is_resting(self) -> bool:
        """True if other nodes get work before this one, because it fails often."""
        return self.rests_until is not None

    @property
    def eligible(self) -> bool:
        """True if the node is alive and its standing allows work.

        A quarantined node gets only its owner's work, so it must have an owner.
        """
        if self.standing.name != ACTIVE and self.only_user is None:
            return False
        return self.healthy or self.session is not None

    @property
    def is_known(self) -> bool:
        """True if the node is alive, has units, or has a standing: its record must be kept."""
        is_there = self.healthy or self.session is not None or bool(self.assigned)
        return is_there or self.standing.version > 0

    @property
    def only_user(self) -> UUID | None:
        """The only user whose units the node may get; None if there is no such restriction."""
        return self.owner if self.standing.name == QUARANTINED else None

    @property
    def is_open(self) -> bool:
        """True if the node's hello allows every user's work."""
        return not self.pools or "any" in self.pools

    @property
    def is_own_online(self) -> bool:
        """True if the gateway's owner runs the node and the node is connected to this gateway."""
        return self.is_ours and self.session is not None

    @property
    def accepts_work(self) -> bool:
        """True if the node is not paused, and its slots or its backlog have room."""
        return not self.is_paused and len(self.assigned) < (self.slots or 0) + BACKLOG

    @property
    def is_free(self) -> bool:
        """True if the node is connected and has a free slot: it begins a unit at once, unless it is
        paused.
        """
        return self.session is not None and len(self.assigned) < (self.slots or 0)

    @property
    def has_backlog(self) -> bool:
        """True if units wait at the node's session, because the node has more units than slots.

        No unit waits for a node that did not declare its slots: the node gets all units at once.
        """
        return self.session is not None and len(self.assigned) > (self.slots or len(self.assigned))

    @property
    def has_backlog_elsewhere(self) -> bool:
        """True if another gateway serves the node and the node has several units, some of which may
        wait.

        False for a node whose session at this gateway has ended, until the node's next sign of
        life.
        """
        may_live = self.healthy or self.left_at is None
        return self.session is None and may_live and len(self.assigned) > 1

    @property
    def is_saturated(self) -> bool:
        """True if the node has ``DEPTH`` units per slot: further units should wait in the queue."""
        return self.session is not None and len(self.assigned) >= DEPTH * max(self.slots or 1, 1)

    @property
    def is_oversubscribed(self) -> bool:
        """True if the node has more than ``DEPTH`` units per slot, for example from new jobs."""
        return self.session is not None and len(self.assigned) > DEPTH * max(self.slots or 1, 1)

    @property
    def does(self) -> frozenset[str]:
        """The job types that the node can do: those registered for it, without those that its hello
        omits.
        """
        if self.offered is None:
            return self.capabilities
        return self.capabilities & self.offered


def blenders_of(nodes: Iterable[Node]) -> tuple[BlenderVersion, ...]:
    """Return the versions of Blender that these nodes have, the oldest first."""
    return tuple(sorted({version for node in nodes for version in node.resources.blenders}))


@lru_cache(maxsize=1_024)
def capability_set(capabilities: tuple[str, ...]) -> frozenset[str]:
    """Return the job types as a set, which nodes with the same ones share."""
    return frozenset(capabilities)


def resources_of(
    device_class: str | None,
    blenders: Iterable[str],
    ram: int | None,
    vram: int | None = None,
    slots: int | None = None,
    *,
    opengl: bool | None = None,
) -> NodeResources:
    """Return the resources that the fields of a hello declare.

    ``blenders``: the versions of its builds. ``ram`` and ``vram`` are for all slots together;
    ``memory`` of the result is for one slot.
    """
    kind = device_kind(device_class)
    device = kind if kind in ("", CPU) else GPU
    memory = unit_memory(device_class, ram, vram, slots)
    versions = tuple(sorted({parse(named) for named in blenders} - {UNKNOWN_VERSION}))
    main, graphics = unit_memory(None, ram, None, slots), unit_memory(None, vram, None, slots)
    named = device_class or ""
    if device != GPU:
        graphics = 0
    return NodeResources(device, versions, memory, named, opengl is not False, main, graphics)


def requirements_of(
    needs: NodeNeeds, *, or_newer: bool = False, undeclared: bool = False, card_bytes: int = 0
) -> Requirements:
    """Return the requirements of a job's units.

    ``or_newer`` and ``undeclared`` count only if the units need a version of Blender.

    Memory is rounded up to a power of two, from 1 GiB, so that there are few kinds of units;
    graphics memory, which only GPUs have, to a whole GiB. A card that is sold with this size meets
    the requirement, although it reports less. ``card_bytes``: the estimate of what the units need
    on a card.
    """
    memory = needs.memory or 0
    rounded = 0 if memory <= 0 else max(GIB, 1 << (memory - 1).bit_length())
    version = parse(needs.blender or "")
    is_versioned = version != UNKNOWN_VERSION
    return Requirements(
        device=needs.device or (GPU if needs.vram else ""),
        blender=version,
        or_newer=or_newer and is_versioned,
        undeclared=undeclared and is_versioned,
        memory=rounded,
        device_class=needs.device_class or "",
        opengl=bool(needs.opengl),
        vram=-(-(needs.vram or 0) // GIB) * GIB * CARD_PERCENT // 100,
        card_memory=_stepped(card_bytes),
    )


@attrs.frozen
class Lacked:
    """Capabilities that nodes lacked for a unit: bytes of memory and graphics memory, OpenGL, and
    the ability to run script shaders.
    """

    memory: int = 0
    opengl: bool = False
    vram: int = 0
    scripts: bool = False


NO_LACK: Final = Lacked()


def raised_requirements(needs: Requirements, lacked: Lacked) -> Requirements:
    """Return the requirements, raised by what nodes lacked."""
    if lacked == NO_LACK:
        return needs
    return attrs.evolve(
        needs,
        memory=max(needs.memory, _stepped(lacked.memory)),
        opengl=needs.opengl or lacked.opengl,
        card_memory=max(needs.card_memory, _stepped(lacked.vram)),
        scripts=needs.scripts or lacked.scripts,
    )


def _stepped(memory: int) -> int:
    """Return bytes rounded up, so that there are few kinds of units: to a multiple of 256 MiB, or
    by an eighth at most.
    """
    step = max(GIB >> 2, 1 << max(memory.bit_length() - 4, 0))
    return -(-memory // step) * step
