"""What a node signed of its work: whether it is this unit's, and the receipt that it makes."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import attrs

from actors.node_session.delivered import Delivered, Proof
from actors.node_session.pieces import EVIDENCE
from actors.node_session.results import Refused
from actors.node_session.settings import NodeIdentity
from actors.ports import ObjectInfo, ReceiptKey
from actors.scheduler.messages import Assignment
from rendertrust import receipt
from rendertrust.protocol import JobResult
from rendertrust.receipt import Issued

UNCHECKED = "unchecked"


@attrs.frozen
class Attested:
    """A work that its node signed."""

    work: receipt.Work
    signature: str


Read: TypeAlias = Attested | Refused | None


def read(result: JobResult, unit: Assignment, node: NodeIdentity, looked: Delivered) -> Read:
    """The work of a result; None where it signed none, or we do not know the node's key.

    ``looked``: what lies at our keys, where the result names it.
    """
    if result.signature is None or result.work is None or node.key is None:
        return None
    work = receipt.read_work(dict(result.work))
    if isinstance(work, str):
        return Refused(f"the work that the node signed cannot be read: {work}")
    if work.node_key != node.key or not receipt.is_signed(work, bytes.fromhex(result.signature)):
        return Refused("the work is not signed by the node's key", is_lie=True)
    named = (UUID(work.job), work.unit, work.attempt, UUID(work.node))
    if named != (unit.job, unit.unit, unit.attempt, node.id):
        return Refused("the node signed the work of another unit or attempt", is_lie=True)
    found, proof = looked.found, looked.proof
    if found is not None and not _names(work, result, found):
        return Refused("the node signed for another object than is there", is_lie=True)
    if proof is not None and work.document["measured"].get(EVIDENCE) != _named(proof):
        return Refused("the node signed for other evidence than is there", is_lie=True)
    return Attested(work, result.signature)


def issued(attested: Attested, price: int, verdict: str, key: ReceiptKey, now: datetime) -> Issued:
    """The receipt, signed."""
    signed = (key.public, key.sign)
    work, signature = attested.work, attested.signature
    return receipt.issue(work, signature, verdict=verdict, price=price, issued=now, key=signed)


def _named(proof: Proof) -> dict[str, object]:
    return {"sha256": proof.sha256.hex(), "size": proof.size}


def _names(work: receipt.Work, result: JobResult, found: ObjectInfo) -> bool:
    if work.size != found.size or (found.sha256 is not None and work.object != found.sha256):
        return False
    return result.sha256 is None or work.object == bytes.fromhex(result.sha256)
