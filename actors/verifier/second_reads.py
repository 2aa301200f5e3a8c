"""Second reads of deliveries that a checker could not read."""

from collections.abc import Iterator
from typing import Final

import attrs

from actors.ports import ObjectMissing, Objects, ObjectsUnavailable
from actors.verifier.case import Case, CaseId
from sql.scheduler_rows import evidence_key, result_key

AT_ONCE: Final = 4
SECONDS: Final = 300.0  # of one read
AGAIN_SECONDS: Final = 10.0  # to the next one, where the store was away
PIECE: Final = 1 << 20
READ_MOST: Final = 64 << 20  # bytes of one object; of what is longer its last piece is read, too


@attrs.define
class SecondReads:
    """Reads that run now, and those that came to nothing."""

    _running: set[CaseId] = attrs.field(factory=set[CaseId])
    _after: dict[CaseId, float] = attrs.field(factory=dict[CaseId, float])

    def begin(self, of: CaseId, now: float) -> bool:
        """Return whether a read of it is to begin now; it is noted as running then."""
        self._after = {case: after for case, after in self._after.items() if after > now}
        if of in self._running or of in self._after or len(self._running) >= AT_ONCE:
            return False
        self._running.add(of)
        return True

    def end(self, of: CaseId, now: float) -> None:
        """Note the end of a read; the next one of the same delivery waits a little."""
        self._running.discard(of)
        self._after[of] = now + AGAIN_SECONDS


async def is_readable(case: Case, objects: Objects) -> bool | None:
    """Return whether its objects can be read to their ends, as they were delivered.

    None: the store is away. What is packed (Content-Encoding) cannot be read by everybody.
    """
    row = case.pending.row
    stored = [(case.place(result_key), row.size)]
    if row.evidence_size is not None:
        stored.append((case.place(evidence_key), row.evidence_size))
    try:
        return all([await _is_readable(key, size, objects) for key, size in stored])
    except ObjectsUnavailable:
        return None


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
    """Yield where the pieces begin that are read."""
    yield from range(0, min(size, READ_MOST), PIECE)
    if size > READ_MOST:
        yield max(READ_MOST, size - PIECE)
