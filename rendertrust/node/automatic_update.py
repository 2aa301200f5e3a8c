"""Automatic updates: a running node asks for a newer release now and then, and prepares it.

The agent then takes no further units. Once it has none left it ends, and its caller changes to the
prepared program (``node run --update``).
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import attrs

from rendertrust.http_session import http_session
from rendertrust.node.program_update import (
    NewRelease,
    PreparedUpdate,
    ProgramUpdate,
    UpdateRefused,
    decide,
)
from rendertrust.node.update_notice import handed_out

ASK_SECONDS: Final = 3600.0


@attrs.define
class AutomaticUpdate:
    """Prepares the gateway's newer release.

    ``key`` returns the release key that the node has stored. ``sleep`` and ``share`` are the clock
    and the random numbers: ``share`` returns a number from 0 to 1, so that nodes which start
    together ask at different times.
    """

    update: ProgramUpdate
    url: str
    key: Callable[[], str | None]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    share: Callable[[], float] = random.random
    session: Callable[[], aiohttp.ClientSession] = http_session
    prepared: PreparedUpdate | None = None
    is_ready: asyncio.Event = attrs.field(factory=asyncio.Event)
    _told: str = ""

    async def run(self) -> None:
        """Ask until a release is prepared."""
        while self.prepared is None:
            await self.sleep(ASK_SECONDS * (0.5 + self.share()))
            async with self.session() as session:
                self.prepared = await self._asked(session)
        self.is_ready.set()

    def connected(self) -> None:
        """Note that this program works: it has connected to the gateway."""
        with contextlib.suppress(OSError):
            self.update.folder.pass_trial()

    async def _asked(self, session: aiohttp.ClientSession) -> PreparedUpdate | None:
        offered = await handed_out(session, self.url)
        if not offered:
            return None
        found = decide(offered, self.key())
        if isinstance(found, NewRelease):
            if found.statement.sha256 == self.update.folder.failed:
                return None
            answer = await self.update.prepare(session, self.url, found.statement)
            if isinstance(answer, PreparedUpdate):
                return answer
            self._tell(answer)
        elif isinstance(found, UpdateRefused):
            self._tell(found)
        return None

    def _tell(self, refused: UpdateRefused) -> None:
        """Tell the operator why the node does not update itself, once for each reason."""
        if refused.reason != self._told:
            self._told = refused.reason
            self.update.narrate(f"not updated: {refused.reason}. {refused.remedy}")
