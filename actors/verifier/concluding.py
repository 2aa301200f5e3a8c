"""What is asked of the Ledger once a case has its verdict."""

from datetime import datetime, timedelta

from actors.ports import Objects
from actors.verifier.case import Case
from actors.verifier.issuing import issued
from actors.verifier.messages import UnitVerdict, earns
from actors.verifier.settings import Peers, VerifierSettings
from sql.checks import Pending
from sql.tries import wait_seconds
from sql.work import evidence_key, result_key


def verdict_on(case: Case, peers: Peers, settings: VerifierSettings) -> UnitVerdict:
    """The effect: all that follows from the verdict, and whom it pays."""
    assert case.verdict is not None, "there is something to conclude"
    pending, row, now = case.pending, case.pending.row, peers.clock.now()
    # Who says of itself that it is what nobody can check is not paid until it was checked often
    # enough.
    pays = settings.pays_unverifiable and case.is_known
    price = pending.price if earns(row, case.verdict, pays=pays) else 0
    return UnitVerdict(
        job=row.job_id,
        unit=row.unit,
        attempt=row.attempt,
        verdict=case.verdict,
        said=case.said,
        verifier=case.verifier,
        operator=row.operator,
        pays=pays,
        receipt=issued(pending, case.verdict, price, peers.signer, now),
        retry_at=None if case.is_over else _retry_at(pending, now),
        withdrawn=case.withdrawn,
        checked=case.checked,
        check_percent=settings.check_percent,
    )


def _retry_at(pending: Pending, now: datetime) -> datetime | None:
    """As after any failure of a node."""
    wait = wait_seconds(
        failures=pending.failures, faults=pending.faults, tried=pending.tries, is_nodes=True
    )
    return None if wait is None else now + timedelta(seconds=wait)


async def is_same(case: Case, objects: Objects) -> bool:
    """Whether the store has just what was delivered. Raises ObjectsUnavailable.

    One that was swapped, or is gone, since it was delivered is a mismatch.
    """
    row = case.pending.row
    same = await _holds(objects, case.place(result_key), row.sha256, row.size)
    if same and row.evidence_size is not None:
        key = case.place(evidence_key)
        same = await _holds(objects, key, row.evidence_sha256, row.evidence_size)
    return same


async def _holds(objects: Objects, key: str, sha256: bytes | None, size: int | None) -> bool:
    found = await objects.head(key)
    return found is not None and found.size == size and found.sha256 in (None, sha256)
