"""What is written down of an attempt that came to nothing: the words, and whose failure it is."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import attrs

from actors.ledger.draft import Draft
from actors.ledger.messages import UnitFail
from sql.books import UnitRow
from sql.retry_policy import held_seconds, tries

ERROR_CHARACTERS: Final = 2000
EXCUSES: Final = ("gateway", "verifier")  # whose failure it was, as its node says


def words(error: str) -> str:
    """As the database takes it."""
    return error.replace("\x00", "\ufffd")[:ERROR_CHARACTERS]


def blamed(unit: UnitRow, effect: UnitFail) -> UnitRow:
    """With what went wrong; a failure of the node's counts, and it is to be avoided.

    Others count for themselves, but for a unit that was given back, and what is ``uncounted``.
    """
    told = attrs.evolve(
        unit,
        error_class=effect.error_class,
        error_code=effect.error_code,
        error_message=words(effect.error),
        needs_memory=max(unit.needs_memory, effect.needs_memory),
        needs_opengl=unit.needs_opengl or effect.needs_opengl,
    )
    if effect.error_class != "node":
        nothing_failed = effect.given_back or effect.uncounted
        return told if nothing_failed else attrs.evolve(told, faults=unit.faults + 1)
    node = effect.node
    avoid = unit.avoid if node is None or node in unit.avoid else (*unit.avoid, node)
    return attrs.evolve(told, failures=unit.failures + 1, avoid=avoid)


def shunned(draft: Draft, effect: UnitFail) -> dict[str, Any]:
    """A node that failed a unit is not given another of its job; nor one that says that it was not
    its failure, which is its word alone; nor one that has not what it needs.
    """
    job = draft.jobs.get(effect.job)
    is_excused = effect.uncounted or effect.error_class in EXCUSES
    is_its = effect.error_class == "node" or (is_excused and effect.retry_at is not None)
    if job is None or not is_its or effect.node in (None, *job.avoid):
        return {}
    return {"avoid": (*job.avoid, effect.node)}


def avoiding(unit: UnitRow, effect: UnitFail) -> tuple[UUID, ...]:
    """Whatever a node says that kept it from a unit, it is not asked again before another is; one
    that gave the unit back may be.
    """
    node, again = effect.node, effect.retry_at is not None and not effect.given_back
    if not again or node is None or node in unit.avoid:
        return unit.avoid
    return (*unit.avoid, node)


def unsendable(unit: UnitRow, node: UUID, now: datetime) -> UnitRow:
    """Return the waiting unit with one more node that it could not be sent to.

    The node is avoided, not blamed: others are asked first.
    """
    nodes = unit.unsendable_to if node in unit.unsendable_to else (*unit.unsendable_to, node)
    avoid = unit.avoid if node in unit.avoid else (*unit.avoid, node)
    wait = timedelta(seconds=held_seconds(nodes=len(nodes), times=unit.unsent))
    return attrs.evolve(unit, unsendable_to=nodes, avoid=avoid, not_before=now + wait)


def lost(unit: UnitRow, node: UUID, now: datetime) -> UnitRow:
    """Return the waiting unit that a node lost: others are asked first, after a pause.

    The first loss costs nothing, as the node may have been restarted.
    """
    times = tries(unit.attempt, unit.unsent) - 1
    if times < 1:
        return unit
    avoid = unit.avoid if node in unit.avoid else (*unit.avoid, node)
    wait = timedelta(seconds=held_seconds(nodes=len(avoid), times=times))
    return attrs.evolve(unit, avoid=avoid, not_before=now + wait)
