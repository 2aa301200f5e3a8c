"""Presigned URLs of a manifest's files.

The node requests these URLs from the gateway, for a few files at a time.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from rendertrust.node.plugin import Failed
from rendertrust.protocol import FromNode, Input, Running, Urls, UrlsRequest

WITHIN_SECONDS: Final = 600.0


@attrs.define(eq=False)
class InputUrls:
    """URLs for one unit.

    Requests are repeated, because a response may be lost with the connection.
    """

    ref: Running
    send: Callable[[FromNode], object]
    again_seconds: float
    within_seconds: float = WITHIN_SECONDS
    _wanted: frozenset[str] = frozenset()
    _known: dict[str, Input] = attrs.field(factory=dict[str, Input])
    _answered: asyncio.Event = attrs.field(factory=asyncio.Event)

    def take(self, frame: Urls) -> None:
        """Take a response of the gateway; a late response to an earlier request is ignored."""
        given = {one.sha256: one for one in frame.inputs}
        if given.keys() <= self._wanted:
            self._known = given
            self._answered.set()

    async def of(self, wanted: Sequence[str]) -> Mapping[str, Input] | Failed:
        """Return inputs with these SHA-256 hashes and with new URLs from the gateway."""
        self._wanted, self._known = frozenset(wanted), {}
        self._answered.clear()
        try:
            async with asyncio.timeout(self.within_seconds):
                while not await self._asked(wanted):
                    pass
        except TimeoutError:
            return Failed(
                failure="network", error="the gateway did not send the URLs of the job's files"
            )
        if missing := [sha256 for sha256 in wanted if sha256 not in self._known]:
            return Failed(
                failure="gateway", error=f"{len(missing)} files of the job no longer exist"
            )
        return self._known

    async def _asked(self, wanted: Sequence[str]) -> bool:
        ref = self.ref
        self.send(
            UrlsRequest(job_id=ref.job_id, unit=ref.unit, attempt=ref.attempt, files=tuple(wanted))
        )
        try:
            async with asyncio.timeout(self.again_seconds):
                return await self._answered.wait()
        except TimeoutError:
            return False
