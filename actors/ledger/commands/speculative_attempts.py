"""Speculative attempts: a second attempt at a unit beside the first, and which of them counts.

The unit's row describes its first attempt while that is at work. Attempt numbers are never reused:
the next number is greater by one than the greatest of either kind.
"""

from typing import TypeAlias
from uuid import UUID

import attrs

from actors.ledger import tile_dependencies
from actors.ledger.commands import checks
from actors.ledger.draft import Draft
from actors.ledger.failure_attribution import blamed, lost, note, shunned, unsendable, words
from actors.ledger.messages import (
    GuardFailed,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitFail,
    UnitRequeue,
    UnitStart,
)
from actors.ledger.postings import Refusal
from actors.ledger.rows import AT_WORK, alone, change, next_attempt, promoted
from actors.verifier.messages import CheckEffect, UnitDeliver, UnitVerdict
from sql.books import UnitRow

OfAttempt: TypeAlias = UnitAssign | UnitStart | UnitComplete | UnitFail | UnitRequeue | CheckEffect


def copy(draft: Draft, unit: UnitRow, effect: UnitCopy) -> bool | Refusal:
    """Assign the unit to a second node as well; no further credits are held."""
    if (unit.copy_attempt, unit.copy_node_id) == (effect.attempt, effect.node):
        return False
    may = unit.state in AT_WORK and unit.copy_node_id is None and unit.node_id != effect.node
    if not may or (unit.attempt, next_attempt(unit)) != (effect.beside, effect.attempt):
        return GuardFailed("UnitCopy", unit.state)
    if draft.job_of(unit).paused is not None:
        return GuardFailed("UnitCopy", "PAUSED")
    if tile_dependencies.is_lost(draft, unit):
        return GuardFailed("UnitCopy", "FAILED")
    copied = attrs.evolve(
        unit,
        copy_attempt=effect.attempt,
        copy_node_id=effect.node,
        copy_assigned_at=draft.now,
    )
    change(draft, unit, copied, node_id=effect.node, dispatched_at=draft.now)
    return True


def heard(draft: Draft, unit: UnitRow, effect: OfAttempt) -> UnitRow | bool | Refusal:
    """Apply an effect on one of two attempts.

    Returns the row with which the effect continues, or the result. A delivery ends nothing: the
    first result that counts, if necessary after its verdict, ends the other attempt. A failed
    attempt leaves the unit to the other one.
    """
    whose = _whose(unit, effect)
    if whose is None:
        return unit
    is_copy = whose == unit.copy_node_id
    if isinstance(effect, UnitStart):
        return _start(draft, unit) if is_copy else unit
    if isinstance(effect, UnitDeliver):
        return _deliver(draft, unit, effect) if is_copy else unit
    mine, other = (promoted(unit), alone(unit)) if is_copy else (alone(unit), promoted(unit))
    if isinstance(effect, UnitVerdict):
        return _judged(draft, AttemptPair(unit, mine, other), effect)
    if isinstance(effect, UnitFail | UnitRequeue):
        if mine.state == "VERIFYING":
            return GuardFailed(type(effect).__name__, mine.state)
        if other.state == "VERIFYING" or not _ends_both(effect):
            _end(draft, unit, other, effect)
            if isinstance(effect, UnitFail):
                note(draft, effect, mine.attempt)
            return True
    return _won(draft, AttemptPair(unit, mine, other))


@attrs.frozen
class AttemptPair:
    """A unit with two attempts, and its row with only one of them."""

    unit: UnitRow
    mine: UnitRow
    other: UnitRow


def _won(draft: Draft, pair: AttemptPair) -> UnitRow:
    """Make one attempt the only one of the unit."""
    checks.overtaken(draft, pair.other)
    change(draft, pair.unit, pair.mine)
    return pair.mine


def _judged(draft: Draft, pair: AttemptPair, effect: UnitVerdict) -> UnitRow | bool | Refusal:
    """Apply a verdict on one attempt: it ends the other attempt, or lets it continue."""
    if pair.mine.state != "VERIFYING":
        return GuardFailed("UnitVerdict", pair.mine.state)
    if not checks.falls(effect) or (effect.withdrawn and pair.other.state != "VERIFYING"):
        return _won(draft, pair)

    def fell(_: Draft, __: UnitRow, failure: UnitFail, ___: frozenset[str]) -> bool:
        _end(draft, pair.unit, pair.other, failure)
        return True

    return checks.judge(draft, pair.mine, effect, fell)


def _whose(
    unit: UnitRow,
    effect: OfAttempt,
) -> UUID | None:
    """Return the node that the effect is about; None: neither of the two."""
    if isinstance(effect, UnitAssign) or (effect.attempt is None and _node_of(effect) is None):
        return None
    for attempt, node in (
        (unit.attempt, unit.node_id),
        (unit.copy_attempt, unit.copy_node_id),
    ):
        if effect.attempt in (None, attempt) and _node_of(effect) in (None, node):
            return node
    return None


def _node_of(
    effect: UnitStart | UnitComplete | UnitFail | UnitRequeue | CheckEffect,
) -> UUID | None:
    if isinstance(effect, UnitStart | UnitComplete | UnitFail | UnitDeliver):
        return effect.node
    return None


def _deliver(draft: Draft, unit: UnitRow, effect: UnitDeliver) -> bool:
    """Record the delivery of the copy; the first attempt is unchanged."""
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
    """Record the end of one attempt; the other one continues."""
    if isinstance(effect, UnitFail):
        change(draft, unit, blamed(left, effect), **shunned(draft, effect))
    else:
        told = attrs.evolve(
            left,
            error_class=None,
            error_code=None,
            error_message=words(effect.reason),
            unsent=left.unsent + effect.unsent,
        )
        if effect.unsendable_to is not None:
            told = attrs.evolve(unsendable(told, effect.unsendable_to, draft.now), not_before=None)
        if effect.lost_by is not None:
            told = attrs.evolve(lost(told, effect.lost_by, draft.now), not_before=told.not_before)
        change(draft, unit, told)


def _ends_both(effect: UnitFail | UnitRequeue) -> bool:
    if isinstance(effect, UnitRequeue) or effect.retry_at is not None:
        return False
    return (effect.error_class == "scene" and not effect.uncounted) or effect.node is None
