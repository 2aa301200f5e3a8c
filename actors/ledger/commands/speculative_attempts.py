"""Effects on units with a speculative attempt: which of the two attempts counts.

The unit's row describes its first attempt; its ``copy_`` columns describe the speculative one.
Attempt numbers are never reused: the next one is one more than the greatest of both attempts.
"""

from typing import TypeAlias
from uuid import UUID

import attrs

from actors.ledger.commands import checks
from actors.ledger.commands.units import (
    after_failed_send,
    after_loss,
    avoided_by_job,
    record_claims,
    stored_text,
    with_failure,
)
from actors.ledger.draft import Draft
from actors.ledger.effects import (
    CheckEffect,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitDeliver,
    UnitFail,
    UnitRequeue,
    UnitStart,
    UnitVerdict,
)
from actors.ledger.messages import GuardFailed, GuardReason, RowState
from actors.ledger.postings import Refusal
from actors.ledger.unit_changes import (
    change,
    has_failed_frame,
    next_attempt,
    with_copy_only,
    without_copy,
)
from rendertrust.job_status import AT_WORK
from sql.books import UnitRow

OfAttempt: TypeAlias = UnitAssign | UnitStart | UnitComplete | UnitFail | UnitRequeue | CheckEffect


def copy(draft: Draft, unit: UnitRow, effect: UnitCopy) -> bool | Refusal:
    """Assign a speculative attempt to a second node; no further credits are held."""
    if (unit.copy_attempt, unit.copy_node_id) == (effect.attempt, effect.node):
        return False
    may = unit.state in AT_WORK and unit.copy_node_id is None and unit.node_id != effect.node
    if not may or (unit.attempt, next_attempt(unit)) != (effect.beside, effect.attempt):
        return GuardFailed("UnitCopy", RowState(unit.state))
    if draft.job_of(unit).paused is not None:
        return GuardFailed("UnitCopy", RowState.PAUSED)
    if has_failed_frame(draft, unit):
        return GuardFailed("UnitCopy", GuardReason.FRAME_FAILED)
    copied = attrs.evolve(
        unit,
        copy_attempt=effect.attempt,
        copy_node_id=effect.node,
        copy_assigned_at=draft.now,
    )
    change(draft, unit, copied, node_id=effect.node, dispatched_at=draft.now)
    return True


def apply_to_pair(draft: Draft, unit: UnitRow, effect: OfAttempt) -> UnitRow | bool | Refusal:
    """Apply an effect to a unit with two attempts.

    Return the effect's result, or the unit's row if the caller must still apply the effect to that
    row. A delivery does not end the other attempt, only an accepted result does. If an attempt
    fails, the other one continues, unless the scene or the gateway ends the unit.
    """
    whose = _whose(unit, effect)
    if whose is None:
        return unit
    is_copy = whose == unit.copy_node_id
    if isinstance(effect, UnitStart):
        return _start(draft, unit) if is_copy else unit
    if isinstance(effect, UnitDeliver):
        return _deliver(draft, unit, effect) if is_copy else unit
    mine, other = (
        (with_copy_only(unit), without_copy(unit))
        if is_copy
        else (without_copy(unit), with_copy_only(unit))
    )
    if isinstance(effect, UnitVerdict):
        return _apply_verdict(draft, AttemptPair(unit, mine, other), effect)
    if isinstance(effect, UnitFail | UnitRequeue):
        if mine.state == "VERIFYING":
            return GuardFailed(type(effect).__name__, RowState(mine.state))
        if isinstance(effect, UnitRequeue) and effect.unheard and mine.lease_until is not None:
            return GuardFailed("UnitRequeue", GuardReason.LEASED)
        if other.state == "VERIFYING" or not _ends_both(effect):
            _end(draft, unit, other, effect)
            if isinstance(effect, UnitFail):
                record_claims(draft, effect)
            return True
    return _keep_only_mine(draft, AttemptPair(unit, mine, other))


