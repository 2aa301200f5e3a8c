"""Removal of expired inputs and results: first marked as gone, then deleted."""

import logging
from datetime import datetime, timedelta

from sql.units import beside, evidence_key, result_key
from web.gateway import Gateway
from web.objects.object_reference import place_of

JOBS_AT_ONCE = 100  # whose thumbnails and logs are removed
log = logging.getLogger("sweeper")


async def remove_expired(gateway: Gateway) -> None:
    """Delete all that has expired. Several gateways may do so at once: each step is idempotent.

    Raises Unavailable and ObjectsUnavailable; the next run continues.
    """
    settings, now = gateway.settings.retention, gateway.clock.now()
    await _inputs(gateway, timedelta(days=settings.inputs_days))
    while results := await gateway.retention.results(
        now - timedelta(days=settings.results_days), now
    ):
        for result in results:
            place = place_of(result.result_key)
            if place is not None and place.bucket == gateway.settings.objects.bucket:
                for key in (place.key, beside(place.key)):
                    await gateway.objects.delete(key)
            await gateway.retention.result_gone(result, now)
        log.info("%d results have expired", len(results))
    before = now - timedelta(days=settings.results_days)
    await _attempts(gateway, before)
    await gateway.preflights.expire(before)
    while await gateway.thumbnails.expire(before, JOBS_AT_ONCE):
        pass
    while await gateway.attempt_logs.expire(before, JOBS_AT_ONCE):
        pass
    past = now - timedelta(days=gateway.settings.events.keep_days)
    while await gateway.connections.expire(past):
        pass


async def _attempts(gateway: Gateway, before: datetime) -> None:
    """Delete what was delivered and refused, or came too late; most attempts left nothing."""
    now = gateway.clock.now()
    while attempts := await gateway.retention.attempts(before):
        for one in attempts:
            for key_of in (result_key, evidence_key):
                await gateway.objects.delete(key_of(one.user, one.job_id, one.unit, one.attempt))
            await gateway.retention.attempt_gone(one, now)
        log.info("what %d attempts left has expired", len(attempts))


async def _inputs(gateway: Gateway, kept: timedelta) -> None:
    now = gateway.clock.now()
    while inputs := await gateway.retention.inputs(now - kept, now):
        for each in inputs:
            await gateway.objects.delete(each.object_key)
            await gateway.retention.input_gone(each.id)
        log.info("%d inputs have expired", len(inputs))
