"""What a node signed of its work: whether it is this unit's, and the receipt that it makes."""

from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import attrs

from actors.node_session.dispatch_frames import inputs_of, params_of
from actors.node_session.multipart_results import EVIDENCE
from actors.node_session.result_inspection import DeliveredEvidence, InspectedResult
from actors.node_session.results import ResultRefused
from actors.node_session.settings import NodeIdentity
from actors.ports import ObjectInfo, ReceiptKey
from actors.scheduler.messages import Assignment
from rendertrust import receipt
from rendertrust.protocol import JobResult
from rendertrust.receipt import IssuedReceipt

UNVERIFIED = "unverified"
CLOCKS_APART = timedelta(days=1)  # of a node's clock and ours, at most


@attrs.frozen
class SignedWork:
    """A work that its node signed."""

    work: receipt.WorkStatement
    signature: str


Read: TypeAlias = SignedWork | ResultRefused | None


def read(
    result: JobResult, unit: Assignment, node: NodeIdentity, looked: InspectedResult, now: datetime
) -> Read:
    """The work of a result; None where it signed none, or we do not know the node's key.

    ``looked``: what lies at our keys, where the result names it. What the node signs of how it came
    to that is as we gave it out: a receipt vouches for all of it.
    """
    if result.signature is None or result.work is None or node.key is None:
        return None
    work = receipt.read_work(dict(result.work))
    if isinstance(work, str):
        return ResultRefused(f"the work that the node signed cannot be read: {work}")
    if work.node_key != node.key or not receipt.is_signed(work, bytes.fromhex(result.signature)):
        return ResultRefused("the work is not signed by the node's key", is_lie=True)
    named = (UUID(work.job), work.unit, work.attempt, UUID(work.node))
    if named != (unit.job, unit.unit, unit.attempt, node.id):
        return ResultRefused("the node signed the work of another unit or attempt", is_lie=True)
    found, proof = looked.found, looked.proof
    if found is not None and not _names(work, result, found):
        return ResultRefused("the node signed for another object than is there", is_lie=True)
    if proof is not None and work.document["measured"].get(EVIDENCE) != _named(proof):
        return ResultRefused("the node signed for other evidence than is there", is_lie=True)
    if (other := _given_otherwise(work, unit)) is not None:
        return ResultRefused(f"the node signed for other {other} than it was given", is_lie=True)
    if not _is_in_time(work, unit, now):
        return ResultRefused("the node signed for times that cannot be: look at its clock")
    return SignedWork(work, result.signature)


def _given_otherwise(work: receipt.WorkStatement, unit: Assignment) -> str | None:
    """Which of what it was given it names otherwise. Evidence may be asked for since, or before."""
    told, document = params_of(unit), work.document
    asked = [receipt.parameters_of(of) for of in (told, {**told, EVIDENCE: True})]
    wrong = {
        "work": document["job_type"] != unit.job_type,
        "parameters": document["parameters"] not in asked,
        "inputs": document["inputs"] != inputs_of(unit),
    }
    return next((name for name, is_so in wrong.items() if is_so), None)


def _is_in_time(work: receipt.WorkStatement, unit: Assignment, now: datetime) -> bool:
    begun, ended = (datetime.fromisoformat(work.document[of]) for of in ("begun", "ended"))
    first = unit.assigned_at or begun
    return first - CLOCKS_APART <= begun <= ended <= now + CLOCKS_APART


def issued(
    attested: SignedWork, price: int, reason: str, key: ReceiptKey, now: datetime
) -> IssuedReceipt:
    """Return the signed receipt of work that is unverified, for a ``reason``."""
    return receipt.issue(
        attested.work,
        attested.signature,
        verdict=UNVERIFIED,
        price=price,
        issued=now,
        key=(key.public, key.sign),
        reason=reason,
    )


def _named(proof: DeliveredEvidence) -> dict[str, object]:
    return {"sha256": proof.sha256.hex(), "size": proof.size}


def _names(work: receipt.WorkStatement, result: JobResult, found: ObjectInfo) -> bool:
    if work.size != found.size or (found.sha256 is not None and work.object != found.sha256):
        return False
    return result.sha256 is None or work.object == bytes.fromhex(result.sha256)
