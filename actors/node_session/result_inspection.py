"""What lies in the store of what a result names: the object, and the evidence beside it."""

import hashlib
from typing import Final, TypeAlias

import attrs

from actors.node_session.multipart_results import (
    EVIDENCE,
    RESULT,
    MultipartResult,
    PartsLost,
    place_of,
)
from actors.node_session.results import ResultRefused
from actors.ports import ObjectInfo, ObjectMissing, Objects
from rendertrust.protocol import Evidence, JobResult

PIECE: Final = 1 << 20
HASHED_MOST: Final = 64 << 20  # bytes; what is longer whoever checks it holds against its sum
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


async def look(
    result: JobResult, pieces: MultipartResult, *, is_checked: bool, waits: bool = False
) -> Found:
    """Look at both, and make one of the parts in which they came.

    ``is_checked``: there may be evidence; ``waits``: for a verdict, so it must say what it is.

    Raises ObjectsUnavailable, ``sql.database.Unavailable``.
    """
    found: ObjectInfo | ResultRefused | PartsLost | None
    if waits and (result.sha256 is None or result.size is None):
        return ResultRefused("a result that waits for a verdict says its SHA-256 and its size")
    if result.part_sums:
        if result.sha256 is None:
            return ResultRefused("a result in parts says the SHA-256 of the whole")
        found = await pieces.join(RESULT, result.part_sums, result.size)
    else:
        found = await pieces.objects.head(place_of(pieces.unit, RESULT))
        if waits and found is not None:
            found = await _summed(found, pieces.objects)
    if isinstance(found, ResultRefused | PartsLost):
        return found
    if found is not None and found.encoding is not None:
        return ResultRefused(ENCODED.format("result"))
    if not is_checked or result.evidence is None:
        return InspectedResult(found)
    proof = await _proof(result.evidence, pieces)
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
    named: Evidence, pieces: MultipartResult
) -> DeliveredEvidence | ResultRefused | PartsLost:
    found: ObjectInfo | ResultRefused | PartsLost | None
    if named.part_sums:
        found = await pieces.join(EVIDENCE, named.part_sums, named.size)
    else:
        found = await pieces.objects.head(place_of(pieces.unit, EVIDENCE))
    if isinstance(found, ResultRefused | PartsLost):
        return found
    if found is None:
        return ResultRefused("there is no evidence where it should be")
    if found.encoding is not None:
        return ResultRefused(ENCODED.format("evidence"))
    if found.size > pieces.settings.result_bytes_most:
        words = f"the evidence has {found.size} bytes: no such evidence does"
        return ResultRefused(words, is_lie=True)
    sha256 = bytes.fromhex(named.sha256)
    if found.size != named.size or found.sha256 not in (None, sha256):
        return ResultRefused("the evidence is another one than the result says", is_lie=True)
    return DeliveredEvidence(sha256, named.size)
