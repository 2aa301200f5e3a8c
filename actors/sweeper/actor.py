"""The Sweeper actor: deletes expired inputs, results, events and links, abandoned uploads, and
nodes that never proved their key.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from actors.kernel import Actor, handles
from actors.ports import ObjectsUnavailable, Ports, place_of
from actors.sweeper.messages import SweepDue, Sweeper
from sql.database import Conflict, Unavailable
from sql.tables import Tables
from sql.units import beside, result_key, sheet_key

FIRST_SECONDS: Final = 60.0  # from the start to the first sweep
SWEEP_SECONDS: Final = 600.0
UNPROVED_AFTER: Final = timedelta(days=1)  # time that a node has to prove its key
INVITATIONS_KEPT: Final = timedelta(days=30)  # how long invitations are kept after they expired
JOIN_CODES_KEPT: Final = timedelta(days=1)  # how long join codes are kept after they expired
NODES_AT_ONCE: Final = 100
EVENT_JOBS_AT_ONCE: Final = 500  # jobs whose events are deleted at once; each may have thousands
SWEEP_MOST: Final = 200  # batches per run, so that other actors get their turn
ABANDONED_AFTER: Final = timedelta(days=1)
# Like ABANDONED_AFTER, for attempts that have ended: presigned URLs of parts have expired by then.
OVER_AFTER: Final = timedelta(hours=2)
LEDGER_ENDED_AFTER: Final = timedelta(days=1)  # without a batch
JOBS_AT_ONCE: Final = 100  # jobs whose thumbnails and logs are removed at once
CONNECTIONS_AT_ONCE: Final = 1_000

log = logging.getLogger("sweeper")


@attrs.frozen
class SweeperSettings:
    """Settings of the Sweeper: how long inputs, results and events are kept.

    ``bucket``: the gateway's bucket; results elsewhere are not deleted. ``require_proof``: delete
    nodes that never proved their key.
    """

    bucket: str
    inputs: timedelta
    results: timedelta
    events: timedelta
    require_proof: bool


class SweeperActor(Actor[Sweeper]):
    """Deletes expired rows and objects periodically.

    Several gateways may sweep at once, as each step is idempotent.
    """

    def __init__(self, ports: Ports, tables: Tables, settings: SweeperSettings) -> None:
        self._ports, self._tables, self._settings = ports, tables, settings
        # events of jobs that ended before this time have been deleted
        self._expired = datetime(1970, 1, 1, tzinfo=UTC)

    async def started(self) -> None:
        self.after(FIRST_SECONDS, SweepDue(), jitter=0.5)

    @handles(SweepDue)
    async def sweep(self, _: SweepDue) -> None:
        try:
            await self.remove_abandoned()
            await self.remove_abandoned_results()
        except (Unavailable, Conflict, ObjectsUnavailable) as error:
            log.warning("abandoned multipart uploads cannot be removed now: %s", error)
        try:
            await self.remove_expired()
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
            now = self._ports.clock.now()
            await self._tables.invitations.purge(now - INVITATIONS_KEPT)
            await self._tables.share_links.purge(now)
            await self._tables.join_codes.purge(now - JOIN_CODES_KEPT)
        except (Unavailable, Conflict) as error:
            log.warning("old invitations, links and codes cannot be removed now: %s", error)
        self.after(SWEEP_SECONDS, SweepDue(), jitter=0.1)

    async def _expire_events(self) -> None:
        events, before = self._tables.events, self._ports.clock.now() - self._settings.events
        for _ in range(SWEEP_MOST):
            if self._expired >= before:
                break
            self._expired = await events.expire(self._expired, before, EVENT_JOBS_AT_ONCE)

    async def _forget_nodes(self) -> None:
        """Delete nodes that did not prove their key in time, if the settings require that proof."""
        if not self._settings.require_proof:
            return
        before = self._ports.clock.now() - UNPROVED_AFTER
        for _ in range(SWEEP_MOST):
            forgotten = await self._tables.nodes.forget_unproved(before, NODES_AT_ONCE)
            if forgotten < NODES_AT_ONCE:
                break

    async def remove_abandoned(self) -> None:
        """Abort multipart uploads of inputs that were abandoned."""
        since = self._ports.clock.now() - ABANDONED_AFTER
        while abandoned := await self._tables.multiparts.abandoned(since):
            for multipart in abandoned:
                # Abort in the store first: if that fails, the row remains and the next run retries.
                await self._ports.objects.abort_multipart(multipart.object_key, multipart.store_id)
                await self._tables.multiparts.end(multipart)
                log.info("removed the abandoned multipart upload %s", multipart.upload_id)

    async def remove_abandoned_results(self) -> None:
        """Abort multipart uploads of results that were abandoned, or whose attempt has ended."""
        now = self._ports.clock.now()
        since, over = now - ABANDONED_AFTER, now - OVER_AFTER
        while abandoned := await self._tables.result_multiparts.abandoned(since, over):
            for begun in abandoned:
                await self._ports.objects.abort_multipart(begun.object_key, begun.store_id)
                await self._tables.result_multiparts.end(begun)
                log.info(
                    "removed the abandoned multipart upload of unit %s:%d", begun.job_id, begun.unit
                )

    async def remove_expired(self) -> None:
        """Remove inputs and results, and rows that are kept as long as results or events."""
        now = self._ports.clock.now()
        before = now - self._settings.results
        await self._remove_inputs()
        await self._remove_results()
        await self._remove_attempts(before)
        await self._tables.preflights.expire(before)
        await self._tables.retention.batches(now - LEDGER_ENDED_AFTER)
        while await self._tables.thumbnails.expire(before, JOBS_AT_ONCE):
            pass
        while await self._tables.attempt_logs.expire(before, JOBS_AT_ONCE):
            pass
        since = now - self._settings.events
        while await self._tables.connections.expire(since, CONNECTIONS_AT_ONCE):
            pass

    async def _remove_inputs(self) -> None:
        now = self._ports.clock.now()
        while inputs := await self._tables.retention.inputs(now - self._settings.inputs, now):
            for each in inputs:
                await self._ports.objects.delete(each.object_key)
                await self._tables.retention.input_gone(each.id)
            log.info("%d inputs have expired", len(inputs))

    async def _remove_results(self) -> None:
        now = self._ports.clock.now()
        while results := await self._tables.retention.results(now - self._settings.results, now):
            for result in results:
                place = place_of(result.result_key)
                if place is not None and place.bucket == self._settings.bucket:
                    for key in (place.key, beside(place.key), sheet_key(place.key)):
                        await self._ports.objects.delete(key)
                await self._tables.retention.result_gone(result, now)
            log.info("%d results have expired", len(results))

    async def _remove_attempts(self, before: datetime) -> None:
        """Delete objects of failed attempts, such as refused or late results; most have none."""
        now = self._ports.clock.now()
        while attempts := await self._tables.retention.attempts(before):
            for one in attempts:
                name = (one.user, one.job_id, one.unit, one.attempt)
                result = result_key(*name)
                for key in (result, beside(result), sheet_key(result)):
                    await self._ports.objects.delete(key)
                await self._tables.retention.attempt_gone(one, now)
            log.info("removed the objects of %d expired attempts", len(attempts))
