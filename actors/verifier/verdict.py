"""Effects for the Ledger that book a verdict, with its receipt and fine."""

import json
from datetime import datetime, timedelta
from typing import Final

from actors.ledger.effects import DisputeDecide, UnitVerdict, costs
from actors.ports import ReceiptSigner
from actors.verifier.case import Case, Verdict
from actors.verifier.settings import VerifierPeers
from rendertrust import receipt
from rendertrust.receipt import IssuedReceipt
from rendertrust.verdict_reason import IS_PAID
from sql import sampling
from sql.checks import Pending
from sql.unit_retry_policy import wait_seconds

SAID_MOST: Final = 500


def verdict_on(case: Case, peers: VerifierPeers, *, pays_unverified: bool) -> UnitVerdict:
    """Return the effect that books the verdict."""
    verdict, pending, now = case.verdict, case.pending, peers.ports.clock.now()
    assert verdict is not None, "the case has a verdict"
    row, is_invalid = pending.row, verdict.outcome == "invalid"
    # Only a node with enough valid results is paid for a result that cannot be verified.
    is_known = case.is_known and IS_PAID.get(verdict.reason or "", False)
    pays = pays_unverified if verdict.outcome == "unverified" else is_known
    price = pending.price if costs(row, verdict.outcome, pays=pays) else 0
    return UnitVerdict(
        job=row.job,
        unit=row.unit,
        attempt=row.attempt,
        outcome=verdict.outcome,
        said=verdict.said,
        verifier=case.verifier,
        operator=row.operator,
        pays=pays,
        receipt=issued(pending, verdict, price, peers.ports.signer, now),
        retry_at=_retry_at(pending, now) if is_invalid and not verdict.withdrawn else None,
        strike=verdict.strike,
        fine=fine_for(pending) if verdict.strike else 0,
        withdrawn=verdict.withdrawn,
        verifier_class=case.verifier_class,
        comparison=case.comparison,
        reason=verdict.reason,
        method=verdict.method,
    )


def fine_for(pending: Pending) -> int:
    """Return the fine for an invalid result; 0 if the result was not drawn for a comparison.

    A result that clawback or a dispute finds invalid costs the same fine as a drawn result.
    """
    row = pending.row
    if row.odds is None or not (row.drawn or pending.is_again):
        return 0
    return sampling.fine_of(pending.price * row.share_percent // 100, row.odds)


def _retry_at(pending: Pending, now: datetime) -> datetime | None:
    """Return when the unit may be retried, as after any failure of a node."""
    wait = wait_seconds(
        failures=pending.failures, faults=pending.faults, tried=pending.tries, is_nodes=True
    )
    return None if wait is None else now + timedelta(seconds=wait)


def issued(
    pending: Pending, verdict: Verdict, price: int, signer: ReceiptSigner, now: datetime
) -> IssuedReceipt | None:
    """Return the signed receipt of a verdict; ``price`` is the charge.

    None if the result is invalid, or the node signed no work record.
    """
    row = pending.row
    if verdict.outcome == "invalid" or row.work is None or not row.node_signature:
        return None
    work = receipt.read_work(json.loads(row.work))
    if isinstance(work, str):
        return None
    key = signer.receipts()
    return receipt.issue(
        work,
        row.node_signature,
        verdict=verdict.outcome,
        price=price,
        issued=now,
        key=(key.public, key.sign),
        reason=verdict.reason,
    )


def finding_of(case: Case) -> str:
    """Return a check's finding as text for the parties of a dispute."""
    assert case.verdict is not None, "the case has a verdict"
    outcome, said = case.verdict.outcome, case.verdict.said
    return f"{outcome}: {said}"[:SAID_MOST] if said else outcome


def decision_on(case: Case, peers: VerifierPeers) -> DisputeDecide:
    """Return the decision on a dispute: invalid results are refunded."""
    row, verdict = case.pending.row, case.verdict
    assert verdict is not None, "the case has a verdict"
    upheld = verdict.outcome == "invalid"
    why = f": {verdict.said}" if verdict.said else ""
    said = f"a check found that the result is {verdict.outcome}{why}"
    later = verdict_on(case, peers, pays_unverified=False) if upheld else None
    decided = (row.job, row.unit, case.pending.user, upheld, said[:SAID_MOST])
    return DisputeDecide(*decided, verdict=later)
