"""Messages of the Ledger, and their outcomes.

A ``Commit`` contains effects and transfers (``effects``), which are made all or none. Many commits
share one database transaction; each gets a separate outcome.

``lock_set`` collects the rows that a commit locks, ``commands`` applies effects, ``postings``
makes transfers and changes holds.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Ref
from actors.ledger.effects import Effect, Transfer
from rendertrust.job_status import JobStatus, UnitStatus
from sql.audit_log import Act
from sql.units import Lease as Lease  # noqa: PLC0414 - part of what this module offers


class Ledger:
    """Marker: the address of the ledger actor."""


@attrs.frozen
class IdempotencyKey:
    """Key under which a repeated request gets the first ``answer`` again: {status, body}."""

    user: UUID
    key: str
    request: bytes  # SHA-256 of the request
    answer: dict[str, Any]


# ── outcomes ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class UnitState:
    """The state of a unit after a commit, for the Scheduler's index and the node's ack.

    ``copied``: the newest speculative attempt; ``copy_node``: the node that still runs it;
    ``answered``: the speculative attempt delivered and waits for its verdict. ``unsendable_to``:
    the number of nodes to which the unit could not be sent.
    """

    job: UUID
    unit: int
    state: UnitStatus
    attempt: int
    node: UUID | None
    job_status: JobStatus
    copied: int = 0
    copy_node: UUID | None = None
    answered: bool = False
    unsendable_to: int = 0


@attrs.frozen
class Booked:
    """The entry of a posted transfer in its subject's account."""

    id: UUID
    entry_id: int  # 0 until it is written
    amount: int  # in 1/10,000 credits; negative for a debit
    kind: str
    reference: str
    description: str
    balance_after: int
    created_at: datetime


@attrs.frozen
class Posted:
    """The commit was written and changed something.

    ``entries``: the subjects' entries of the transfers that effects made, then of the commit's own
    transfers; without charges, earnings and repayments of debts. ``units``: the present states of
    the units that the effects touched, in order.
    """

    entries: tuple[Booked, ...] = ()
    units: tuple[UnitState, ...] = ()


@attrs.frozen
class Replayed:
    """The same commit was written before: its entries, and the present states of its units.

    ``answer``: the answer stored under the idempotency key, None without a key.
    """

    entries: tuple[Booked, ...] = ()
    answer: dict[str, Any] | None = None
    units: tuple[UnitState, ...] = ()


@attrs.frozen
class ExistsWithOtherAmount:
    """The reference belongs to a transfer with another amount or other accounts."""

    reference: str


@attrs.frozen
class KeyConflict:
    """The idempotency key was used for another request."""

    key: str


@attrs.frozen
class InsufficientCredits:
    available: int
    requested: int


@attrs.frozen
class HoldClosed:
    """The hold has already been settled or released."""

    reference: str


class RowState(StrEnum):
    """State or status in which an effect found its row.

    The row is a unit, job, check, hold, earning, payout, dispute or purchase.
    """

    QUEUED = "QUEUED"
    DISPATCHED = "DISPATCHED"
    RUNNING = "RUNNING"
    VERIFYING = "VERIFYING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    DECIDED = "DECIDED"
    PENDING = "PENDING"
    PAYABLE = "PAYABLE"
    REVERSED = "REVERSED"
    FORFEITED = "FORFEITED"
    OPEN = "OPEN"
    UPHELD = "UPHELD"
    REQUESTED = "REQUESTED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    PAID = "PAID"
    EXPIRED = "EXPIRED"


class GuardReason(StrEnum):
    """Reason, other than the state of its row, why an effect's guard failed."""

    ABSENT = "absent"  # there is no such row, or it is another user's
    INVALID = "invalid"  # the effect or transfer contradicts itself, because of a bug
    ACCOUNT_CLOSED = "account-closed"  # the user is deleted
    AT_CAP = "at-cap"  # the job's next unit would exceed the cap, or the cap is committed already
    STOPPED = "stopped"  # the job was stopped; delivered units wait for their verdicts
    FRAME_FAILED = "frame-failed"  # another tile of the unit's frame failed
    LEASED = "leased"  # the node has a lease on the unit
    NO_HOLD = "no-hold"  # no credits are held for the unit
    NOTHING_PAYABLE = "nothing-payable"  # the operator has no payable share
    BELOW_MINIMUM = "below-minimum"  # less is payable than a payout must have
    UNCHARGED = "uncharged"  # nothing was charged for the unit
    WINDOW_CLOSED = "window-closed"  # the dispute window is over, or the share can be paid out
    DISPUTED = "disputed"  # the unit has another dispute


Found: TypeAlias = RowState | GuardReason


@attrs.frozen
class GuardFailed:
    """An effect's guard failed: its row was in another state. Nothing was committed.

    ``effect``: the name of its class. ``found``: the present state or status of the row, or the
    reason, if it is another.
    """

    effect: str
    found: Found
    units: tuple[UnitState, ...] = ()  # states of the units touched up to this effect


@attrs.frozen
class DataRefused:
    """The database refused the commit's data. Nothing was committed.

    A constraint was violated that the Ledger leaves to the database, such as that a job is repeated
    once; otherwise there is a bug. ``error``: the database's message.
    """

    error: str


@attrs.frozen
class LedgerUnavailable:
    """The database is down or had too many conflicts, or the Ledger crashed.

    A crash is reported to observers only.

    The commit was written completely or not at all. Repeating it with the same references and ids
    is safe.
    """


Outcome: TypeAlias = (
    Posted
    | Replayed
    | ExistsWithOtherAmount
    | KeyConflict
    | InsufficientCredits
    | HoldClosed
    | GuardFailed
    | DataRefused
    | LedgerUnavailable
)


def units_of(outcome: Outcome) -> tuple[UnitState, ...]:
    """Return the unit states in an outcome."""
    return outcome.units if isinstance(outcome, Posted | Replayed | GuardFailed) else ()


# ── messages ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Decided(Message[Any, None]):
    """From the Ledger to a commit's ``observer``: the outcome, with the commit's ``tag``."""

    tag: Any
    outcome: Outcome


@attrs.frozen
class Commit(Message[Ledger, Outcome]):
    """From any actor or the web: apply all effects and transfers, or none.

    Effects are applied first, then transfers, each in order. The observer receives the outcome,
    also if the commit was told, not asked. Repeating a commit is safe: changes that were made
    before are recognised by job id, reference, attempt and node; if all were, the outcome is
    ``Replayed``.

    ``act``: an admin's action, recorded in the same transaction if anything changes.
    """

    transfers: tuple[Transfer, ...] = ()
    effects: tuple[Effect, ...] = ()
    idempotency: IdempotencyKey | None = None
    observer: Ref[Any] | None = None
    tag: Any = None
    act: Act | None = None


@attrs.frozen
class IsAccepting(Message[Ledger, bool]):
    """From the web: ask whether commits can be written now.

    The Ledger probes the database if there was no recent batch or probe.
    """


@attrs.frozen
class RenewLeases(Message[Ledger, int]):
    """From a NodeSession: its node still works on these units.

    The answer is the number of renewed leases; 0 while the database is down. A lease is not renewed
    if the unit has another attempt or node by now.
    """

    leases: tuple[Lease, ...]
