"""Multipart upload of a long result, which resumes after an interruption.

The upload keeps no state. The file stays in the spool across restarts of the agent, and the gateway
tells which parts have arrived. Therefore a part that has arrived is not sent again.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp

from rendertrust.node.presigned_uploads import (
    GONE,
    Outcome,
    PutRefused,
    PutStored,
    StoreUnreachable,
    UrlExpired,
    put_piece,
)
from rendertrust.node.spool import SpooledFile
from rendertrust.protocol import PartPlace, PartsOffered, PartsWanted, WantedPart
from rendertrust.relay_frames import PARTS_ASKED_MAX, PARTS_MAX

ROUNDS: Final = 3  # tries per batch of parts: a URL may expire, or the store may lose parts
_CHUNK: Final = 1 << 20
TOO_LONG: Final = PutRefused(f"the result is longer than {PARTS_MAX} parts")

Ask = Callable[[PartsWanted], Awaitable[PartsOffered | None]]


def in_parts(spooled: SpooledFile) -> bool:
    """Return True if the file may be sent in parts and is longer than one part."""
    part_bytes = spooled.output.part_bytes
    try:
        return part_bytes is not None and spooled.file.stat().st_size > part_bytes
    except FileNotFoundError:
        return False


async def send(session: aiohttp.ClientSession, spooled: SpooledFile, ask: Ask) -> Outcome:
    """Upload all parts that have not arrived; return PutStored with the hashes of all parts.

    ``ask`` requests URLs of parts from the gateway; it returns None if the gateway does not
    respond.
    """
    assert spooled.output.part_bytes is not None, "the caller has called in_parts()"
    try:
        size, sums = await asyncio.to_thread(_sums, spooled.file, spooled.output.part_bytes)
    except FileNotFoundError:
        return GONE
    if len(sums) > PARTS_MAX:
        return TOO_LONG
    sending = _Sending(session, spooled, ask, size, sums)
    for first in range(0, len(sums), PARTS_ASKED_MAX):
        numbers = range(first + 1, min(first + PARTS_ASKED_MAX, len(sums)) + 1)
        outcome = await sending.batch(numbers)
        if not isinstance(outcome, PutStored):
            return outcome
    return PutStored(tuple(sums))


class _Sending:
    """Upload of one file."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        spooled: SpooledFile,
        ask: Ask,
        size: int,
        sums: list[str],
    ) -> None:
        self._session, self._spooled, self._ask = session, spooled, ask
        self._size, self._sums = size, sums

    async def batch(self, numbers: range) -> Outcome:
        """Upload the parts of ``numbers`` that have not arrived."""
        wanted = PartsWanted(
            what=self._spooled.what,
            size=self._size,
            parts=tuple(WantedPart(number=n, sha256=self._sums[n - 1]) for n in numbers),
        )
        for _ in range(ROUNDS):
            offered = await self._ask(wanted)
            if offered is None:
                return StoreUnreachable("the gateway did not answer the request for URLs of parts")
            if set(numbers) <= set(offered.arrived):
                return PutStored()
            for place in offered.places:
                outcome = await self._put(place)
                if isinstance(outcome, StoreUnreachable | PutRefused):
                    return outcome
        return StoreUnreachable("uploaded parts do not arrive")

    async def _put(self, place: PartPlace) -> Outcome:
        part_bytes = self._spooled.output.part_bytes or self._size
        start = (place.number - 1) * part_bytes
        size = min(part_bytes, self._size - start)
        if size <= 0:
            return PutRefused("the gateway asks for a part that does not exist")
        outcome = await put_piece(self._session, place, self._spooled.file, (start, size))
        if isinstance(outcome, PutRefused) and outcome.status == NO_SUCH_UPLOAD:
            # The object store dropped the multipart upload. The next round starts a new multipart
            # upload.
            return UrlExpired()
        return outcome


NO_SUCH_UPLOAD: Final = 404


def _sums(file: Path, part_bytes: int) -> tuple[int, list[str]]:
    """Return the file's size, and the SHA-256 of each part; runs in a thread."""
    sums: list[str] = []
    size = 0
    with file.open("rb") as source:
        while True:
            digest, left = hashlib.sha256(), part_bytes
            while left and (chunk := source.read(min(_CHUNK, left))):
                digest.update(chunk)
                left -= len(chunk)
            if left == part_bytes:
                return size, sums
            size += part_bytes - left
            sums.append(digest.hexdigest())
