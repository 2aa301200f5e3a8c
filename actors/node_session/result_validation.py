"""Validation of a ``completed`` result (pure): does its object match what the node says and signs?

``result_objects`` finds the objects in the store.
"""

from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from actors.ledger.effects import UnitComplete
from actors.node_session.settings import NodeSessionSettings
from actors.ports import ObjectInfo, ReceiptKey
from actors.scheduler.messages import Assignment
from rendertrust import receipt
from rendertrust.device_class import kin_of
from rendertrust.job_types import RENDER, RENDERED
from rendertrust.protocol import JobResult
from rendertrust.receipt import IssuedReceipt
from rendertrust.verdict_reason import NO_CHECK, NO_EVIDENCE, VerdictReason
from sql.nodes import NodeIdentity
from sql.units import evidence_key, result_key, unit_kind

SCHEME: Final = "s3://"
RESULTS: Final = "results/"  # prefix of the keys of results
REFERENCE_CHARACTERS_MOST: Final = 500
RESULT: Final = "result"
EVIDENCE: Final = "evidence"
UNVERIFIED: Final = "unverified"
CLOCKS_APART: Final = timedelta(days=1)  # tolerated difference of a node's clock


def object_key(unit: Assignment, what: str) -> str:
    """Return the object key of an attempt's RESULT or EVIDENCE; no other attempt uses that key."""
    key = evidence_key if what == EVIDENCE else result_key
    return key(unit.user, unit.job, unit.number, unit.attempt)


def waits(unit: Assignment, settings: NodeSessionSettings) -> bool:
    """Return whether results of the unit's job type wait for a verdict before they are charged."""
    return unit.job_type in settings.verified_types


def is_checked(unit: Assignment, settings: NodeSessionSettings) -> bool:
    """Return whether the node must deliver evidence: if the result is a single frame that waits for
    a verdict.
    """
    return waits(unit, settings) and unit_kind(unit.job_type, unit.params) == "frame"


def why_unverified(unit: Assignment, settings: NodeSessionSettings) -> VerdictReason:
    """Return the code of the reason why a result that waits for no verdict is ``unverified``."""
    if unit.job_type not in RENDERED | settings.verified_types:
        return NO_CHECK
    return NO_EVIDENCE if waits(unit, settings) else settings.unverified_why


# -- the object that a result names


@attrs.frozen
class OwnObject:
    """The result names the object at the key that the gateway offered."""


@attrs.frozen
class ForeignObject:
    """The result names an object in another bucket, or no object (None)."""

    result_ref: str | None


@attrs.frozen
class ResultRefused:
    """The result is refused, by the node's fault; ``is_lie`` if the node made a false claim."""

    error: str
    is_lie: bool = False


Named: TypeAlias = OwnObject | ForeignObject | ResultRefused


def named(result_ref: str | None, unit: Assignment, settings: NodeSessionSettings) -> Named:
    """Return which object a result names; in the gateway's bucket it may only name its own key."""
    key = object_key(unit, RESULT)
    if result_ref in (key, f"{SCHEME}{settings.bucket}/{key}"):
        return OwnObject()
    if result_ref is not None and result_ref.startswith((f"{SCHEME}{settings.bucket}/", RESULTS)):
        return ResultRefused("the result names an object that is not this unit's", is_lie=True)
    if settings.require_object:
        return ResultRefused("the result is not at the object key that the gateway offered")
    if result_ref is None or not result_ref.startswith(SCHEME):
        return ForeignObject(None)
    if len(result_ref) > REFERENCE_CHARACTERS_MOST:
        return ResultRefused(f"result_ref is longer than {REFERENCE_CHARACTERS_MOST} characters")
    return ForeignObject(result_ref)


def checked(
    result: JobResult, found: ObjectInfo | None, settings: NodeSessionSettings
) -> OwnObject | ForeignObject | ResultRefused:
    """Return OwnObject if the object at the result's key exists and is as the node describes it."""
    if found is None:
        if settings.require_object:
            return ResultRefused("no result was uploaded")
        return ForeignObject(None)
    if found.size == 0:
        return ResultRefused("the object of the result is empty")
    if found.size > (most := settings.result_bytes_most):
        words = f"the object has {found.size} bytes, more than the limit of {most}"
        return ResultRefused(words, is_lie=True)
    if result.size is not None and result.size != found.size:
        words = f"the object has {found.size} bytes, the result says {result.size}"
        return ResultRefused(words, is_lie=True)
    if result.sha256 and found.sha256 and bytes.fromhex(result.sha256) != found.sha256:
        return ResultRefused("the object's SHA-256 differs from the result's", is_lie=True)
    return OwnObject()


def is_uncheckable(result: JobResult, settings: NodeSessionSettings) -> bool:
    """Return whether a result lacks hash, size or signature, and the settings permit that."""
    is_whole = None not in (result.sha256, result.size, result.signature)
    return not (settings.require_evidence or is_whole)


def is_uncheckable_elsewhere(named: Named, settings: NodeSessionSettings) -> bool:
    """Return whether a result is outside the gateway's bucket, and the settings permit that."""
    return isinstance(named, ForeignObject) and not settings.require_evidence


