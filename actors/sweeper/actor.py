"""The Sweeper actor: deletes expired inputs, results, events and invitations, abandoned uploads,
and nodes that never proved their key.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Final

from actors.kernel import Actor, handles
from actors.ports import ObjectsUnavailable
from actors.sweeper.messages import SweepDue, Sweeper
from actors.sweeper.ports import SweeperPorts, SweeperSettings
from actors.sweeper.removal import remove_abandoned, remove_abandoned_results, remove_expired
from sql.database import Conflict, Unavailable

FIRST_SECONDS: Final = 60.0  # from the start to the first sweep
SWEEP_SECONDS: Final = 600.0
UNPROVED_AFTER: Final = timedelta(days=1)  # time that a node has to prove its key
INVITATIONS_KEPT: Final = timedelta(days=30)  # how long invitations are kept after they expired
NODES_AT_ONCE: Final = 100
JOBS_AT_ONCE: Final = 500  # jobs whose events are deleted at once; each may have thousands
SWEEP_MOST: Final = 200  # batches per run, so that other actors get their turn

log = logging.getLogger("sweeper")


class SweeperActor(Actor[Sweeper]):
    """Deletes expired rows and objects periodically.

    Several gateways may sweep at once, as each step is idempotent.
    """

    def __init__(self, ports: SweeperPorts, settings: SweeperSettings) -> None:
        self._ports, self._settings = ports, settings
        # events of jobs that ended before this time have been deleted
        self._expired = datetime(1970, 1, 1, tzinfo=UTC)

    async def started(self) -> None:
        self.after(FIRST_SECONDS, SweepDue(), jitter=0.5)

    @handles(SweepDue)
    async def sweep(self, _: SweepDue) -> None:
        try:
            await remove_abandoned(self._ports)
            await remove_abandoned_results(self._ports)
        except (Unavailable, Conflict, ObjectsUnavailable) as error:
            log.warning("abandoned multipart uploads cannot be removed now: %s", error)
        try:
            await remove_expired(self._ports, self._settings)
        except (Unavailable, Conflict, ObjectsUnavailable) as error:
            log.warning("expired inputs and results cannot be removed now: %s", error)
        try:
            await self._expire_events()
        except (Unavailable, Conflict) as error:
            log.warning("old events cannot be removed now: %s", error)
        try:
            await self._forget_nodes()
        except (Unavailable, Conflict) as error:
            log.warning("unproved registrations cannot be removed now: %s", error)
        try:
            expired = self._ports.clock.now() - INVITATIONS_KEPT
            await self._ports.tables.invitations.purge(expired)
        except (Unavailable, Conflict) as error:
            log.warning("old invitations cannot be removed now: %s", error)
        self.after(SWEEP_SECONDS, SweepDue(), jitter=0.1)

    async def _expire_events(self) -> None:
        events, before = self._ports.tables.events, self._ports.clock.now() - self._settings.events
        for _ in range(SWEEP_MOST):
            if self._expired >= before:
                break
            self._expired = await events.expire(self._expired, before, JOBS_AT_ONCE)

    async def _forget_nodes(self) -> None:
        """Delete nodes that did not prove their key in time, if the settings require that proof."""
        if not self._settings.require_proof:
            return
        before = self._ports.clock.now() - UNPROVED_AFTER
        for _ in range(SWEEP_MOST):
            forgotten = await self._ports.tables.nodes.forget_unproved(before, NODES_AT_ONCE)
            if forgotten < NODES_AT_ONCE:
                break
