"""The invariants of the books over the twin of the database."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from actors.ledger.messages import work_reference
from sql.books import UnitRow
from sql.fsck import Finding
from tests.twins.store_earnings import audit_earnings
from tests.twins.store_log import audit_log

if TYPE_CHECKING:
    from tests.twins.store import StoreTwin


def audit(store: "StoreTwin") -> list[Finding]:
    """Violations of I1 to I5, and I7 to I9."""
    found = [*_i1(store), *_i2(store), *_i3(store), *_i4(store), *_i9(store)]
    return [*found, *audit_earnings(store), *audit_log(store)]


def _i1(store: "StoreTwin") -> Iterator[Finding]:
    amounts: defaultdict[int, list[int]] = defaultdict(list)
    for entry in store.entries.values():
        amounts[entry.transfer_id].append(entry.amount)
    for transfer in store.transfers.values():
        if sorted(amounts[transfer.id]) != [-transfer.amount, transfer.amount]:
            yield Finding("I1", f"transfer {transfer.id}", str(amounts[transfer.id]))
    if sum(entry.amount for entry in store.entries.values()):
        yield Finding("I1", "all entries", "do not sum up to 0")


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


def _i9(store: "StoreTwin") -> Iterator[Finding]:
    units_of: defaultdict[UUID, list[UnitRow]] = defaultdict(list)
    for unit in store.units.values():
        units_of[unit.job_id].append(unit)
    for job in store.jobs.values():
        units = units_of[job.id]
        states = Counter(unit.state for unit in units)
        wanted = (
            *(_status(units), sum(max(unit.attempt - 1, 0) for unit in units)),
            *(sum(unit.ended_at is None for unit in units), states["FAILED"], states["CANCELLED"]),
        )
        found = (job.status, job.retry_count, job.open_units, job.failed_units, job.cancelled_units)
        if found != wanted:
            yield Finding("I9", f"job {job.id}", f"{found} but {wanted} by {units}")


def _status(units: Sequence[UnitRow]) -> str:
    """What a look at all units says, unlike the Ledger, which looks at one."""
    states = {unit.state for unit in units}
    if states <= {"COMPLETED", "FAILED", "CANCELLED"}:
        return next((state for state in ("CANCELLED", "FAILED") if state in states), "COMPLETED")
    if any(unit.started_at is not None or unit.state in ("RUNNING", "COMPLETED") for unit in units):
        return "RUNNING"
    return "DISPATCHED" if any(unit.attempt > 0 for unit in units) else "QUEUED"
