"""The Watchman actor: starts last and stops first.

While the Watchman runs, the gateway accepts new work.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from actors.kernel import Actor, Ref, handles
from actors.node_session.messages import Close, NodeSession
from actors.ports import Store
from actors.watchman.messages import IsOpen, Watchman
from rendertrust.protocol import CloseCode
from sql.database import Conflict, Unavailable

# Sockets are closed in batches, so that the event loop stays responsive and not all nodes reconnect
# at once. The next batch follows once those sockets are closed, at the latest after BATCH_SECONDS.
BATCH: Final = 100
BATCH_SECONDS: Final = 0.25
ORPHANS_SECONDS: Final = 1.0  # time limit for counting the units that still run
log = logging.getLogger(__name__)


class WatchmanActor(Actor[Watchman]):
    """Answers, while it runs, that the gateway accepts new work; closes all sessions when it stops.

    ``sessions`` returns the addresses of the running sessions. The actor's ``stop_within`` must be
    long enough for all batches; 20,000 sessions make 200 batches.
    """

    def __init__(
        self,
        sessions: Callable[[], Sequence[Ref[NodeSession]]],
        store: Store,
    ) -> None:
        self._sessions = sessions
        self._store = store

    @handles(IsOpen)
    async def is_open(self, message: IsOpen) -> bool:
        # A Watchman that stops does not answer, and callers treat the timeout as "no".
        return True

    async def stopped(self) -> None:
        sessions = self._sessions()
        for start in range(0, len(sessions), BATCH):
            await self._close(sessions[start : start + BATCH])
        await self._report_orphans()

    async def _close(self, sessions: Sequence[Ref[NodeSession]]) -> None:
        for session in sessions:
            session.tell(Close(CloseCode.SERVICE_RESTART, "the gateway stops"))
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                for session in sessions:
                    await session.down()
        except TimeoutError:
            log.info("some of %d sessions are slow to close", len(sessions))

    async def _report_orphans(self) -> None:
        try:
            async with asyncio.timeout(ORPHANS_SECONDS):
                running = await self._store.running_units()
        except (Unavailable, Conflict, TimeoutError) as error:
            log.warning("cannot count the units that still run: %s", type(error).__name__)
            return
        if running:
            log.warning("%d units still run; their nodes keep them until the next start", running)
