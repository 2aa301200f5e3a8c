"""Judgement of a ``completed`` result: which object it names, and whether that is as it says."""

from datetime import timedelta
from typing import Final, TypeAlias

import attrs

from actors.ledger.messages import UnitComplete
from actors.node_session.settings import NodeIdentity, NodeSessionSettings
from actors.ports import ObjectInfo
from actors.scheduler.messages import Assignment
from rendertrust.protocol import JobResult
from sql.units import evidence_key
from sql.units import result_key as result_key  # noqa: PLC0414 - part of what this module offers

SCHEME: Final = "s3://"
RESULTS: Final = "results/"  # where the keys of results begin
REFERENCE_CHARACTERS_MOST: Final = 500
RESULT: Final = "result"
EVIDENCE: Final = "evidence"


def place_of(unit: Assignment, what: str) -> str:
    """Return the key of an attempt's RESULT or EVIDENCE; nobody else ever writes there."""
    key = evidence_key if what == EVIDENCE else result_key
    return key(unit.user, unit.job, unit.unit, unit.attempt)


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