@attrs.frozen
class AttemptPair:
    """A unit's row with two attempts, and the same row with only one of the attempts.

    ``mine``: the row with the attempt that the effect names; ``other``: with the other attempt.
    """

    unit: UnitRow
    mine: UnitRow
    other: UnitRow


def _keep_only_mine(draft: Draft, pair: AttemptPair) -> UnitRow:
    """Make the attempt ``mine`` the only one of the unit."""
    checks.overtaken(draft, pair.other)
    change(draft, pair.unit, pair.mine)
    return pair.mine


def _apply_verdict(
    draft: Draft, pair: AttemptPair, effect: UnitVerdict
) -> UnitRow | bool | Refusal:
    """Apply a verdict on one attempt: a valid result ends the other attempt.

    After an invalid result the other attempt continues, unless the scene is at fault and the other
    attempt has delivered nothing.
    """
    if pair.mine.state != "VERIFYING":
        return GuardFailed("UnitVerdict", RowState(pair.mine.state))
    if not checks.rejects(effect) or (effect.withdrawn and pair.other.state != "VERIFYING"):
        return _keep_only_mine(draft, pair)

    def end_mine(_: Draft, __: UnitRow, failure: UnitFail, ___: frozenset[str]) -> bool:
        _end(draft, pair.unit, pair.other, failure)
        return True

    return checks.judge(draft, pair.mine, effect, end_mine)


def _whose(unit: UnitRow, effect: OfAttempt) -> UUID | None:
    """Return the node whose attempt the effect names; None if it names neither attempt."""
    if isinstance(effect, UnitAssign):
        return None
    for attempt, node in (
        (unit.attempt, unit.node_id),
        (unit.copy_attempt, unit.copy_node_id),
    ):
        if effect.attempt == attempt and _node_of(effect) in (None, node):
            return node
    return None


def _node_of(
    effect: UnitStart | UnitComplete | UnitFail | UnitRequeue | CheckEffect,
) -> UUID | None:
    if isinstance(effect, UnitStart | UnitComplete | UnitFail | UnitDeliver):
        return effect.node
    return None


def _deliver(draft: Draft, unit: UnitRow, effect: UnitDeliver) -> bool:
    """Record the delivery of the speculative attempt; the first one continues."""
    if unit.copy_delivered_at is not None:
        return False
    checks.open_check(draft, unit, effect)
    delivered = attrs.evolve(
        unit,
        copy_delivered_at=draft.now,
        copy_started_at=unit.copy_started_at or draft.now,
        copy_lease_until=None,
    )
    change(draft, unit, delivered)
    return True


def _start(draft: Draft, unit: UnitRow) -> bool:
    if unit.copy_started_at is not None:
        return False
    change(draft, unit, attrs.evolve(unit, copy_started_at=draft.now))
    return True


def _end(draft: Draft, unit: UnitRow, left: UnitRow, effect: UnitFail | UnitRequeue) -> None:
    """Record that one attempt failed or was lost; ``left`` is the row with the other one."""
    if isinstance(effect, UnitFail):
        change(draft, unit, with_failure(left, effect), **avoided_by_job(draft, effect))
    else:
        updated = attrs.evolve(
            left,
            error_class=None,
            error_code=None,
            error_message=stored_text(effect.reason),
            unsent=left.unsent + effect.unsent,
        )
        if effect.unsendable_to is not None:
            updated = attrs.evolve(
                after_failed_send(updated, effect.unsendable_to, draft.now), not_before=None
            )
        if effect.lost_by is not None:
            updated = attrs.evolve(
                after_loss(updated, effect.lost_by, draft.now), not_before=updated.not_before
            )
        change(draft, unit, updated)


def _ends_both(effect: UnitFail | UnitRequeue) -> bool:
    if isinstance(effect, UnitRequeue) or effect.retry_at is not None:
        return False
    return (effect.error_class == "scene" and not effect.uncounted) or effect.node is None
