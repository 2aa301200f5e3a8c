"""Inspection of a result: its object and evidence in the store, and the work its node signed."""

import hashlib
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.node_session.dispatch_frames import inputs_of
from actors.node_session.multipart_results import MultipartResult, PartsLost
from actors.node_session.results import EVIDENCE, RESULT, ResultRefused, place_of
from actors.node_session.settings import NodeIdentity
from actors.ports import ObjectInfo, ObjectMissing, Objects, ReceiptKey
from actors.scheduler.messages import Assignment
from rendertrust import receipt
from rendertrust.protocol import Evidence, JobResult
from rendertrust.receipt import IssuedReceipt
from sql.device_class import kin_of
from sql.units import RENDER

PIECE: Final = 1 << 20
HASHED_MOST: Final = 64 << 20  # bytes; verifiers compare longer ones with the sum
UNVERIFIED: Final = "unverified"
CLOCKS_APART: Final = timedelta(days=1)  # of a node's clock and ours, at most
ENCODED: Final = "the {} was put with a Content-Encoding: clients would decode it"


@attrs.frozen
class DeliveredEvidence:
    """Evidence as it was delivered."""

    sha256: bytes
    size: int


@attrs.frozen
class InspectedResult:
    """``found``: the object; None: there is none. ``proof`` is read where the unit is checked."""

    found: ObjectInfo | None
    proof: DeliveredEvidence | None = None


Found: TypeAlias = InspectedResult | ResultRefused | PartsLost


async def inspect(
    result: JobResult, parts: MultipartResult, *, is_checked: bool, waits: bool = False
) -> Found:
    """Return what lies in the store, joined of the parts in which it came.

    ``is_checked``: there may be evidence; ``waits``: for a verdict, so it must say what it is.

    Raises ObjectsUnavailable, ``sql.database.Unavailable``.
    """
    found: ObjectInfo | ResultRefused | PartsLost | None
    if waits and (result.sha256 is None or result.size is None):
        return ResultRefused("a result that waits for a verdict says its SHA-256 and its size")
    if result.part_sums:
        if result.sha256 is None:
            return ResultRefused("a result in parts says the SHA-256 of the whole")
        found = await parts.join(RESULT, result.part_sums, result.size)
    else:
        found = await parts.objects.head(place_of(parts.unit, RESULT))
        if waits and found is not None:
            found = await _summed(found, parts.objects)
    if isinstance(found, ResultRefused | PartsLost):
        return found
    if found is not None and found.encoding is not None:
        return ResultRefused(ENCODED.format("result"))
    if not is_checked or result.evidence is None:
        return InspectedResult(found)
    proof = await _proof(result.evidence, parts)
    return proof if isinstance(proof, ResultRefused | PartsLost) else InspectedResult(found, proof)


async def _summed(found: ObjectInfo, objects: Objects) -> ObjectInfo | None:
    """With its SHA-256, where the store cannot tell it and it is not long; None: it is gone."""
    if found.sha256 is not None or found.size > HASHED_MOST:
        return found
    digest = hashlib.sha256()
    try:
        for start in range(0, found.size, PIECE):
            size = min(PIECE, found.size - start)
            digest.update(await objects.piece(found.key, start, size))
    except ObjectMissing:
        return None
    return attrs.evolve(found, sha256=digest.digest())


async def _proof(
    named: Evidence, parts: MultipartResult
) -> DeliveredEvidence | ResultRefused | PartsLost:
    found: ObjectInfo | ResultRefused | PartsLost | None
    if named.part_sums:
        found = await parts.join(EVIDENCE, named.part_sums, named.size)
    else:
        found = await parts.objects.head(place_of(parts.unit, EVIDENCE))
    if isinstance(found, ResultRefused | PartsLost):
        return found
    if found is None:
        return ResultRefused("there is no evidence where it should be")
    if found.encoding is not None:
        return ResultRefused(ENCODED.format("evidence"))
    if found.size > parts.settings.result_bytes_most:
        words = f"the evidence has {found.size} bytes: no such evidence does"
        return ResultRefused(words, is_lie=True)
    sha256 = bytes.fromhex(named.sha256)
    if found.size != named.size or found.sha256 not in (None, sha256):
        return ResultRefused("the evidence is another one than the result says", is_lie=True)
    return DeliveredEvidence(sha256, named.size)


@attrs.frozen
class SignedWork:
    """The work of a result, as its node signed it."""

    work: receipt.WorkStatement
    signature: str


def read_signed_work(
    result: JobResult,
    unit: Assignment,
    node: NodeIdentity,
    seen: InspectedResult,
    now: datetime,
    *,
    device_class: str,
) -> SignedWork | ResultRefused | None:
    """Return the work of a result; None where it signed none, or we do not know the node's key.

    ``seen``: what lies at our keys, where the result names it. What the node signs of how it came
    to that is as we gave it out: a receipt vouches for all of it. The build of Blender is that of
    the node's ``device_class``, by which it is compared.
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
    found, proof = seen.found, seen.proof
    if found is not None and not _names(work, result, found):
        return ResultRefused("the node signed for another object than is there", is_lie=True)
    if proof is not None and work.document["measured"].get(EVIDENCE) != _named(proof):
        return ResultRefused("the node signed for other evidence than is there", is_lie=True)
    if (other := _given_otherwise(work, unit)) is not None:
        return ResultRefused(f"the node signed for other {other} than it was given", is_lie=True)
    wrong = _said_otherwise(work, unit, device_class, now)
    return SignedWork(work, result.signature) if wrong is None else ResultRefused(wrong)


def _said_otherwise(
    work: receipt.WorkStatement, unit: Assignment, device_class: str, now: datetime
) -> str | None:
    """Return what cannot be of what the node says about itself; it may not be a lie."""
    build = work.document["renderer"].get("build") or ""
    is_other = bool(device_class) and build != kin_of(device_class)[1]
    if unit.job_type == RENDER and is_other:
        return "the node signed for another build of Blender than it has"
    if not _is_in_time(work, unit, now):
        return "the node signed for times that cannot be: look at its clock"
    return None


def _given_otherwise(work: receipt.WorkStatement, unit: Assignment) -> str | None:
    """Which of what it was given it names otherwise. Evidence may be asked for since, or before."""
    told, document = unit.params, work.document
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


def unverified_receipt(
    signed: SignedWork, price: int, reason: str, key: ReceiptKey, now: datetime
) -> IssuedReceipt:
    """Return the signed receipt of work that is unverified, for a ``reason``."""
    return receipt.issue(
        signed.work,
        signed.signature,
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
