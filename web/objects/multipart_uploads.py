"""Multipart uploads: cut content into parts, find the parts that have arrived, and join them."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import attrs

from actors.ports import ObjectMissing, Part, PartsRefused
from rendertrust.api.refusal_code import RefusalCode
from sql.multiparts import Multipart
from sql.uploads import UploadRow
from web.gateway import Gateway
from web.http.problem import Fault, Problem, invalid

PART_BYTES: Final = 64 << 20
RANGES_SHOWN: Final = 10

NOT_ARRIVED: Final = Problem(
    409, "The content has not arrived in the store", code=RefusalCode.CONTENT_MISSING
)
OTHER_PARTS: Final = Problem(
    409,
    "The stored parts differ from the request's list and were removed: send all of them again",
    code=RefusalCode.PARTS_DIFFER,
)


def in_parts(size: int) -> bool:
    """Return True if an upload of this size may be sent in parts."""
    return size > PART_BYTES


def count_of(size: int) -> int:
    """Return the number of parts of an upload."""
    return -(-size // PART_BYTES)


def size_of(number: int, size: int) -> int:
    """Return the length of part ``number`` of ``size`` bytes; 0 if there is no such part."""
    return max(0, min(PART_BYTES, size - (number - 1) * PART_BYTES))


def ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each run of ascending numbers."""
    first = last = 0
    for number in numbers:
        if last and number == last + 1:
            last = number
            continue
        if last:
            yield first, last
        first = last = number
    if last:
        yield first, last


def parts_sha256(digests: Sequence[bytes]) -> bytes:
    """Return a store's checksum of an object whose parts have these SHA-256 hashes."""
    return hashlib.sha256(b"".join(digests)).digest()


@attrs.frozen
class UploadParts:
    """The parts of one upload, at the store and in the database."""

    gateway: Gateway
    row: UploadRow

    async def arrived(self) -> list[Part]:
        """Return the parts that have arrived with the announced length, by number."""
        multipart = await self._begun()
        return [] if multipart is None else self._whole(await self._listed(multipart) or ())

    async def begin(self) -> Multipart:
        """Return the multipart upload, and begin it if it has not begun yet."""
        gateway, now = self.gateway, self.gateway.ports.clock.now()
        multipart = await self._begun()
        if multipart is not None and await self._listed(multipart) is not None:
            await gateway.tables.multiparts.asked(multipart, now)
            return multipart
        key = self.row.object_key
        begun = Multipart(self.row.id, await gateway.ports.objects.begin_multipart(key), key)
        kept = await gateway.tables.multiparts.keep(begun, now)
        if kept != begun:
            await gateway.ports.objects.abort_multipart(key, begun.store_id)
        return kept

    async def complete(self, digests: Sequence[bytes]) -> Problem | None:
        """Join the parts if all have arrived; otherwise return why not."""
        multipart = await self._begun()
        if multipart is None:
            return NOT_ARRIVED
        count = count_of(self.row.size)
        if len(digests) != count:
            return invalid([Fault("parts", "value", f"must name the SHA-256 of {count} parts")])
        parts = self._whole(await self._listed(multipart) or ())
        if (lacking := missing([part.number for part in parts], count)) is not None:
            return lacking
        return await self._join(multipart, parts, digests)

    async def _join(
        self, multipart: Multipart, parts: Sequence[Part], digests: Sequence[bytes]
    ) -> Problem | None:
        objects, key = self.gateway.ports.objects, multipart.object_key
        told = [
            attrs.evolve(part, sha256=digest) for part, digest in zip(parts, digests, strict=True)
        ]
        try:
            await objects.complete_multipart(key, multipart.store_id, told)
        except PartsRefused:
            # The store does not say which parts to send again.
            await self._abort(multipart)
            return OTHER_PARTS
        except ObjectMissing:
            return NOT_ARRIVED  # the caller looks whether another request has just completed it
        await self.gateway.tables.multiparts.end(multipart)
        return None

    async def _begun(self) -> Multipart | None:
        """Return the multipart upload of the current object, if one has begun; abort that of an
        older object.
        """
        multipart = await self.gateway.tables.multiparts.of(self.row.id)
        if multipart is not None and multipart.object_key != self.row.object_key:
            await self._abort(multipart)
            return None
        return multipart

    async def _listed(self, multipart: Multipart) -> Sequence[Part] | None:
        """Return the parts at the store; None if the store no longer has the upload."""
        try:
            return await self.gateway.ports.objects.parts_of(
                multipart.object_key, multipart.store_id
            )
        except ObjectMissing:
            await self.gateway.tables.multiparts.end(multipart)
            return None

    def _whole(self, parts: Sequence[Part]) -> list[Part]:
        """Return the parts that have the announced length.

        The announced length may have changed since the parts were sent. If two clients sent the
        same part at once, a store may list it twice: the last is taken.
        """
        by_number = {part.number: part for part in parts}
        whole = [
            part for part in by_number.values() if part.size == size_of(part.number, self.row.size)
        ]
        return sorted(whole, key=lambda part: part.number)

    async def _abort(self, multipart: Multipart) -> None:
        """Abort the multipart upload in the store, then delete its row: while the row exists, the
        abort is retried.
        """
        await self.gateway.ports.objects.abort_multipart(multipart.object_key, multipart.store_id)
        await self.gateway.tables.multiparts.end(multipart)


def missing(there: Sequence[int], count: int) -> Problem | None:
    """Return a refusal that names the missing parts; None if all have arrived."""
    arrived = set(there)
    lacking = ranges(number for number in range(1, count + 1) if number not in arrived)
    words = [
        str(first) if first == last else f"{first}-{last}"
        for first, last in islice(lacking, RANGES_SHOWN + 1)
    ]
    if not words:
        return None
    more = ", …" if len(words) > RANGES_SHOWN else ""
    told = ", ".join(words[:RANGES_SHOWN])
    return Problem(
        409,
        f"Of {count} parts, these have not arrived in the store: {told}{more}",
        code=RefusalCode.PARTS_MISSING,
    )
