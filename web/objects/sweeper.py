"""The actor that removes what has expired: parts, inputs, results, events, unproved nodes."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from actors.kernel import Actor, Message, Ref, handles
from actors.ports import ObjectsUnavailable
from sql.database import Unavailable
from supervisors.backoff import Backoff
from supervisors.child import Child
from supervisors.intensity import Intensity
from supervisors.registry import Registry
from supervisors.strategy import GiveUp, Strategy
from supervisors.supervisor import Supervisor
from web.gateway import Gateway
from web.objects.expiry import remove_expired
from web.objects.multipart_uploads import abort

FIRST_SECONDS: Final = 60.0  # after the start
SWEEP_SECONDS: Final = 600.0
ABANDONED_AFTER: Final = timedelta(days=1)
OVER_AFTER: Final = timedelta(hours=2)  # by then presigned uploads of parts have expired
UNPROVED_AFTER: Final = timedelta(days=1)
NODES_AT_ONCE: Final = 100
JOBS_AT_ONCE: Final = 500  # each with some thousands of events
SWEEP_MOST: Final = 200  # batches per run, so that others get their turn

log = logging.getLogger("sweeper")


class Sweeper:
    """Marker: the address of the SweeperActor."""


@attrs.frozen
class Sweep(Message[Sweeper, None]):
    """From its own timer: remove what has expired."""


class SweeperActor(Actor[Sweeper]):
    """Several gateways may sweep at once: each step is idempotent."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._expired = datetime(1970, 1, 1, tzinfo=UTC)  # events of jobs that ended before

    async def started(self) -> None:
        self.after(FIRST_SECONDS, Sweep(), jitter=0.5)

    @handles(Sweep)
    async def sweep(self, _: Sweep) -> None:
        try:
            await self._remove_abandoned()
            await remove_results(self._gateway)
        except (Unavailable, ObjectsUnavailable) as error:
            log.warning("abandoned parts cannot be removed for now: %s", error)
        try:
            await remove_expired(self._gateway)
        except (Unavailable, ObjectsUnavailable) as error:
            log.warning("expired inputs and results cannot be removed for now: %s", error)
        try:
            await self._expire_events()
        except Unavailable as error:
            log.warning("old events cannot be removed for now: %s", error)
        try:
            await self._forget_nodes()
        except Unavailable as error:
            log.warning("unproved registrations cannot be removed for now: %s", error)
        self.after(SWEEP_SECONDS, Sweep(), jitter=0.1)

    async def _expire_events(self) -> None:
        now = self._gateway.ports.clock.now()
        before = now - timedelta(days=self._gateway.settings.events.keep_days)
        for _ in range(SWEEP_MOST):
            if self._expired >= before:
                break
            events = self._gateway.tables.events
            self._expired = await events.expire(self._expired, before, JOBS_AT_ONCE)

    async def _forget_nodes(self) -> None:
        """Delete old unproved nodes, where proof is required: anyone may register a node."""
        if not self._gateway.settings.nodes.require_proof:
            return
        before = self._gateway.ports.clock.now() - UNPROVED_AFTER
        for _ in range(SWEEP_MOST):
            forgotten = await self._gateway.tables.nodes.forget_unproved(before, NODES_AT_ONCE)
            if forgotten < NODES_AT_ONCE:
                break

    async def _remove_abandoned(self) -> None:
        since = self._gateway.ports.clock.now() - ABANDONED_AFTER
        while abandoned := await self._gateway.tables.multiparts.abandoned(since):
            for multipart in abandoned:
                await abort(self._gateway, multipart)
                log.info("the parts of upload %s were removed", multipart.upload_id)


async def remove_results(gateway: Gateway) -> None:
    """Remove parts of results that were given up, and of attempts that have ended.

    Raises Unavailable and ObjectsUnavailable.
    """
    now = gateway.ports.clock.now()
    since, over = now - ABANDONED_AFTER, now - OVER_AFTER
    while abandoned := await gateway.tables.result_multiparts.abandoned(since, over):
        for begun in abandoned:
            await gateway.ports.objects.abort_multipart(begun.object_key, begun.store_id)
            await gateway.tables.result_multiparts.end(begun)
            log.info("the parts of unit %s:%d were removed", begun.job_id, begun.unit)


def sweeper_child(gateway: Gateway, registry: Registry) -> Child:
    """The actor over the gateway's database and store, under its own supervisor."""
    ref = registry.register(Sweeper, Ref[Sweeper]("sweeper"))
    child = Child("sweeper", lambda: SweeperActor(gateway), ref=ref)
    # Under its own supervisor: its failure stops nothing else, and nothing needs it at once.
    part = Supervisor(
        "Uploads",
        Strategy.ONE_FOR_ONE,
        Intensity(5, 30),
        [child],
        backoff=Backoff(1, 60),
        give_up=GiveUp.STAY_DOWN,
    )
    return Child("Uploads", part)
