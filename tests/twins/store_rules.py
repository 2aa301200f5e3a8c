"""The schema's CHECKs and keys, enforced by the in-memory database."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, get_args

import attrs

from rendertrust.unit_error_code import ErrorCode
from sql.books import Changes, HoldRow, JobRow, TransferRow, UnitRow
from sql.database import Mismatch, Refused
from sql.purchases import PurchaseRow

if TYPE_CHECKING:
    from tests.twins.store import StoreTwin

BIGINT = 2**63
ENDED = ("COMPLETED", "FAILED", "CANCELLED")
WAITS = ("QUEUED", "FAILED", "CANCELLED")
JOB_STATES = ("QUEUED", "DISPATCHED", "RUNNING", *ENDED)
UNIT_STATES = (*JOB_STATES, "VERIFYING")
KINDS = (
    *("STRIPE", "USAGE", "ADJUSTMENT", "REFUND", "EARNING", "DEDUCTION"),
    *("CLAIM", "REVERSAL", "FINE", "PAYOUT"),
)
ERROR_CLASSES = (None, "scene", "node", "network", "gateway", "verifier")


def check(store: "StoreTwin", changes: Changes) -> None:
    """Raise Refused for data that a CHECK forbids, or Mismatch for rows in an unexpected state."""
    for row in rows_of(changes):
        for value in attrs.astuple(row, recurse=False):
            _value(value)
    for name, sound in _rules(changes):
        if not sound:
            raise Refused(name)
    _keys(store, changes)


def rows_of(changes: Changes) -> Iterator[Any]:
    yield from changes.accounts
    yield from changes.holds
    yield from changes.jobs
    yield from changes.units
    yield from changes.transfers
    yield from changes.idempotency
    yield from changes.purchases
    yield from changes.reversals
    yield from changes.events


def _value(value: object) -> None:
    if isinstance(value, str) and ("\x00" in value or any("\ud800" <= c < "\ue000" for c in value)):
        raise Refused("text")
    if isinstance(value, int) and not -BIGINT <= value < BIGINT:
        raise Refused("bigint")
    if isinstance(value, dict):
        for each in value.values():
            _value(each)


def _rules(changes: Changes) -> Iterator[tuple[str, bool]]:
    for account in changes.accounts:
        yield "held", account.held >= 0
        yield "balance", account.may_overdraw or account.available >= 0
        yield "debt", not account.name.startswith("debt:") or account.balance <= 0
    for job in changes.jobs:
        yield from _job(job)
    for new in changes.new_jobs:
        yield "payload_ref", 1 <= len(new.payload_ref) <= 500
        yield "price", new.price >= 0
    for unit in changes.units:
        yield from _unit(unit)
    for hold in changes.holds:
        yield from _hold(hold)
    for transfer in changes.transfers:
        yield from _transfer(transfer)
    for purchase in changes.purchases:
        yield from _purchase(purchase)
    for row in changes.idempotency:
        yield "key", 1 <= len(row.key) <= 255 and len(row.request) == 32


def _job(job: JobRow) -> Iterator[tuple[str, bool]]:
    yield "job_type", 1 <= len(job.job_type) <= 100
    yield "status", job.status in (*JOB_STATES, "PAUSED")
    yield "jobs_paused", (job.status == "PAUSED") == (job.paused is not None)
    yield "jobs_cap", job.cap is None or job.committed <= job.cap
    yield "units", job.units > 0 and min(job.committed, job.charged) >= 0
    yield "completed_at", (job.status in ENDED) == (job.completed_at is not None)
    yield "retry_count", job.retry_count >= 0
    yield "counts", min(job.open_units, job.failed_units, job.cancelled_units) >= 0
    yield "open_units", (job.open_units == 0) == (job.completed_at is not None)


def _unit(unit: UnitRow) -> Iterator[tuple[str, bool]]:
    yield "state", unit.state in UNIT_STATES
    yield "ended_at", (unit.state in ENDED) == (unit.ended_at is not None)
    at_work = unit.state in ("DISPATCHED", "RUNNING", "VERIFYING")
    yield "assigned", not at_work or (unit.node_id is not None and unit.attempt > 0)
    yield "missing", unit.missing == 0 or (unit.state in WAITS and unit.price == 0)
    yield (
        "numbers",
        unit.missing >= 0 and min(unit.number, unit.attempt, unit.failures, unit.price) >= 0,
    )
    yield "sha256", unit.result_sha256 is None or len(unit.result_sha256) == 32
    yield "result_size", unit.result_size is None or unit.result_size >= 0
    yield "error_class", unit.error_class in ERROR_CLASSES
    yield "error_code", unit.error_code is None or unit.error_code in get_args(ErrorCode)
    yield from _copy(unit)


def _copy(unit: UnitRow) -> Iterator[tuple[str, bool]]:
    times = (unit.copy_assigned_at, unit.copy_started_at, unit.copy_lease_until)
    if unit.copy_node_id is None:
        yield "units_not_copied", (*times, unit.copy_delivered_at) == (None, None, None, None)
        return
    beside = unit.copy_attempt > unit.attempt and unit.copy_node_id != unit.node_id
    yield "units_copied", unit.state in ("DISPATCHED", "RUNNING", "VERIFYING") and beside
    yield "units_copied", unit.copy_delivered_at is None or unit.copy_started_at is not None
    yield "units_copied", unit.copy_assigned_at is not None


def _hold(hold: HoldRow) -> Iterator[tuple[str, bool]]:
    yield "amount", hold.amount > 0 and 0 <= hold.settled <= hold.amount
    yield "state", hold.state in ("OPEN", "SETTLED", "RELEASED")
    yield "closed_at", (hold.state == "OPEN") == (hold.closed_at is None)
    yield "settled", hold.state == "SETTLED" or hold.settled == 0


def _transfer(transfer: TransferRow) -> Iterator[tuple[str, bool]]:
    yield "amount", transfer.amount > 0
    yield "sides", transfer.debit != transfer.credit
    yield "subject", transfer.subject in (transfer.debit, transfer.credit)
    yield "kind", transfer.kind in KINDS
    yield "reference", 1 <= len(transfer.reference) <= 255


def _purchase(purchase: PurchaseRow) -> Iterator[tuple[str, bool]]:
    paid = purchase.state == "PAID"
    yield "state", purchase.state in ("OPEN", "FAILED", "EXPIRED", "PAID")
    yield "paid_at", paid == (purchase.paid_at is not None)
    yield "session", not paid or purchase.session is not None
    yield "movements", paid or purchase.movements == 0
    yield "taken", min(purchase.refunded, purchase.disputed) >= 0
    yield "whole", purchase.refunded + purchase.disputed <= purchase.units


def _keys(store: "StoreTwin", changes: Changes) -> None:
    for hold in changes.holds:
        before = store.holds.get(hold.reference)
        new = hold.reference in changes.new_holds
        _must(before is None if new else before is not None and before.state != "SETTLED")
    new_jobs = {job.id for job in changes.new_jobs}
    for job in changes.jobs:
        _must((job.id in store.jobs) != (job.id in new_jobs))
    for unit in changes.units:
        known = (unit.job_id, unit.number) in store.units
        _must(known != (unit.job_id in new_jobs))
    if any(job.retry_of is not None for job in changes.new_jobs):
        _unique(job.retry_of for job in (*store.new_jobs.values(), *changes.new_jobs))
    _must(all(account.name in store.accounts for account in changes.accounts))
    for share in changes.earnings:
        key = (share.job_id, share.unit)
        _must((key in store.earnings) != (key in changes.new_earnings))
    for dispute in changes.disputes:
        key = (dispute.job_id, dispute.unit)
        _must((key in store.disputes) != (key in changes.new_disputes))
    for payout in changes.payouts:
        _must((payout.id in store.payouts) != (payout.id in changes.new_payouts))
    _new(store.transfers, [(t.subject, t.kind, t.reference) for t in changes.transfers])
    _new(store.entries, [(s.account, s.version) for t in changes.transfers for s in t.sides])
    _new(store.answers, [(row.user_id, row.key) for row in changes.idempotency])
    _new(store.events, [row.id for row in changes.events])
    for purchase in changes.purchases:
        _must((purchase.id in store.purchases) != (purchase.id in changes.new_purchases))
    purchases = {**store.purchases, **{row.id: row for row in changes.purchases}}
    _unique(purchase.session for purchase in purchases.values())
    _unique(purchase.payment_intent for purchase in purchases.values())


def _new(table: Iterable[Any], keys: list[Any]) -> None:
    _must(len(set(keys)) == len(keys) and not set(keys) & set(table))


def _unique(values: Iterable[object]) -> None:
    """Raise Mismatch if a value occurs twice; None may repeat."""
    known = [value for value in values if value is not None]
    _must(len(set(known)) == len(known))


def _must(sound: bool) -> None:
    if not sound:
        raise Mismatch("the rows have changed since they were read")
