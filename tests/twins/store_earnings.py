"""Earnings of operators in the in-memory database."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from sql.account_names import operator_of
from sql.books import Changes, Keys, UnitId
from sql.checks import CheckId
from sql.earnings import (
    SHARES_MOST,
    STAKE_SHARES,
    WITHHELD_MOST,
    ClaimableEarning,
    EarningRow,
    MaturedEarning,
    PayableRow,
    PayoutRow,
)
from sql.fsck import Finding
from sql.payout_rules import PassedDate
from sql.sampling import fine_of

if TYPE_CHECKING:
    from tests.twins.store import StoreTwin


def lock_earnings(store: "StoreTwin", keys: Keys) -> dict[str, dict[Any, Any]]:
    """Return the rows about earnings that a transaction locks."""
    payable: dict[UUID, PayableRow] = {}
    for operator in keys.payable:
        shares = free_shares(store, operator)
        if shares:
            amount = sum(share.amount for share in shares)
            payable[operator] = PayableRow(operator, len(shares), amount)
    fines = {
        id_: fine
        for id_, fine in store.fines.items()
        if id_[1][:2] in keys.withdrawn and fine.returned_at is None
    }
    of_fines = {
        key for key, share in store.earnings.items() if share.id in {id_[0] for id_ in fines}
    }
    owed = {key for fine in keys.fines.items() for key in _newest(store, *fine, but=keys.earnings)}
    concerned = keys.earnings | of_fines
    return {
        "earnings": {k: store.earnings[k] for k in concerned | owed if k in store.earnings},
        "disputes": {key: store.disputes[key] for key in concerned if key in store.disputes},
        "payouts": {key: store.payouts[key] for key in keys.payouts if key in store.payouts},
        "payable": payable,
        "stakes": {operator: store.at_stake(operator) for operator in keys.stakes},
        "waiting": waiting(store) if keys.earnings else {},
        "fines": fines,
    }


def at_stake(store: "StoreTwin", operator: UUID) -> int:
    """Return the sum of an operator's undisputed pending earnings whose dispute window is open.

    Only the newest ``STAKE_SHARES`` of them count.
    """
    now = store.clock.now()
    found = [
        share.amount
        for share in _pending(store, operator)
        if share.payable_at > now and not _is_disputed(store, share)
    ]
    return sum(found[:STAKE_SHARES])


def waiting(store: "StoreTwin") -> dict[UUID, datetime]:
    """Return the time of each operator's oldest delivery that waits for a verdict.

    Deliveries that have waited for ``WITHHELD_MOST`` do not count.
    """
    found: dict[UUID, datetime] = {}
    since = store.clock.now() - WITHHELD_MOST
    for row in store.checks.values():
        operator = operator_of(row.operator)
        if row.state == "PENDING" and operator is not None and row.opened_at > since:
            found[operator] = min(row.opened_at, found.get(operator, row.opened_at))
    return found


def _newest(store: "StoreTwin", operator: UUID, due: int, *, but: set[UnitId]) -> Iterator[UnitId]:
    """Yield the newest pending shares, except ``but``, until they pay the amount ``due``."""
    for share in _pending(store, operator):
        if (share.job_id, share.unit) in but:
            continue
        if due <= 0:
            return
        due -= share.amount
        yield share.job_id, share.unit


def _pending(store: "StoreTwin", operator: UUID) -> list[EarningRow]:
    found = [
        share
        for share in store.earnings.values()
        if (share.operator_id, share.state) == (operator, "PENDING")
    ]
    return sorted(found, key=lambda share: (share.earned_at, share.id), reverse=True)


def keep_earnings(store: "StoreTwin", changes: Changes) -> None:
    """Store changed earnings; payouts take and close shares as they were before the changes."""
    taken = {
        share.id: taken_by(share, payout)
        for payout in changes.payouts
        if payout.id in changes.new_payouts
        for share in free_shares(store, payout.operator_id)
    }
    closed = {
        share.id: closed_with(share, payout)
        for payout in changes.payouts
        if payout.id not in changes.new_payouts and payout.closed_at is not None
        for share in shares_of(store, payout)
    }
    for row in changes.earnings:
        key = (row.job_id, row.unit)
        kept = store.earnings.get(key, row)
        store.earnings[key] = attrs.evolve(kept, state=row.state, operator_id=row.operator_id)
    for row in (*taken.values(), *closed.values()):
        store.earnings[row.job_id, row.unit] = row
    store.fines.update({row.id: row for row in changes.fines})
    store.disputes.update({(row.job_id, row.unit): row for row in changes.disputes})
    store.payouts.update({row.id: row for row in changes.payouts})
    for made in changes.comparisons:
        store.comparisons[made.dispute_id] = tuple(made.given.places)


def free_shares(store: "StoreTwin", operator: UUID) -> list[EarningRow]:
    """Return up to ``SHARES_MOST`` of an operator's payable shares that are in no payout.

    The oldest shares come first.
    """
    found = [
        share
        for share in store.earnings.values()
        if (share.operator_id, share.state, share.payout_id) == (operator, "PAYABLE", None)
    ]
    return sorted(found, key=lambda share: (share.payable_at, share.id))[:SHARES_MOST]


def shares_of(store: "StoreTwin", payout: PayoutRow) -> Iterator[EarningRow]:
    """Return the shares that a payout contains."""
    return (share for share in store.earnings.values() if share.payout_id == payout.id)


def taken_by(share: EarningRow, payout: PayoutRow) -> EarningRow:
    state = "PAID" if payout.state == "PAID" else "PAYABLE"
    return attrs.evolve(share, payout_id=payout.id, state=state)


def closed_with(share: EarningRow, payout: PayoutRow) -> EarningRow:
    if payout.state == "PAID":
        return attrs.evolve(share, state="PAID")
    return attrs.evolve(share, payout_id=None)


def matured_earnings(store: "StoreTwin", now: datetime, limit: int) -> list[MaturedEarning]:
    """Return undisputed pending shares whose dispute window is over.

    A share is left out while its owner has an open check from before the end of its window.
    """
    since = waiting(store)
    found = [
        share
        for share in store.earnings.values()
        if share.state == "PENDING" and share.payable_at <= now and not _is_disputed(store, share)
        if share.operator_id is None or since.get(share.operator_id, now) >= share.payable_at
    ]
    found.sort(key=lambda share: share.payable_at)
    return [MaturedEarning(share.job_id, share.unit) for share in found[:limit]]


def _is_disputed(store: "StoreTwin", share: EarningRow) -> bool:
    found = store.disputes.get((share.job_id, share.unit))
    return found is not None and found.state == "OPEN"


def passed_payout_dates(store: "StoreTwin", least: int, *, pays_money: bool) -> list[PassedDate]:
    """Return the dates of payout rules that are over, oldest first."""
    now, found = store.clock.now(), list[PassedDate]()
    for operator, rule in store.payout_rules.items():
        if rule.next_at is None or rule.next_at > now:
            continue
        shares = free_shares(store, operator)
        amount = sum(share.amount for share in shares)
        enough = len(shares) == SHARES_MOST or amount >= max(1, rule.least(least))
        asked = any(
            payout.operator_id == operator and payout.requested_at >= rule.next_at
            for payout in store.payouts.values()
        )
        is_due = enough and not asked and (pays_money or rule.kind == "CREDITS")
        terms = (rule.schedule, rule.kind, rule.minimum)
        found.append(PassedDate(operator, *terms, rule.next_at, now, is_due))
    return sorted(found, key=lambda each: (each.date, each.operator))


def claimable(store: "StoreTwin", limit: int) -> list[ClaimableEarning]:
    """Return shares in suspense whose node has an owner by now."""
    found: list[ClaimableEarning] = []
    for share in store.earnings.values():
        node = store.nodes.get(share.node_id)
        if share.operator_id is None and share.state != "REVERSED" and node and node.owner:
            found.append(ClaimableEarning(share.job_id, share.unit, node.owner))
    return found[:limit]


def audit_earnings(store: "StoreTwin") -> Iterator[Finding]:
    """Yield violations of I4 and I5 that concern operators."""
    moved = Counter[str]()
    for transfer in store.transfers.values():
        moved[f"{transfer.kind} {transfer.reference}"] += transfer.amount
    for share in store.earnings.values():
        yield from _share(store, share, moved)
    earned = sum(t.amount for t in store.transfers.values() if t.kind == "EARNING")
    if earned != sum(share.amount for share in store.earnings.values()):
        yield Finding("I4", "all shares", f"are not what was booked, {earned}")
    yield from _owed(store)
    yield from _fines(store)
    for payout in store.payouts.values():
        paid = sum(s.amount for s in shares_of(store, payout) if s.state == "PAID")
        wanted = payout.amount if payout.state == "PAID" else 0
        if (paid, moved[f"PAYOUT payout:{payout.id}"]) != (wanted, wanted):
            yield Finding("I5", str(payout.id), f"{payout} but {paid}")


def _share(store: "StoreTwin", share: EarningRow, moved: Counter[str]) -> Iterator[Finding]:
    work = f"job:{share.job_id}:{share.unit}"
    if moved[f"EARNING {work}"] != share.amount:
        yield Finding("I4", work, f"{share} is not what was booked")
    dispute = store.disputes.get((share.job_id, share.unit))
    is_upheld = dispute is not None and dispute.state == "UPHELD"
    is_fined = share.state == "FORFEITED"
    reversed_ = share.amount if is_upheld and not is_fined else 0
    is_odd = not is_fined and (share.state == "REVERSED") != is_upheld
    if is_odd or moved[f"REVERSAL {work}"] != reversed_:
        yield Finding("I4", work, f"{share} but {dispute}")
    reasons = [
        store.checks.get(fine.id[1])
        for fine in store.fines.values()
        if fine.share_id == share.id and fine.returned_at is None
    ]
    is_sound = all(reason is None or reason.strike for reason in reasons)
    if not is_sound or len(reasons) != is_fined:
        yield Finding("I4", work, f"{share} for {reasons}")


def _fines(store: "StoreTwin") -> Iterator[Finding]:
    moved, forfeited = Counter[str](), Counter[CheckId]()
    for transfer in store.transfers.values():
        if transfer.kind == "FINE":
            sign = 1 if transfer.subject == transfer.debit else -1
            moved[transfer.reference.removesuffix(":back")] += sign * transfer.amount
    most = Counter[CheckId]()
    amounts = {share.id: share.amount for share in store.earnings.values()}
    for fine in store.fines.values():
        if fine.returned_at is None:
            forfeited[fine.id[1]] += amounts[fine.share_id]
            most[fine.id[1]] = max(most[fine.id[1]], amounts[fine.share_id])
    for invalid, amount in forfeited.items():
        row, unit = store.checks[invalid], store.units[invalid[:2]]
        share = unit.price * row.share_percent // 100
        due = 0 if row.odds is None else fine_of(share, row.odds)
        if moved["fine:{}:{}:{}".format(*invalid)] != amount or amount - most[invalid] >= due:
            yield Finding("I4", str(invalid), f"fined {amount} of {due}, moved {moved}")
    if sum(moved.values()) != sum(forfeited.values()):
        yield Finding("I4", "all fines", f"{moved} but {forfeited}")


def _owed(store: "StoreTwin") -> Iterator[Finding]:
    owed = Counter[str]()
    for share in store.earnings.values():
        if share.state in ("PENDING", "PAYABLE"):
            owed[share.account] += share.amount
    for name, account in store.accounts.items():
        earns = name == "suspense" or name.startswith("operator:")
        if earns and account.balance != owed[name]:
            yield Finding("I4", name, f"has {account.balance}, {owed[name]} is owed")
