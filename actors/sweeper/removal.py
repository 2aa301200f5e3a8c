"""Removal of abandoned multipart uploads, and of expired inputs and results.

Several gateways may remove the same at once: each step is idempotent. All functions raise
Unavailable and ObjectsUnavailable; the next run continues.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from actors.ports import place_of
from actors.sweeper.ports import SweeperPorts, SweeperSettings
from sql.units import beside, evidence_key, result_key, sheet_key

ABANDONED_AFTER: Final = timedelta(days=1)
# Like ABANDONED_AFTER, for attempts that have ended: presigned URLs of parts have expired by then.
OVER_AFTER: Final = timedelta(hours=2)
LEDGER_ENDED_AFTER: Final = timedelta(days=1)  # without a batch
JOBS_AT_ONCE: Final = 100  # jobs whose thumbnails and logs are removed at once
CONNECTIONS_AT_ONCE: Final = 1_000
log = logging.getLogger("sweeper")


async def remove_abandoned(ports: SweeperPorts) -> None:
    """Abort multipart uploads of inputs that were abandoned."""
    since = ports.clock.now() - ABANDONED_AFTER
    while abandoned := await ports.tables.multiparts.abandoned(since):
        for multipart in abandoned:
            # Abort in the store first: if that fails, the row remains and the next run retries.
            await ports.objects.abort_multipart(multipart.object_key, multipart.store_id)
            await ports.tables.multiparts.end(multipart)
            log.info("removed the abandoned multipart upload %s", multipart.upload_id)


async def remove_abandoned_results(ports: SweeperPorts) -> None:
    """Abort multipart uploads of results that were abandoned, or whose attempt has ended."""
    now = ports.clock.now()
    since, over = now - ABANDONED_AFTER, now - OVER_AFTER
    while abandoned := await ports.tables.result_multiparts.abandoned(since, over):
        for begun in abandoned:
            await ports.objects.abort_multipart(begun.object_key, begun.store_id)
            await ports.tables.result_multiparts.end(begun)
            log.info(
                "removed the abandoned multipart upload of unit %s:%d", begun.job_id, begun.unit
            )


async def remove_expired(ports: SweeperPorts, settings: SweeperSettings) -> None:
    """Remove inputs and results, and rows that are kept as long as results or events."""
    now = ports.clock.now()
    before = now - settings.results
    await _inputs(ports, settings.inputs)
    await _results(ports, settings)
    await _attempts(ports, before)
    await ports.tables.preflights.expire(before)
    await ports.tables.retention.batches(now - LEDGER_ENDED_AFTER)
    while await ports.tables.thumbnails.expire(before, JOBS_AT_ONCE):
        pass
    while await ports.tables.attempt_logs.expire(before, JOBS_AT_ONCE):
        pass
    while await ports.tables.connections.expire(now - settings.events, CONNECTIONS_AT_ONCE):
        pass


async def _inputs(ports: SweeperPorts, kept: timedelta) -> None:
    now = ports.clock.now()
    while inputs := await ports.tables.retention.inputs(now - kept, now):
        for each in inputs:
            await ports.objects.delete(each.object_key)
            await ports.tables.retention.input_gone(each.id)
        log.info("%d inputs have expired", len(inputs))


async def _results(ports: SweeperPorts, settings: SweeperSettings) -> None:
    now = ports.clock.now()
    while results := await ports.tables.retention.results(now - settings.results, now):
        for result in results:
            place = place_of(result.result_key)
            if place is not None and place.bucket == settings.bucket:
                for key in (place.key, beside(place.key), sheet_key(place.key)):
                    await ports.objects.delete(key)
            await ports.tables.retention.result_gone(result, now)
        log.info("%d results have expired", len(results))


async def _attempts(ports: SweeperPorts, before: datetime) -> None:
    """Delete objects of failed attempts, such as refused or late results; most have none."""
    now = ports.clock.now()
    while attempts := await ports.tables.retention.attempts(before):
        for one in attempts:
            for key_of in (result_key, evidence_key):
                await ports.objects.delete(key_of(one.user, one.job_id, one.unit, one.attempt))
            await ports.tables.retention.attempt_gone(one, now)
        log.info("removed the objects of %d expired attempts", len(attempts))
