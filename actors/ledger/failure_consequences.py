"""Consequences of a failed attempt: the unit's error, avoided nodes, and records of its node."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import attrs

from actors.ledger.draft import Draft
from actors.ledger.effects import UnitFail
from sql.books import UnitRow
from sql.checks import CheckRow, WordRow
from sql.unit_retry_policy import held_seconds, tries

ERROR_CHARACTERS: Final = 2000
SAID_MAX: Final = 500  # characters of an explanation that a check's row keeps
EXCUSES: Final = ("gateway", "verifier")  # error classes with which a node blames another party


def stored_text(error: str) -> str:
    """Return an error text as the database stores it: without NUL characters, and shortened."""
    return error.replace("\x00", "\ufffd")[:ERROR_CHARACTERS]


def with_failure(unit: UnitRow, effect: UnitFail) -> UnitRow:
    """Return the unit with its error.

    If the node is at fault, the unit's ``failures`` increase and it avoids the node. Otherwise its
    ``faults`` increase, unless the node returned the unit or the failure is ``uncounted``.
    """
    failed = attrs.evolve(
        unit,
        error_class=effect.error_class,
        error_code=effect.error_code,
        error_message=stored_text(effect.error),
        needs_memory=max(unit.needs_memory, effect.needs_memory),
        needs_opengl=unit.needs_opengl or effect.needs_opengl,
    )
    if effect.error_class != "node":
        nothing_failed = effect.returned or effect.uncounted
        return failed if nothing_failed else attrs.evolve(failed, faults=unit.faults + 1)
    node = effect.node
    avoid = unit.avoid if node is None or node in unit.avoid else (*unit.avoid, node)
    return attrs.evolve(failed, failures=unit.failures + 1, avoid=avoid)


def avoided_by_job(draft: Draft, effect: UnitFail) -> dict[str, Any]:
    """Return the change of the job's row that makes its other units avoid the node, if any.

    They avoid a node that failed the unit, also one that blames the gateway or a verifier, or lacks
    what the unit needs.
    """
    job = draft.jobs.get(effect.job)
    is_excused = effect.uncounted or effect.error_class in EXCUSES
    is_its = effect.error_class == "node" or (is_excused and effect.retry_at is not None)
    if job is None or not is_its or effect.node in (None, *job.avoid):
        return {}
    return {"avoid": (*job.avoid, effect.node)}


def avoided_by_unit(unit: UnitRow, effect: UnitFail) -> tuple[UUID, ...]:
    """Return the nodes that a unit avoids after a failure.

    A node that returned the unit without a failure is not added.
    """
    node, again = effect.node, effect.retry_at is not None and not effect.returned
    if not again or node is None or node in unit.avoid:
        return unit.avoid
    return (*unit.avoid, node)


def after_failed_send(unit: UnitRow, node: UUID, now: datetime) -> UnitRow:
    """Return the waiting unit with one more node that it could not be sent to.

    Other nodes are tried first, but the failure does not count against this node.
    """
    nodes = unit.unsendable_to if node in unit.unsendable_to else (*unit.unsendable_to, node)
    avoid = unit.avoid if node in unit.avoid else (*unit.avoid, node)
    wait = timedelta(seconds=held_seconds(nodes=len(nodes), times=unit.unsent))
    return attrs.evolve(unit, unsendable_to=nodes, avoid=avoid, not_before=now + wait)


def after_loss(unit: UnitRow, node: UUID, now: datetime) -> UnitRow:
    """Return the waiting unit after a node lost it: after a pause, other nodes are tried first.

    A loss in the first try has no consequence, as the node may have been restarted.
    """
    times = tries(unit.attempt, unit.unsent) - 1
    if times < 1:
        return unit
    avoid = unit.avoid if node in unit.avoid else (*unit.avoid, node)
    wait = timedelta(seconds=held_seconds(nodes=len(avoid), times=times))
    return attrs.evolve(unit, avoid=avoid, not_before=now + wait)


def record_claims(draft: Draft, effect: UnitFail) -> None:
    """Record a false claim of the attempt's node, or its report that the scene is at fault."""
    if effect.caught is not None:
        _record_false_claim(draft, effect, effect.caught)
    elif effect.accused is not None:
        assert effect.node is not None, "the report comes from a node"
        of = (effect.job, effect.unit, effect.attempt)
        word = WordRow(*of, effect.node, effect.accused, draft.now)
        draft.words.put(word.id, word)


def _record_false_claim(draft: Draft, effect: UnitFail, device_class: str) -> None:
    """Record a node's false claim as an invalid result, although no check was made."""
    assert effect.node is not None, "a false claim comes from a node"
    row = CheckRow(
        job_id=effect.job,
        unit=effect.unit,
        attempt=effect.attempt,
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
