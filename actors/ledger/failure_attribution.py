"""Record of a failed attempt: the error text, who is at fault, and what counts against the node."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import attrs

from actors.ledger.draft import Draft
from actors.ledger.messages import UnitFail
from sql.books import UnitRow
from sql.checks import CheckRow, WordRow
from sql.retry_policy import held_seconds, tries

ERROR_CHARACTERS: Final = 2000
SAID_MAX: Final = 500  # characters that a check's row keeps
EXCUSES: Final = ("gateway", "verifier")  # parties that a node may name as being at fault


def words(error: str) -> str:
    """Return the text in the form in which the database stores it."""
    return error.replace("\x00", "\ufffd")[:ERROR_CHARACTERS]


def blamed(unit: UnitRow, effect: UnitFail) -> UnitRow:
    """Return the unit with its error; a node at fault is counted and avoided.

    Other failures are counted as faults, unless the unit was returned or the failure is
    ``uncounted``.
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
    """Exclude a node that failed a unit from the rest of its job.

    This includes a node that merely claims another cause, and one that lacks what the job needs.
    """
    job = draft.jobs.get(effect.job)
    is_excused = effect.uncounted or effect.error_class in EXCUSES
    is_its = effect.error_class == "node" or (is_excused and effect.retry_at is not None)
    if job is None or not is_its or effect.node in (None, *job.avoid):
        return {}
    return {"avoid": (*job.avoid, effect.node)}


def avoiding(unit: UnitRow, effect: UnitFail) -> tuple[UUID, ...]:
    """Return the nodes to avoid for the unit, without a node that has merely returned it."""
    node, again = effect.node, effect.retry_at is not None and not effect.given_back
    if not again or node is None or node in unit.avoid:
        return unit.avoid
    return (*unit.avoid, node)


def unsendable(unit: UnitRow, node: UUID, now: datetime) -> UnitRow:
    """Return the waiting unit with one more node that it could not be sent to.

    The node is avoided but not blamed: others are tried first.
    """
    nodes = unit.unsendable_to if node in unit.unsendable_to else (*unit.unsendable_to, node)
    avoid = unit.avoid if node in unit.avoid else (*unit.avoid, node)
    wait = timedelta(seconds=held_seconds(nodes=len(nodes), times=unit.unsent))
    return attrs.evolve(unit, unsendable_to=nodes, avoid=avoid, not_before=now + wait)


def lost(unit: UnitRow, node: UUID, now: datetime) -> UnitRow:
    """Return the waiting unit after a node lost it: others are tried first, after a pause.

    The first loss has no consequence, as the node may have been restarted.
    """
    times = tries(unit.attempt, unit.unsent) - 1
    if times < 1:
        return unit
    avoid = unit.avoid if node in unit.avoid else (*unit.avoid, node)
    wait = timedelta(seconds=held_seconds(nodes=len(avoid), times=times))
    return attrs.evolve(unit, avoid=avoid, not_before=now + wait)


def note(draft: Draft, effect: UnitFail, attempt: int) -> None:
    """Record a failed attempt against its node: a false claim, or a report about the scene."""
    if effect.caught is not None:
        _note_lie(draft, effect, attempt, effect.caught)
    elif effect.accused is not None:
        assert effect.node is not None, "somebody said it"
        of = (effect.job, effect.unit, attempt)
        word = WordRow(*of, effect.node, effect.accused, draft.now)
        draft.words.put(word.id, word)


def _note_lie(draft: Draft, effect: UnitFail, attempt: int, device_class: str) -> None:
    """Record an invalid result that was rejected before any check."""
    assert effect.node is not None, "it is a node's failure"
    row = CheckRow(
        job_id=effect.job,
        unit=effect.unit,
        attempt=attempt,
        node_id=effect.node,
        device_class=device_class,
        result_ref=None,
        sha256=None,
        size=None,
        work=None,
        node_signature=None,
        verified=False,
        operator=None,
        share_percent=0,
        window_seconds=0,
        opened_at=draft.now,
        state="DECIDED",
        verdict="invalid",
        said=effect.error[:SAID_MAX],
        decided_at=draft.now,
        strike=True,
    )
    draft.checks.put(row.id, row)