def completion(
    unit: Assignment,
    node: NodeIdentity,
    settings: NodeSessionSettings,
    *,
    named: OwnObject | ForeignObject,
    found: ObjectInfo | None,
    said: str | None = None,
) -> UnitComplete:
    """Return the effect that settles the unit; its node earns only for an object in the bucket.

    ``said``: the SHA-256 that the node claims. If the store does not know the object's SHA-256,
    ``said`` is recorded, so that downloads can be compared with it.
    """
    ours = isinstance(named, OwnObject)
    verified = ours and node.verified
    place = f"{SCHEME}{settings.bucket}/{object_key(unit, RESULT)}"
    return UnitComplete(
        job=unit.job,
        unit=unit.number,
        attempt=unit.attempt,
        node=node.id,
        result_ref=named.result_ref if isinstance(named, ForeignObject) else place,
        sha256=_sha256(found, said) if found is not None and ours else None,
        size=found.size if found is not None and ours else None,
        verified=verified,
        operator=node.account if verified else None,
        share_percent=settings.earnings.share_percent,
        dispute_window=timedelta(hours=settings.earnings.dispute_hours),
    )


def _sha256(found: ObjectInfo, said: str | None) -> bytes | None:
    return found.sha256 or (bytes.fromhex(said) if said else None)


# -- signed work


@attrs.frozen
class DeliveredEvidence:
    """Hash and size of the delivered evidence."""

    sha256: bytes
    size: int


@attrs.frozen
class InspectedResult:
    """Objects of a result in the store.

    ``found``: the object of the result; None if the object does not exist. ``proof``: the result's
    evidence; None if the result names no evidence, or is not checked.
    """

    found: ObjectInfo | None
    proof: DeliveredEvidence | None = None


@attrs.frozen
class SignedWork:
    """Work record of a result, with the node's signature."""

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
    """Return the result's signed work record; None if the result has none, or the node's key is
    unknown.

    Refuse the result if the record differs from the objects in the store (``seen``), or from the
    parameters and inputs that the gateway sent. A receipt vouches for all of these. For renders,
    the Blender build in the record must be that of the node's ``device_class``.
    """
    if result.signature is None or result.work is None or node.key is None:
        return None
    work = receipt.read_work(dict(result.work))
    if isinstance(work, str):
        return ResultRefused(f"the work record that the node signed cannot be read: {work}")
    if work.node_key != node.key or not receipt.is_signed(work, bytes.fromhex(result.signature)):
        return ResultRefused("the work record is not signed with the node's key", is_lie=True)
    signed_for = (UUID(work.job), work.unit, work.attempt, UUID(work.node))
    if signed_for != (unit.job, unit.number, unit.attempt, node.id):
        return ResultRefused("the node signed work on a different unit or attempt", is_lie=True)
    found, proof = seen.found, seen.proof
    if found is not None and not _names(work, result, found):
        return ResultRefused("the node signed a file that differs from the stored one", is_lie=True)
    if proof is not None and work.document["measured"].get(EVIDENCE) != _named(proof):
        words = "the node signed evidence that differs from the stored evidence"
        return ResultRefused(words, is_lie=True)
    if (field := _changed_field(work, unit)) is not None:
        return ResultRefused(f"the node signed a {field} that it was not sent", is_lie=True)
    wrong = _implausible_claim(work, unit, device_class, now)
    return SignedWork(work, result.signature) if wrong is None else ResultRefused(wrong)


def signed_build(result: JobResult) -> str:
    """Return the Blender build that a result's work record names, before it is read; '' if none."""
    renderer = (result.work or {}).get("renderer")
    return str(renderer.get("build") or "") if isinstance(renderer, dict) else ""


def _implausible_claim(
    work: receipt.WorkStatement, unit: Assignment, device_class: str, now: datetime
) -> str | None:
    """Return the error of a wrong Blender build or impossible times in a work record, or None.

    A wrong build or time is not counted as a lie, as an honest node may report it.
    """
    build = work.document["renderer"].get("build") or ""
    is_other = bool(device_class) and build != kin_of(device_class)[1]
    if unit.job_type == RENDER and is_other:
        return "the node signed a Blender build that differs from its device class"
    if not _is_in_time(work, unit, now):
        return "the node signed impossible times: check its clock"
    return None


def _changed_field(work: receipt.WorkStatement, unit: Assignment) -> str | None:
    """Return the field of a work record that differs from what the node was sent, or None.

    Parameters with and without the request for evidence are accepted, as the setting may have
    changed since the unit was sent.
    """
    params, document = unit.params, work.document
    accepted = [receipt.parameters_of(one) for one in (params, {**params, EVIDENCE: True})]
    wrong = {
        "job type": document["job_type"] != unit.job_type,
        "set of parameters": document["parameters"] not in accepted,
        "list of inputs": document["inputs"] != _inputs_of(unit),
    }
    return next((name for name, is_so in wrong.items() if is_so), None)


def _inputs_of(unit: Assignment) -> list[str]:
    """Return the SHA-256 of the unit's payload, of the results that it merges, and its manifest."""
    inputs = unit.plan.inputs
    payload, manifest = ([] if one is None else [one.sha256] for one in (inputs.file, inputs.files))
    return [*payload, *(part.sha256 for part in unit.parts if part.sha256), *manifest]


def _is_in_time(work: receipt.WorkStatement, unit: Assignment, now: datetime) -> bool:
    begun, ended = (datetime.fromisoformat(work.document[of]) for of in ("begun", "ended"))
    first = unit.assigned_at or begun
    return first - CLOCKS_APART <= begun <= ended <= now + CLOCKS_APART


def unverified_receipt(
    signed: SignedWork, price: int, reason: str, key: ReceiptKey, now: datetime
) -> IssuedReceipt:
    """Return a signed receipt that calls the work ``unverified``, with a code for the reason."""
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
