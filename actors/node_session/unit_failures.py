"""Effects of a failed attempt: another try, later and elsewhere, or the end of the unit."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs

from actors.ledger.messages import UnitFail, UnitRequeue
from actors.node_session.messages import AlternativesFound
from actors.scheduler.messages import Assignment
from rendertrust.error_code import REPORTED, ErrorCode
from rendertrust.protocol import LACKS
from sql.retry_policy import (
    HELD_NODES,
    NODE_FAILURES_MOST,
    OWNERS_MOST,
    RETRY_SECONDS,
    TRIES_MOST,
    held_seconds,
    wait_seconds,
)

LACKING_SECONDS_MOST: Final = 600
GIVEN_BACK: Final = "its node gave it back"
GIVEN_BACK_MOST: Final = 3  # attempts that a node may hand back without blame
ERROR_CHARACTERS_MOST: Final = 500
MIB: Final = 2**20
SCENE: Final = "scene"
TOO_MUCH: Final = "too much memory"
MEMORY, OPENGL = LACKS
LESS_MEMORY: Final = (
    "use smaller textures, less subdivision or Simplify, or a node of your own with more memory"
)


@attrs.frozen
class Failure:
    """A failed attempt, as its node or this session reports it.

    ``error_class`` says whose fault it is. ``final``: no other node is to try it. ``confirmed``:
    that the scene is at fault ends the unit. ``given_back``: nothing failed, the node drains or
    stops. ``accused`` is the device class of a node that blames the scene, ``caught`` that of a
    node whose report was a lie.
    """

    error_class: str
    error: str
    code: ErrorCode = REPORTED
    final: bool = False
    confirmed: bool = True
    given_back: bool = False
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
    """Return the effect of a failed attempt.

    ``scene`` is final where it is ``confirmed``; else another node is asked. Three failures of
    nodes are final, too, and on three different nodes they are the scene's. Anything else is
    tried again after 1, 2, then 4 seconds, and then it is final. What is ``given_back`` as its
    node drains or stops did not fail: there are twelve tries of it.

    With ``others`` it is an outside node's report, which ends nothing by itself (``is_agreed``).
    Tries that were lost or given back do not count then.
    """
    error_class, error, code = failure.error_class, failure.error, failure.code
    wait = wait_seconds(
        failures=unit.failures,
        faults=unit.faults,
        tried=unit.tries if others is None else min(unit.tries, TRIES_MOST - 1),
        is_nodes=error_class == "node",
        is_given_back=failure.given_back,
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
        unit=unit.unit,
        attempt=unit.attempt,
        node=node,
        error_class=error_class,
        error_code=code,
        error=error[:ERROR_CHARACTERS_MOST],
        retry_at=None if final or wait is None else now + timedelta(seconds=wait),
        given_back=failure.given_back,
        accused=failure.accused,
        caught=failure.caught,
    )


def is_agreed(others: AlternativesFound) -> bool:
    """Return whether reports of outside nodes end a unit: nodes of three owners have failed it, or
    no other owner's is left. Nodes without an account count as one owner's.
    """
    return others.owners >= OWNERS_MOST or not others.is_other


@attrs.frozen
class MissingCapability:
    """Something that a unit needs and its node lacks (``rendertrust.protocol.LACKS``).

    ``given``: bytes of memory that the unit had; ``words``: the node's error.
    """

    what: str
    given: int
    words: str


def beyond(
    unit: Assignment,
    node: UUID,
    lack: MissingCapability,
    others: AlternativesFound,
    *,
    is_trusted: bool,
    now: datetime,
) -> UnitFail:
    """Return the effect of an attempt at a unit that needs what its node has not; nothing failed.

    ``is_trusted``: the node's report is enough. Too much memory then ends the unit where no node
    gives more; the report of an outside node ends nothing. From now on the unit is given only to
    nodes that have what it needs, where another owner's node said so, too, and there is one.
    """
    is_memory = lack.what == MEMORY
    ends = is_memory and is_trusted and not others.is_able
    is_noted = is_trusted or (others.is_seconded and others.is_able)
    is_last = not (others.is_able or (others.is_untried and not is_trusted))
    words = _too_much(lack.given, is_last=is_last) if is_memory else lack.words
    return UnitFail(
        job=unit.job,
        unit=unit.unit,
        attempt=unit.attempt,
        node=node,
        error_class=SCENE,
        error_code="too_much_memory" if is_memory else REPORTED,
        error=words[:ERROR_CHARACTERS_MOST],
        retry_at=None if ends else now + timedelta(seconds=_lacking_seconds(unit, others)),
        uncounted=True,
        needs_memory=lack.given + 1 if is_memory and is_noted else 0,
        needs_opengl=not is_memory and is_noted,
    )


def is_stuck(unit: Assignment, node: UUID, others: AlternativesFound) -> bool:
    """Return whether an admin is told of a unit that is beyond its nodes: three said so, and no
    other is there.
    """
    return not others.is_untried and len(unit.avoid | {node}) >= HELD_NODES


def _lacking_seconds(unit: Assignment, others: AlternativesFound) -> int:
    """Return the pause before a unit is given out again: a long one where all nodes tried it."""
    if others.is_untried:
        return held_seconds(nodes=0, times=min(unit.tries, len(RETRY_SECONDS)))
    return int(min(2 ** min(unit.tries, 10), LACKING_SECONDS_MOST))


def _too_much(given: int, *, is_last: bool) -> str:
    said = f"{TOO_MUCH}: the scene needs more than the {given // MIB} MiB that this node gives it"
    return f"{said}, and no node here gives more: {LESS_MEMORY}" if is_last else said


def lost(unit: Assignment, node: UUID) -> UnitRequeue:
    """Return a unit that its node has lost, perhaps by a restart: no blame."""
    reason = "its node does not have it any more"
    return UnitRequeue(unit.job, unit.unit, unit.attempt, reason, lost_by=node)


def withheld(unit: Assignment) -> UnitRequeue:
    """Return a unit that its node may not begin any more: no blame."""
    return _unsent(unit, "its node is to begin nothing new")


def paused(unit: Assignment) -> UnitRequeue:
    """Return a unit whose job was paused before its node had it; nothing failed."""
    return _unsent(unit, "its job was paused")


def relieved(unit: Assignment) -> UnitRequeue:
    """Return a unit that another node would begin at once."""
    return _unsent(unit, "another node had nothing to do")


def unsendable(unit: Assignment, node: UUID) -> UnitRequeue:
    """Return the unit to the queue: its frame cannot be made for this node's connection."""
    back = _unsent(unit, "it cannot be sent over its node's connection")
    return attrs.evolve(back, unsendable_to=node)


def _unsent(unit: Assignment, reason: str) -> UnitRequeue:
    """Return a unit that its node never had: that is no try, however often it happens."""
    return UnitRequeue(unit.job, unit.unit, unit.attempt, reason, unsent=True)


def given_back(unit: Assignment) -> UnitRequeue | None:
    """Return a unit that its node gives back, perhaps as it stops. A node that always does so would
    get it for ever, before all others: from the fourth attempt on it is the node's failure (None).
    """
    if unit.tries > GIVEN_BACK_MOST:
        return None
    return UnitRequeue(unit.job, unit.unit, unit.attempt, GIVEN_BACK)
