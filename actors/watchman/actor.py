"""The Watchman actor: starts last and stops first.

While the Watchman runs, the gateway accepts new work.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

import attrs

from actors.kernel import Actor, Ref, handles
from actors.node_session.messages import Close, NodeSession
from actors.ports import Store
from actors.watchman.messages import IsOpen, Watchman
from rendertrust.protocol import CloseCode
from sql.database import Unavailable

log = logging.getLogger(__name__)


@attrs.frozen
class WatchmanSettings:
    """Settings of the Watchman, which closes nodes' sockets in batches.

    The next batch follows once all sockets of the last batch are closed, or after
    ``batch_seconds``. Closing in batches keeps the event loop responsive, and not all nodes
    reconnect at once. ``orphans_seconds``: time limit for counting the units that still run.
    """

    batch: int = 100
    batch_seconds: float = 0.25
    orphans_seconds: float = 1.0


class WatchmanActor(Actor[Watchman]):
    """Answers, while it runs, that the gateway accepts new work; closes all sessions when it stops.

    ``sessions`` returns the addresses of the running sessions. The actor's ``stop_within`` must be
    long enough for all batches; 20,000 sessions make 200 batches.
    """

    def __init__(
        self,
        sessions: Callable[[], Sequence[Ref[NodeSession]]],
        store: Store,
        settings: WatchmanSettings = WatchmanSettings(),
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._settings = settings

    @handles(IsOpen)
    async def is_open(self, message: IsOpen) -> bool:
        # A Watchman that stops does not answer, and callers treat the timeout as "no".
        return True

    async def stopped(self) -> None:
        sessions, batch = self._sessions(), self._settings.batch
        for start in range(0, len(sessions), batch):
            await self._close(sessions[start : start + batch])
        await self._report_orphans()

    async def _close(self, sessions: Sequence[Ref[NodeSession]]) -> None:
        for session in sessions:
            session.tell(Close(CloseCode.SERVICE_RESTART, "the gateway stops"))
        try:
            async with asyncio.timeout(self._settings.batch_seconds):
                for session in sessions:
                    await session.down()
        except TimeoutError:
            log.info("some of %d sessions are slow to close", len(sessions))

    async def _report_orphans(self) -> None:
        try:
            async with asyncio.timeout(self._settings.orphans_seconds):
                running = await self._store.running_units()
        except (Unavailable, TimeoutError) as error:
            log.warning("cannot count the units that still run: %s", type(error).__name__)
            return
        if running:
            log.warning("%d units still run; their nodes keep them until the next start", running)
