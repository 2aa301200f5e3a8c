"""Effects of attempts that end without a result: the unit is retried, requeued, or failed."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs

from actors.ledger.effects import UnitFail, UnitRequeue
from actors.node_session.messages import AlternativesFound
from actors.scheduler.messages import Assignment
from rendertrust.protocol import LACKS
from rendertrust.unit_error_code import REPORTED, ErrorCode
from sql.unit_retry_policy import (
    HELD_NODES,
    NODE_FAILURES_MOST,
    OWNERS_MOST,
    RETRY_SECONDS,
    TRIES_MOST,
    held_seconds,
    wait_seconds,
)

LACKING_SECONDS_MOST: Final = 600  # longest pause of a unit that no node can do
RETURNED: Final = "its node returned it unfinished"
RETURNS_MOST: Final = 3  # last try of a unit at which its return is not a failure
ERROR_CHARACTERS_MOST: Final = 500
MIB: Final = 2**20
SCENE: Final = "scene"
TOO_MUCH: Final = "too much memory"
MEMORY, OPENGL, VRAM, SCRIPTS = LACKS
MEMORIES: Final = (MEMORY, VRAM)
LESS_MEMORY: Final = (
    "use smaller textures, less subdivision or Simplify, or a node of your own with more memory"
)


@attrs.frozen
class Failure:
    """A failed attempt, as its node or this session reports it.

    ``error_class``: whose fault the failure is. ``final``: no other node shall try the unit.
    ``confirmed``: the unit ends if the scene is at fault. ``returned``: the node returned the
    unit because it drains or stops, and nothing failed. ``accused``: device class of a node that
    blames the scene. ``caught``: device class of a node that lied.
    """

    error_class: str
    error: str
    code: ErrorCode = REPORTED
    final: bool = False
    confirmed: bool = True
    returned: bool = False
    accused: str | None = None
    caught: str | None = None

    @property
    def is_of_scene(self) -> bool:
        """True if the scene is at fault."""
        return self.error_class == SCENE


def failed(
    unit: Assignment,
    node: UUID,
    failure: Failure,
    now: datetime,
    *,
    others: AlternativesFound | None = None,
) -> UnitFail:
    """Return the effect of a failed attempt: a retry, or the end of the unit.

    A failure of the scene ends the unit if it is ``confirmed``. So does the third failure that is a
    node's fault, and the fourth of any kind; if three different nodes failed, the scene is blamed.
    After other failures the unit is retried, after 1, 2 and 4 seconds. A unit that is ``returned``
    did not fail, and is tried up to twelve times.

    ``others`` is given for a report of an outside node, which ends the unit only if ``is_agreed``.
    For such a report, lost and returned attempts do not count towards the twelve tries.
    """
    error_class, error, code = failure.error_class, failure.error, failure.code
    wait = wait_seconds(
        failures=unit.failures,
        faults=unit.faults,
        tried=unit.tries if others is None else min(unit.tries, TRIES_MOST - 1),
        is_nodes=error_class == "node",
        is_returned=failure.returned,
    )
    if wait is None and others is not None and not is_agreed(others):
        wait = RETRY_SECONDS[-1]
    final = failure.final or wait is None or (failure.is_of_scene and failure.confirmed)
    is_third = unit.failures + 1 >= NODE_FAILURES_MOST and error_class == "node"
    tried = len(unit.avoid | {node})
    if final and is_third and tried >= NODE_FAILURES_MOST:
        error_class, error = SCENE, f"failed on {tried} nodes, last by: {error}"
        code = "every_node"
    return UnitFail(
        job=unit.job,
        unit=unit.number,
        attempt=unit.attempt,
        node=node,
        error_class=error_class,
        error_code=code,
        error=error[:ERROR_CHARACTERS_MOST],
        retry_at=None if final or wait is None else now + timedelta(seconds=wait),
        returned=failure.returned,
        accused=failure.accused,
        caught=failure.caught,
    )


def is_agreed(others: AlternativesFound) -> bool:
    """Return whether failures that outside nodes report end a unit.

    These failures end a unit if nodes of three owners tried it, or no other owner has a node that
    could do it. All nodes without an account count as nodes of one owner.
    """
    return others.owners >= OWNERS_MOST or not others.is_other


@attrs.frozen
class MissingCapability:
    """A capability that a unit needs and its node lacks (``rendertrust.protocol.LACKS``).

    ``given``: bytes of memory, or of graphics memory, that the node gave the unit. ``words``: the
    node's error text.
    """

    what: str
    given: int
    words: str


def incapable(
    unit: Assignment,
    node: UUID,
    lack: MissingCapability,
    others: AlternativesFound,
    *,
    is_trusted: bool,
    now: datetime,
) -> UnitFail:
    """Return the effect of an attempt on a node that lacks what the unit needs.

    The attempt does not count as a failure. If the node ``is_trusted`` (no outside node) and lacks
    memory or graphics memory, and no node has more, the unit ends. In all other cases the unit is
    retried. The report of a trusted node raises the unit's requirements. The report of an outside
    node raises the requirements only if a node of another owner has tried the unit, too, and a
    capable node exists.
    """
    is_memory = lack.what in MEMORIES
    ends = is_memory and is_trusted and not others.is_able
    is_noted = is_trusted or (others.is_seconded and others.is_able)
    is_last = not (others.is_able or (others.is_untried and not is_trusted))
    words = _too_much(lack, is_last=is_last) if is_memory else lack.words
    more = lack.given + 1 if is_noted else 0
    return UnitFail(
        job=unit.job,
        unit=unit.number,
        attempt=unit.attempt,
        node=node,
        error_class=SCENE,
        error_code="too_much_memory" if is_memory else REPORTED,
        error=words[:ERROR_CHARACTERS_MOST],
        retry_at=None if ends else now + timedelta(seconds=_lacking_seconds(unit, others)),
        uncounted=True,
        needs_memory=more if lack.what == MEMORY else 0,
        needs_opengl=lack.what == OPENGL and is_noted,
        needs_vram=more if lack.what == VRAM else 0,
        needs_scripts=lack.what == SCRIPTS and is_noted,
    )


def is_stuck(unit: Assignment, node: UUID, others: AlternativesFound) -> bool:
    """Return whether admins are alerted about a unit that its nodes cannot do: three nodes have
    tried it, and no node is left that has not.
    """
    return not others.is_untried and len(unit.avoid | {node}) >= HELD_NODES


def _lacking_seconds(unit: Assignment, others: AlternativesFound) -> int:
    """Return the pause before the next attempt; it is longer if all nodes have tried the unit."""
    if others.is_untried:
        return held_seconds(nodes=0, times=min(unit.tries, len(RETRY_SECONDS)))
    return int(min(2 ** min(unit.tries, 10), LACKING_SECONDS_MOST))


def _too_much(lack: MissingCapability, *, is_last: bool) -> str:
    kind = "graphics memory " if lack.what == VRAM else ""
    given = f"{lack.given // MIB} MiB"
    said = f"{TOO_MUCH}: the scene needs more {kind}than the {given} that its node has for it"
    return f"{said}, and no connected node has more: {LESS_MEMORY}" if is_last else said


def lost(unit: Assignment, node: UUID) -> UnitRequeue:
    """Requeue a unit that its node lost, perhaps in a restart; it does not count as a failure."""
    reason = "its node no longer has it"
    return UnitRequeue(unit.job, unit.number, unit.attempt, reason, lost_by=node)


def withheld(unit: Assignment) -> UnitRequeue:
    """Requeue an unsent unit that its node may no longer begin."""
    return _unsent(
        unit, "its node was stopped, quarantined or revoked, or left its pool, before it began"
    )


def paused(unit: Assignment) -> UnitRequeue:
    """Requeue an unsent unit whose job was paused."""
    return _unsent(unit, "its job was paused")


def stolen(unit: Assignment) -> UnitRequeue:
    """Requeue an unsent unit that an idle node can begin at once (work stealing)."""
    return _unsent(unit, "it was moved to a node that had nothing to do")


def unsendable(unit: Assignment, node: UUID) -> UnitRequeue:
    """Requeue an unsent unit for which no relay frame can be made for this node's connection."""
    back = _unsent(unit, "it cannot be sent over its node's connection")
    return attrs.evolve(back, unsendable_to=node)


def _unsent(unit: Assignment, reason: str) -> UnitRequeue:
    """Requeue a unit that its node never received, which does not count as a try."""
    return UnitRequeue(unit.job, unit.number, unit.attempt, reason, unsent=True)


def returned(unit: Assignment) -> UnitRequeue | None:
    """Requeue a unit that its node returned unfinished, for example because the node stops.

    Returns None from the fourth try on; the caller then records a failure. If returns never counted
    as failures, a node that always returns units would get this unit again and again.
    """
    if unit.tries > RETURNS_MOST:
        return None
    return UnitRequeue(unit.job, unit.number, unit.attempt, RETURNED)
