"""A second attempt at a unit beside its first, and what becomes of both when one is heard of.

The unit's row is its first attempt's while that lives. Numbers are given once: the next attempt
is one more than the greatest of either kind.
"""

from uuid import UUID

import attrs

from actors.ledger import verdicts
from actors.ledger.blame import blamed, shunned, words
from actors.ledger.draft import Draft
from actors.ledger.messages import (
    GuardFailed,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitFail,
    UnitRequeue,
    UnitStart,
)
from actors.ledger.orders import alone, change
from actors.ledger.postings import Refusal
from actors.ledger.status import AT_WORK
from actors.verifier.messages import CheckEffect, UnitDeliver
from sql.books import UnitRow


def next_attempt(unit: UnitRow) -> int:
    """The least that was never given."""
    return max(unit.attempt, unit.copy_attempt) + 1


def copy(draft: Draft, unit: UnitRow, effect: UnitCopy) -> bool | Refusal:
    """Give the unit to a second node, too. Nothing is held for it anew."""
    if (unit.copy_attempt, unit.copy_node_id) == (effect.attempt, effect.node):
        return False
    may = unit.state in AT_WORK and unit.copy_node_id is None and unit.node_id != effect.node
    if not may or (unit.attempt, next_attempt(unit)) != (effect.beside, effect.attempt):
        return GuardFailed("UnitCopy", unit.state)
    if draft.job_of(unit).paused is not None:
        return GuardFailed("UnitCopy", "PAUSED")
    copied = attrs.evolve(
        unit,
        copy_attempt=effect.attempt,
        copy_node_id=effect.node,
        copy_assigned_at=draft.now,
    )
    change(draft, unit, copied, node_id=effect.node, dispatched_at=draft.now)
    return True


def heard(
    draft: Draft,
    unit: UnitRow,
    effect: UnitAssign | UnitStart | UnitComplete | UnitFail | UnitRequeue | CheckEffect,
) -> UnitRow | bool:
    """One of two attempts is heard of: the row with which the effect goes on, or what it did.

    A result ends the other attempt. One that came to nothing leaves the unit to the other, which
    goes on; unless a scene is said to be at fault, which is the same everywhere.
    """
    whose = _whose(unit, effect)
    if whose is None:
        return unit
    is_copy = whose == unit.copy_node_id
    if isinstance(effect, UnitStart):
        return _start(draft, unit) if is_copy else unit
    if isinstance(effect, UnitFail | UnitRequeue) and not _ends_both(effect):
        left = alone(unit) if is_copy else promoted(unit)
        _note(draft, unit, left, effect)
        if isinstance(effect, UnitFail):
            verdicts.note(draft, effect, unit.copy_attempt if is_copy else unit.attempt)
        return True
    kept = promoted(unit) if is_copy else alone(unit)
    change(draft, unit, kept)
    return kept


def promoted(unit: UnitRow) -> UnitRow:
    """The copy is the unit's one attempt from now on."""
    return attrs.evolve(
        alone(unit),
        state="DISPATCHED" if unit.copy_started_at is None else "RUNNING",
        attempt=unit.copy_attempt,
        node_id=unit.copy_node_id,
        assigned_at=unit.copy_assigned_at,
        started_at=unit.copy_started_at or unit.started_at,
        lease_until=unit.copy_lease_until,
    )


def _whose(
    unit: UnitRow,
    effect: UnitAssign | UnitStart | UnitComplete | UnitFail | UnitRequeue | CheckEffect,
) -> UUID | None:
    """Which of the two nodes the effect is about; None: neither."""
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


def _start(draft: Draft, unit: UnitRow) -> bool:
    if unit.copy_started_at is not None:
        return False
    change(draft, unit, attrs.evolve(unit, copy_started_at=draft.now))
    return True


def _note(draft: Draft, unit: UnitRow, left: UnitRow, effect: UnitFail | UnitRequeue) -> None:
    """The attempt that is left goes on; what became of the other one is written down."""
    if isinstance(effect, UnitFail):
        change(draft, unit, blamed(left, effect), **shunned(draft, effect))
    else:
        told = attrs.evolve(
            left,
            error_class=None,
            error_message=words(effect.reason),
            unsent=left.unsent + effect.unsent,
        )
        change(draft, unit, told)


def _ends_both(effect: UnitFail | UnitRequeue) -> bool:
    if isinstance(effect, UnitRequeue) or effect.retry_at is not None:
        return False
    return effect.error_class == "scene" or effect.node is None
