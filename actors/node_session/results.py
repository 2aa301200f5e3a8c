"""Judgement of a ``completed`` result (pure): whether it is what it says, and signed by its node.

``result_objects`` finds what the object store has of a result; here it is compared with what the
node says and signs.
"""

from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.ledger.messages import UnitComplete
from actors.node_session.settings import NodeIdentity, NodeSessionSettings
from actors.ports import ObjectInfo, ReceiptKey
from actors.scheduler.messages import Assignment
from rendertrust import receipt
from rendertrust.protocol import JobResult
from rendertrust.receipt import NO_CHECK, NO_EVIDENCE, IssuedReceipt
from sql.device_class import kin_of
from sql.units import CHECKED, RENDER, evidence_key, kind_of, result_key

SCHEME: Final = "s3://"
RESULTS: Final = "results/"  # where the keys of results begin
REFERENCE_CHARACTERS_MOST: Final = 500
RESULT: Final = "result"
EVIDENCE: Final = "evidence"
UNVERIFIED: Final = "unverified"
CLOCKS_APART: Final = timedelta(days=1)  # of a node's clock and the gateway's, at most


def place_of(unit: Assignment, what: str) -> str:
    """Return the key of an attempt's RESULT or EVIDENCE; nobody else ever writes there."""
    key = evidence_key if what == EVIDENCE else result_key
    return key(unit.user, unit.job, unit.unit, unit.attempt)


def waits(unit: Assignment, settings: NodeSessionSettings) -> bool:
    """Return whether a result waits for a verdict."""
    return unit.job_type in settings.verified_types


def is_checked(unit: Assignment, settings: NodeSessionSettings) -> bool:
    """Return whether evidence is delivered beside the result: the unit is one whole frame."""
    return waits(unit, settings) and kind_of(unit.job_type, unit.params) == "frame"


def why_unverified(unit: Assignment, settings: NodeSessionSettings) -> str:
    """Return the reason, a code, for which a result that does not wait is unverified."""
    if unit.job_type not in CHECKED:
        return NO_CHECK
    return NO_EVIDENCE if waits(unit, settings) else settings.unverified_why


# -- the object that a result names


@attrs.frozen
class OwnObject:
    """The result names the object at our key."""


@attrs.frozen
class ForeignObject:
    """The result names an object of another bucket, or none (None)."""

    result_ref: str | None


@attrs.frozen
class ResultRefused:
    """The result cannot be taken, by the node's fault; a lie if it says or signs what is false."""

    error: str
    is_lie: bool = False


Named: TypeAlias = OwnObject | ForeignObject | ResultRefused


def named(result_ref: str | None, unit: Assignment, settings: NodeSessionSettings) -> Named:
    """Return which object a result names. Inside our bucket only the derived key counts."""
    key = place_of(unit, RESULT)
    if result_ref in (key, f"{SCHEME}{settings.bucket}/{key}"):
        return OwnObject()
    if result_ref is not None and result_ref.startswith((f"{SCHEME}{settings.bucket}/", RESULTS)):
        return ResultRefused("the result names an object that is not this unit's", is_lie=True)
    if settings.require_object:
        return ResultRefused("the result is not at the place that was offered for it")
    if result_ref is None or not result_ref.startswith(SCHEME):
        return ForeignObject(None)
    if len(result_ref) > REFERENCE_CHARACTERS_MOST:
        return ResultRefused(f"result_ref is longer than {REFERENCE_CHARACTERS_MOST} characters")
    return ForeignObject(result_ref)


def checked(
    result: JobResult, found: ObjectInfo | None, settings: NodeSessionSettings
) -> OwnObject | ForeignObject | ResultRefused:
    """Return whether the object at our key is there, and is what the node says it is."""
    if found is None:
        if settings.require_object:
            return ResultRefused("there is no object where the result should be")
        return ForeignObject(None)
    if found.size == 0:
        return ResultRefused("the object of the result is empty")
    if found.size > settings.result_bytes_most:
        return ResultRefused(f"the object has {found.size} bytes: no such result does", is_lie=True)
    if result.size is not None and result.size != found.size:
        words = f"the object has {found.size} bytes, the result says {result.size}"
        return ResultRefused(words, is_lie=True)
    if result.sha256 and found.sha256 and bytes.fromhex(result.sha256) != found.sha256:
        return ResultRefused("the object has another SHA-256 than the result says", is_lie=True)
    return OwnObject()


def is_bare(result: JobResult, settings: NodeSessionSettings) -> bool:
    """Return whether a result lacks what a check needs, where nodes need not send that: its hash,
    its size and the node's signature.
    """
    is_whole = None not in (result.sha256, result.size, result.signature)
    return not (settings.require_evidence or is_whole)


def is_absent(worth: Named, settings: NodeSessionSettings) -> bool:
    """Return whether a result is not in our store, where it need not be checked."""
    return isinstance(worth, ForeignObject) and not settings.require_evidence


def completion(
    unit: Assignment,
    node: NodeIdentity,
    settings: NodeSessionSettings,
    *,
    worth: OwnObject | ForeignObject,
    found: ObjectInfo | None,
    said: str | None = None,
) -> UnitComplete:
    """Return the effect that settles the unit; its node earns only for an object that was checked.

    ``said``: the SHA-256 by the node, which is kept where the store does not know it: readers of
    the object compare it with that.
    """
    ours = isinstance(worth, OwnObject)
    verified = ours and node.verified
    place = f"{SCHEME}{settings.bucket}/{place_of(unit, RESULT)}"
    return UnitComplete(
        job=unit.job,
        unit=unit.unit,
        attempt=unit.attempt,
        node=node.id,
        result_ref=worth.result_ref if isinstance(worth, ForeignObject) else place,
        sha256=_sha256(found, said) if found is not None and ours else None,
        size=found.size if found is not None and ours else None,
        verified=verified,
        operator=node.account if verified else None,
        share_percent=settings.earnings.share_percent,
        dispute_window=timedelta(hours=settings.earnings.dispute_hours),
    )


def _sha256(found: ObjectInfo, said: str | None) -> bytes | None:
    return found.sha256 or (bytes.fromhex(said) if said else None)


# -- the work that its node signed


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
    signed_for = (UUID(work.job), work.unit, work.attempt, UUID(work.node))
    if signed_for != (unit.job, unit.unit, unit.attempt, node.id):
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
    """Return what the node names other than it was given; None: nothing.

    Whether evidence is asked for may have changed since.
    """
    told, document = unit.params, work.document
    asked = [receipt.parameters_of(of) for of in (told, {**told, EVIDENCE: True})]
    wrong = {
        "work": document["job_type"] != unit.job_type,
        "parameters": document["parameters"] not in asked,
        "inputs": document["inputs"] != _inputs_of(unit),
    }
    return next((name for name, is_so in wrong.items() if is_so), None)


def _inputs_of(unit: Assignment) -> list[str]:
    """Return the SHA-256 of each input in the unit's frame, and of its manifest."""
    inputs = unit.plan.inputs
    own, files = ([] if of is None else [of.sha256] for of in (inputs.file, inputs.files))
    return [*own, *(part.sha256 for part in unit.parts if part.sha256), *files]


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
