"""Invariants of the books, checked in the in-memory database."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sql.account_names import work_reference
from sql.books import JobRow, UnitRow
from sql.fsck import Finding
from tests.twins.store_earnings import audit_earnings
from tests.twins.store_log import audit_log
from tests.twins.store_purchases import audit_purchases

if TYPE_CHECKING:
    from tests.twins.store import StoreTwin

COMMITTED = ("DISPATCHED", "RUNNING", "VERIFYING", "COMPLETED")
RAN = ("RUNNING", "VERIFYING", "COMPLETED")


def audit(store: "StoreTwin") -> list[Finding]:
    """Return violations of the invariants I1 to I5, I7 to I9 and I11."""
    found = [*_i1(store), *_i2(store), *_i3(store), *_i3_of_units(store), *_i4(store), *_i9(store)]
    found += _i4_of_verdicts(store)
    return [*found, *audit_earnings(store), *audit_log(store), *audit_purchases(store)]


def _i1(store: "StoreTwin") -> Iterator[Finding]:
    for transfer in store.transfers.values():
        if not {transfer.debit, transfer.credit} <= store.accounts.keys():
            yield Finding("I1", f"transfer {transfer.id}", "an account is missing")


def _i2(store: "StoreTwin") -> Iterator[Finding]:
    sums, counts, held = Counter[str](), Counter[str](), Counter[str]()
    for entry in store.entries.values():
        sums[entry.account] += entry.amount
        counts[entry.account] += 1
    for hold in store.holds.values():
        held[hold.account] += hold.amount if hold.state == "OPEN" else 0
    for account in store.accounts.values():
        name = account.name
        wanted = (sums[name], counts[name], held[name])
        if (account.balance, account.version, account.held) != wanted:
            yield Finding("I2", name, f"{account} but {wanted}")
        if not account.may_overdraw and account.available < 0:
            yield Finding("I2", name, "overdrawn")


def _i3(store: "StoreTwin") -> Iterator[Finding]:
    live = {work_reference(u.job_id, u.number) for u in store.units.values() if u.ended_at is None}
    for hold in store.holds.values():
        if hold.state == "OPEN" and hold.reference not in live:
            yield Finding("I3", hold.reference, "open without live work")
        charge = store.transfers.get((hold.account, "USAGE", hold.reference))
        if (charge.amount if charge else 0) != hold.settled:
            yield Finding("I3", hold.reference, f"{hold.state} but {charge}")


def _i3_of_units(store: "StoreTwin") -> Iterator[Finding]:
    for unit in store.units.values():
        hold = store.holds.get(work_reference(unit.job_id, unit.number))
        held = hold.amount if hold is not None and hold.state == "OPEN" else 0
        if unit.ended_at is None and held != unit.price:
            yield Finding("I3", f"unit {unit.job_id}:{unit.number}", f"open with {hold}")


def _i4(store: "StoreTwin") -> Iterator[Finding]:
    verified: set[str] = set()
    for unit in store.units.values():
        reference = work_reference(unit.job_id, unit.number)
        hold = store.holds.get(reference)
        settled = hold is not None and hold.state == "SETTLED"
        if settled != (unit.state == "COMPLETED" and unit.price > 0):
            yield Finding("I4", reference, f"{unit.state} with {hold}")
        if unit.state == "COMPLETED" and unit.verified:
            verified.add(reference)
    earned = Counter(t.reference for t in store.transfers.values() if t.kind == "EARNING")
    for reference, times in earned.items():
        if reference not in verified or times > 1:
            yield Finding("I4", reference, f"paid {times} times")


def _i4_of_verdicts(store: "StoreTwin") -> Iterator[Finding]:
    for key, unit in store.units.items():
        check = store.checks.get((*key, unit.attempt))
        said = None if check is None else check.verdict or check.state
        dispute = store.disputes.get(key)
        is_refunded = dispute is not None and dispute.state == "UPHELD"
        sound = {
            "VERIFYING": said == "PENDING",
            "COMPLETED": said != "PENDING" and (said != "invalid" or is_refunded),
        }
        if not sound.get(unit.state, True):
            yield Finding("I4", f"unit {unit.job_id}:{unit.number}", f"{unit.state} with {check}")
        beside = store.checks.get((*key, unit.copy_attempt)) if unit.copy_node_id else None
        waits = None if beside is None else beside.state
        if waits != (None if unit.copy_delivered_at is None else "PENDING"):
            yield Finding("I4", f"unit {unit.job_id}:{unit.number}", f"its copy's check is {waits}")
    for row in store.receipts.values():
        paid = [t.receipt for t in store.transfers.values() if t.entry.entry_id == row.entry_id]
        if paid not in ([row.hash], []) or (row.entry_id is not None and not paid):
            yield Finding("I4", f"receipt of {row.job_id}:{row.unit}", "another hash is paid for")


def _i9(store: "StoreTwin") -> Iterator[Finding]:
    units_of: defaultdict[UUID, list[UnitRow]] = defaultdict(list)
    for unit in store.units.values():
        units_of[unit.job_id].append(unit)
    for job in store.jobs.values():
        units = units_of[job.id]
        states = Counter(unit.state for unit in units)
        at_work = [unit for unit in units if unit.state in COMMITTED]
        done = [unit for unit in at_work if unit.state == "COMPLETED"]
        wanted = (
            *(_status(job, units), sum(max(unit.attempt - unit.unsent - 1, 0) for unit in units)),
            *(sum(unit.ended_at is None for unit in units), states["FAILED"], states["CANCELLED"]),
            *(sum(unit.price for unit in at_work), sum(unit.price for unit in done), len(units)),
        )
        found = (
            *(job.status, job.retry_count, job.open_units, job.failed_units, job.cancelled_units),
            *(job.committed, job.charged, job.units),
        )
        if found != wanted:
            yield Finding("I9", f"job {job.id}", f"{found} but {wanted} by {units}")
        yield from _i9_of_parts(job, units)


def _i9_of_parts(job: JobRow, units: Sequence[UnitRow]) -> Iterator[Finding]:
    missing = Counter(unit.feeds for unit in units if unit.state != "COMPLETED")
    for unit in units:
        if unit.missing != missing[unit.number]:
            yield Finding("I9", f"unit {job.id}:{unit.number}", f"misses {unit.missing}")


def _status(job: JobRow, units: Sequence[UnitRow]) -> str:
    """Compute a job's status from all its units; the Ledger updates it from single units."""
    states = {unit.state for unit in units}
    if states <= {"COMPLETED", "FAILED", "CANCELLED"}:
        return next((state for state in ("CANCELLED", "FAILED") if state in states), "COMPLETED")
    return "PAUSED" if job.paused is not None else reached(units)


def reached(units: Sequence[UnitRow]) -> str:
    """Return the furthest status that the job's units have reached."""
    if any(unit.started_at is not None or unit.state in RAN for unit in units):
        return "RUNNING"
    return "DISPATCHED" if any(unit.attempt > 0 for unit in units) else "QUEUED"
