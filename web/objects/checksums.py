"""Checksums of objects, for archives. A checksum is computed once, however many requests need it.

A client that resumes near the end of an archive needs the checksums of all its files. While
checksums are computed, almost nothing is written to the client, so no failed write shows that the
client has left. The connection is checked between two pieces instead.
"""

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Final

import attrs

from actors.ports import ObjectMissing, Objects
from web.objects.zip_layout import ZipMember

PIECE_BYTES: Final = 4 << 20
REMEMBERED_MAX: Final = 20_000
AT_ONCE: Final = 8  # objects that are read in parallel for their checksums
IsGone = Callable[[], bool]


class ClientLeftError(ConnectionError):
    """The client has closed its connection."""


@attrs.define
class _Begun:
    """An unfinished checksum, of the first ``done`` bytes; the holder of ``lock`` computes the
    rest.
    """

    crc: int = 0
    done: int = 0
    askers: int = 0
    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)


@attrs.define
class Checksums:
    """CRC-32s by key; the object under the key of a result never changes."""

    objects: Objects
    _known: OrderedDict[str, int] = attrs.field(factory=OrderedDict[str, int])
    _begun: dict[str, _Begun] = attrs.field(factory=dict[str, _Begun])
    _free: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def of(self, member: ZipMember, is_gone: IsGone) -> int:
        """Return the checksum of a member's content.

        Raises ClientLeftError once ``is_gone()``; ObjectMissing, ObjectsUnavailable.
        """
        if member.crc is not None:
            return member.crc
        known = self._known.get(member.key)
        if known is not None:
            self._known.move_to_end(member.key)
            return known
        begun = self._begun.setdefault(member.key, _Begun())
        begun.askers += 1
        try:
            async with begun.lock, self._free:
                await self._finish(begun, member, is_gone)
        finally:
            begun.askers -= 1
            if not begun.askers:
                del self._begun[member.key]
        return begun.crc

    async def _finish(self, begun: _Begun, member: ZipMember, is_gone: IsGone) -> None:
        async for chunk in content(self.objects, member, begun.done, is_gone):
            begun.crc = zlib.crc32(chunk, begun.crc)
            begun.done += len(chunk)
        self._known[member.key] = begun.crc
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)


async def content(
    objects: Objects, member: ZipMember, start: int, is_gone: IsGone
) -> AsyncIterator[bytes]:
    """Yield a member's bytes from ``start`` on. Raises the errors of ``Checksums.of``."""
    for at in range(start, member.size, PIECE_BYTES):
        if is_gone():
            raise ClientLeftError
        wanted = min(PIECE_BYTES, member.size - at)
        chunk = await objects.piece(member.key, member.start + at, wanted)
        if len(chunk) != wanted:
            raise ObjectMissing(member.key)
        yield chunk
