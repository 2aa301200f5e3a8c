"""Tests whether delivered objects in the object store are unchanged and readable."""

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import attrs

from actors.ports import ObjectMissing, Objects, ObjectsUnavailable
from actors.verifier.case import Case, CaseId
from sql.units import evidence_key, result_key

AT_ONCE: Final = 4  # results that are read at the same time
SECONDS: Final = 300.0  # limit of one read
AGAIN_SECONDS: Final = 10.0  # pause before the same result is read again
HASH_SECONDS: Final = 200.0  # part of SECONDS in which the gateway hashes a result
PIECE: Final = 1 << 20
Stored: TypeAlias = Literal["same", "replaced", "missing"]
READ_MOST: Final = 64 << 20  # bytes of one object; of a longer object the last piece is also read


async def stored(case: Case, objects: Objects) -> Stored:
    """Compare the stored objects with the delivered objects. Raises ObjectsUnavailable."""
    row = case.pending.row
    found = await _stored(objects, case.place(result_key), row.sha256, row.size)
    if found == "same" and row.evidence_size is not None:
        key = case.place(evidence_key)
        found = await _stored(objects, key, row.evidence_sha256, row.evidence_size)
    return found


async def _stored(objects: Objects, key: str, sha256: bytes | None, size: int | None) -> Stored:
    found = await objects.head(key)
    if found is None:
        return "missing"
    is_same = found.size == size and found.sha256 in (None, sha256)
    return "same" if is_same else "replaced"


@attrs.define
class SecondReads:
    """Reads by the gateway of results that a verifier could not read; limits how many run."""

    _running: set[CaseId] = attrs.field(factory=set[CaseId])
    _after: dict[CaseId, float] = attrs.field(factory=dict[CaseId, float])

    def begin(self, of: CaseId, now: float) -> bool:
        """Mark a read as running, and return True; False if the read must wait."""
        self._after = {case: after for case, after in self._after.items() if after > now}
        if of in self._running or of in self._after or len(self._running) >= AT_ONCE:
            return False
        self._running.add(of)
        return True

    def end(self, of: CaseId, now: float) -> None:
        """Mark a read as ended; the next read of the same result waits AGAIN_SECONDS."""
        self._running.discard(of)
        self._after[of] = now + AGAIN_SECONDS


async def is_readable(case: Case, objects: Objects) -> bool | None:
    """Return True if the result and its evidence can be read, with the delivered sizes.

    None if the object store is down. Compressed objects (Content-Encoding) count as unreadable, as
    not every client decodes them.
    """
    row = case.pending.row
    stored = [(case.place(result_key), row.size)]
    if row.evidence_size is not None:
        stored.append((case.place(evidence_key), row.evidence_size))
    try:
        return all([await _is_readable(key, size, objects) for key, size in stored])
    except ObjectsUnavailable:
        return None


async def has_other_content(case: Case, objects: Objects) -> bool:
    """Return True if the stored result or evidence does not have the SHA-256 that its node signed.

    False if this cannot be told: an object is missing or too large to hash within HASH_SECONDS, or
    the store is down.
    """
    row = case.pending.row
    signed = [(case.place(result_key), row.size, row.sha256)]
    if row.evidence_size is not None:
        signed.append((case.place(evidence_key), row.evidence_size, row.evidence_sha256))
    try:
        async with asyncio.timeout(HASH_SECONDS):
            return any([await _is_other(objects, *one) for one in signed])
    except (ObjectMissing, ObjectsUnavailable, TimeoutError):
        return False


async def _is_other(objects: Objects, key: str, size: int | None, sha256: bytes | None) -> bool:
    """Return True if an object of this size has another SHA-256."""
    known = await objects.head(key)
    if known is None or size is None or known.size != size:
        return False
    found = hashlib.sha256()
    for start in range(0, size, PIECE):
        found.update(await objects.piece(key, start, min(PIECE, size - start)))
    return found.digest() != sha256


async def _is_readable(key: str, size: int | None, objects: Objects) -> bool:
    found = await objects.head(key)
    if found is None or found.size != size or found.encoding is not None:
        return False
    try:
        for start in _starts(found.size):
            length = min(PIECE, found.size - start)
            if len(await objects.piece(key, start, length)) != length:
                return False
    except ObjectMissing:
        return False
    return True


def _starts(size: int) -> Iterator[int]:
    """Yield the offsets of the pieces to read."""
    yield from range(0, min(size, READ_MOST), PIECE)
    if size > READ_MOST:
        yield max(READ_MOST, size - PIECE)
