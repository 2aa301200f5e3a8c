"""What becomes of a unit whose attempt failed: another try, later and elsewhere, or the end."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs

from actors.ledger.messages import UnitFail, UnitRequeue
from actors.node_session.messages import Elsewhere
from actors.scheduler.messages import Assignment
from rendertrust.protocol import LACKS
from sql.tries import TRIES_MOST, wait_seconds

NODES_FOR_SCENE: Final = 3
GIVEN_BACK_MOST: Final = 3  # attempts that a node may hand back without blame
ERROR_CHARACTERS_MOST: Final = 500
MIB: Final = 2**20
SCENE: Final = "scene"
TOO_MUCH: Final = "too much memory"
MEMORY, OPENGL = LACKS
EXCUSES: Final = ("network", "gateway", "verifier")  # somebody else's failure, as a node says
LESS_MEMORY: Final = (
    "use smaller textures, less subdivision or Simplify, or a node of your own with more memory"
)


def failed(
    unit: Assignment,
    node: UUID,
    error_class: str,
    error: str,
    now: datetime,
    *,
    final: bool = False,
    given_back: bool = False,
    confirmed: bool = True,
) -> UnitFail:
    """A failed attempt.

    ``scene`` is final where it is ``confirmed``; else another node is asked. Three failures of
    nodes are final, too, and on three different nodes they are the scene's. Anything else is
    tried again after 1, 2, then 4 seconds, and then it is final. What is ``given_back`` as its
    node drains or stops did not fail: there are twelve tries of it; as of what a node calls
    another's failure where another of its owner's has failed the unit.
    """
    is_word = error_class in EXCUSES or (error_class == SCENE and not confirmed)
    is_again = unit.is_repeat and is_word and not given_back
    wait = wait_seconds(
        failures=unit.failures,
        faults=unit.faults,
        tried=unit.tries,
        is_nodes=error_class == "node",
        is_given_back=given_back or is_again,
    )
    final = final or wait is None or (error_class == "scene" and confirmed)
    is_third = unit.failures + 1 >= NODES_FOR_SCENE and error_class == "node"
    if final and is_third and len(unit.avoid | {node}) >= NODES_FOR_SCENE:
        error_class, error = "scene", f"failed on {NODES_FOR_SCENE} nodes, last by: {error}"
    return UnitFail(
        job=unit.job,
        unit=unit.unit,
        attempt=unit.attempt,
        node=node,
        error_class=error_class,
        error=error[:ERROR_CHARACTERS_MOST],
        retry_at=None if final or wait is None else now + timedelta(seconds=wait),
        given_back=given_back,
        uncounted=is_again,
    )


@attrs.frozen
class Lack:
    """What a node has not that a unit needs (``rendertrust.protocol.LACKS``). ``given``: bytes of
    memory that it had; ``words`` are its own.
    """

    what: str
    given: int
    words: str


def beyond(
    unit: Assignment, node: UUID, lack: Lack, others: Elsewhere, *, is_word: bool, now: datetime
) -> UnitFail:
    """The unit needs what its node has not; nothing failed. ``is_word``: it is enough that the node
    says so.

    Where a node is there that has it, only such a one is given the unit from now on. Where none is,
    another owner's node is asked first, as anybody can say that he has the most memory of all.
    Then too much memory is the end; OpenGL is waited for.
    """
    is_memory, is_sure = lack.what == MEMORY, is_word or others.is_seconded or not others.is_other
    ends = is_memory and is_sure and not others.is_able
    words = _too_much(lack.given, is_last=ends) if is_memory else lack.words
    back = failed(unit, node, SCENE, words, now, final=ends, given_back=True, confirmed=False)
    is_noted = is_sure or others.is_able
    return attrs.evolve(
        back,
        given_back=False,
        uncounted=True,
        needs_memory=lack.given + 1 if is_memory and is_noted else 0,
        needs_opengl=not is_memory and is_noted,
    )


def _too_much(given: int, *, is_last: bool) -> str:
    said = f"{TOO_MUCH}: the scene needs more than the {given // MIB} MiB that this node gives it"
    return f"{said}, and no node here gives more: {LESS_MEMORY}" if is_last else said


def lost(unit: Assignment, node: UUID, now: datetime) -> UnitFail | UnitRequeue:
    """The node knows nothing of a unit that it ran. It may have been restarted: no blame."""
    if unit.tries >= TRIES_MOST:
        return failed(unit, node, "network", f"lost by its node {unit.tries} times", now)
    return UnitRequeue(unit.job, unit.unit, unit.attempt, "its node does not have it any more")


def withheld(unit: Assignment) -> UnitRequeue:
    """The node was given the unit, and may not begin it any more: no blame."""
    return _unsent(unit, "its node is to begin nothing new")


def paused(unit: Assignment) -> UnitRequeue:
    """Its job was paused before the node had it. However often that is: nothing failed."""
    return _unsent(unit, "its job was paused")


def relieved(unit: Assignment) -> UnitRequeue:
    """Another node would begin it at once."""
    return _unsent(unit, "another node had nothing to do")


def unsendable(unit: Assignment, node: UUID) -> UnitRequeue:
    """Return the unit to the queue: its frame cannot be made for this node's connection."""
    back = _unsent(unit, "it cannot be sent over its node's connection")
    return attrs.evolve(back, unsendable_to=node)


def _unsent(unit: Assignment, reason: str) -> UnitRequeue:
    """Its node never had it: no try, however often that is."""
    return UnitRequeue(unit.job, unit.unit, unit.attempt, reason, unsent=True)


def given_back(unit: Assignment, node: UUID, now: datetime) -> UnitFail | UnitRequeue:
    """The node does not want the unit: it stops perhaps. Who always says so would get it for ever,
    at once and before all others: from the fourth attempt on it is the node's failure.
    """
    reason = "its node gave it back"
    if unit.tries > GIVEN_BACK_MOST:
        return failed(unit, node, "node", reason, now)
    return UnitRequeue(unit.job, unit.unit, unit.attempt, reason)
