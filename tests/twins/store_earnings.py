"""What operators earn in the twin of the database: the same rows, found and kept the same way."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from sql.books import Changes, Keys
from sql.checks import CheckId
from sql.earnings import (
    SHARES_MOST,
    Claimable,
    EarningRow,
    FineDue,
    FineRow,
    PayableRow,
    PayoutRow,
    Ripe,
)
from sql.fsck import Finding
from sql.sampling import Stake
from sql.store import STAKE_SHARES

if TYPE_CHECKING:
    from tests.twins.store import StoreTwin


def lock_earnings(store: "StoreTwin", keys: Keys) -> dict[str, dict[Any, Any]]:
    """Those members of Rows."""
    payable: dict[UUID, PayableRow] = {}
    for operator in keys.payable:
        shares = free_shares(store, operator)
        if shares:
            amount = sum(share.amount for share in shares)
            payable[operator] = PayableRow(operator, len(shares), amount)
    return {
        "earnings": {key: store.earnings[key] for key in keys.earnings if key in store.earnings},
        "disputes": {key: store.disputes[key] for key in keys.earnings if key in store.disputes},
        "payouts": {key: store.payouts[key] for key in keys.payouts if key in store.payouts},
        "payable": payable,
    }


def keep_earnings(store: "StoreTwin", changes: Changes) -> None:
    """As one statement does it: what payouts take and close is what was there before."""
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
    store.fines.update({row.share_id: row for row in changes.fines})
    store.disputes.update({(row.job_id, row.unit): row for row in changes.disputes})
    store.payouts.update({row.id: row for row in changes.payouts})


def stake(store: "StoreTwin", job: UUID, unit: int, node: UUID, share_percent: int) -> Stake:
    """The share of a unit, and what a node's owner has pending."""
    found, owner = store.units.get((job, unit)), store.nodes[node].owner
    share = 0 if found is None else found.price * share_percent // 100
    waiting = [row.opened_at for row in store.checks.values() if row.state == "PENDING"]
    now = store.clock.now()
    waited = (now - min(waiting, default=now)).total_seconds()
    return Stake(share, sum(amount for _, _, amount in _pending(store, owner)), waited)


def fines_due(store: "StoreTwin", now: datetime) -> list[FineDue]:
    """The invalid results of the last day that were drawn at odds below one."""
    found: list[FineDue] = []
    for row in store.checks.values():
        if not (row.strike and row.odds is not None and row.odds < 1):
            continue
        if row.decided_at is None or row.decided_at <= now - timedelta(days=1):
            continue
        if any(one.withdrawn for one in store.checks.values() if one.id[:2] == row.id[:2]):
            continue
        fines = [fine.share_id for fine in store.fines.values() if _reason(fine) == row.id]
        fined = sum(share.amount for share in store.earnings.values() if share.id in fines)
        share = store.units[row.id[:2]].price * row.share_percent // 100
        pending = _pending(store, store.nodes[row.node_id].owner)
        found.append(FineDue(row.id, share, row.odds, fined, pending))
    return found


def _reason(fine: FineRow) -> CheckId:
    return fine.job_id, fine.unit, fine.attempt


def _pending(store: "StoreTwin", owner: UUID | None) -> tuple[tuple[UUID, int, int], ...]:
    found = [
        share
        for key, share in store.earnings.items()
        if share.operator_id == owner and owner is not None and share.state == "PENDING"
        if key not in store.disputes or store.disputes[key].state != "OPEN"
    ]
    found.sort(key=lambda share: (share.earned_at, share.id), reverse=True)
    return tuple((share.job_id, share.unit, share.amount) for share in found[:STAKE_SHARES])


def free_shares(store: "StoreTwin", operator: UUID) -> list[EarningRow]:
    """What is payable to an operator and in no payout, oldest first."""
    found = [
        share
        for share in store.earnings.values()
        if (share.operator_id, share.state, share.payout_id) == (operator, "PAYABLE", None)
    ]
    return sorted(found, key=lambda share: (share.payable_at, share.id))[:SHARES_MOST]


def shares_of(store: "StoreTwin", payout: PayoutRow) -> Iterator[EarningRow]:
    """Those that a payout pays."""
    return (share for share in store.earnings.values() if share.payout_id == payout.id)


def taken_by(share: EarningRow, payout: PayoutRow) -> EarningRow:
    state = "PAID" if payout.state == "PAID" else "PAYABLE"
    return attrs.evolve(share, payout_id=payout.id, state=state)


def closed_with(share: EarningRow, payout: PayoutRow) -> EarningRow:
    if payout.state == "PAID":
        return attrs.evolve(share, state="PAID")
    return attrs.evolve(share, payout_id=None)


def ripe(store: "StoreTwin", now: datetime, limit: int) -> list[Ripe]:
    """PENDING, over, and in no open dispute."""
    found = [
        share
        for share in store.earnings.values()
        if share.state == "PENDING" and share.payable_at <= now and not _is_disputed(store, share)
    ]
    found.sort(key=lambda share: share.payable_at)
    return [Ripe(share.job_id, share.unit) for share in found[:limit]]


def _is_disputed(store: "StoreTwin", share: EarningRow) -> bool:
    found = store.disputes.get((share.job_id, share.unit))
    return found is not None and found.state == "OPEN"


def claimable(store: "StoreTwin", limit: int) -> list[Claimable]:
    """In suspense, and the node has an owner."""
    found: list[Claimable] = []
    for share in store.earnings.values():
        node = store.nodes.get(share.node_id)
        if share.operator_id is None and share.state != "REVERSED" and node and node.owner:
            found.append(Claimable(share.job_id, share.unit, node.owner))
    return found[:limit]


def audit_earnings(store: "StoreTwin") -> Iterator[Finding]:
    """Violations of I4 and I5 that concern operators."""
    moved = Counter[str]()
    for transfer in store.transfers.values():
        moved[f"{transfer.kind} {transfer.reference}"] += transfer.amount
    for share in store.earnings.values():
        yield from _share(store, share, moved)
    earned = sum(t.amount for t in store.transfers.values() if t.kind == "EARNING")
    if earned != sum(share.amount for share in store.earnings.values()):
        yield Finding("I4", "all shares", f"are not what was booked, {earned}")
    yield from _owed(store)
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
    fine = store.fines.get(share.id)
    reason = None if fine is None else store.checks.get(_reason(fine))
    is_sound = is_fined == (fine is not None) and (reason is None or reason.strike)
    if not is_sound or moved[f"FINE {work}"] != (share.amount if is_fined else 0):
        yield Finding("I4", work, f"{share} and {fine} for {reason}")


def _owed(store: "StoreTwin") -> Iterator[Finding]:
    owed = Counter[str]()
    for share in store.earnings.values():
        if share.state in ("PENDING", "PAYABLE"):
            owed[share.account] += share.amount
    for name, account in store.accounts.items():
        earns = name == "suspense" or name.startswith("operator:")
        if earns and account.balance != owed[name]:
            yield Finding("I4", name, f"has {account.balance}, {owed[name]} is owed")
