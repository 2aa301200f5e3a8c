"""The Courier actor: delivers webhooks at least once.

A delivery is stored before it is sent, and leased to a Courier for a minute. If that Courier dies,
another Courier sends the delivery under the same id. Any number of Couriers may run at once.

Endpoints do not wait for each other. The next deliveries of an endpoint are claimed once the
outcomes of its previous deliveries are stored.
"""

import asyncio
import logging
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs
import orjson
from prometheus_client import Counter, Gauge

from actors.courier.messages import Courier, Deliver, Forget, Sending, Sent
from actors.courier.policy import arrived, expired, settled, standing
from actors.kernel import Actor, Timer, fail_point, handles, handles_batch
from actors.ports import Clock, Random
from actors.ports.webhooks import Answered, Letter, NotSent, Post
from config.settings import DEFAULTS, Webhooks
from rendertrust import webhooks
from sql.database import Conflict, Unavailable
from sql.events import EventRow, shown
from sql.webhooks import Deliveries, DeliveryOutcome, DueDelivery, EndpointHealth

LOOK_SECONDS: Final = 1.0  # interval of searches for due deliveries
COUNT_SECONDS: Final = 10.0  # interval at which waiting deliveries are counted
AWAY_SECONDS: Final = 5.0  # pause while the database is down
LEASE: Final = timedelta(seconds=60)  # time after which another Courier may send a delivery
AT_ONCE: Final = 64  # endpoints to which deliveries are sent at the same time
FORGET_SECONDS: Final = 3_600.0
FORGET_AT_ONCE, FORGET_MOST = 1_000, 100

TRIES: Final = Counter(
    "rendertrust_webhook_tries", "Tries to deliver a webhook, by result.", ["result"]
)
DISABLED: Final = Counter(
    "rendertrust_webhook_endpoints_disabled", "Endpoints disabled by this gateway."
)
WAITING: Final = Gauge("rendertrust_webhook_deliveries_waiting", "Webhooks waiting to be sent.")
log = logging.getLogger("courier")


class CourierActor(Actor[Courier]):
    """Claims due deliveries and sends them through the ``post`` port."""

    def __init__(
        self,
        post: Post,
        deliveries: Deliveries,
        clock: Clock,
        random: Random,
        settings: Webhooks = DEFAULTS.webhooks,
    ) -> None:
        self._post, self._deliveries = post, deliveries
        self._clock, self._random, self._settings = clock, random, settings
        self._count_at = -math.inf  # when to count waiting deliveries again
        self._look: Timer | None = None
        self._out: dict[UUID, Sending] = {}  # deliveries in progress, by endpoint

    async def started(self) -> None:
        self._look_in(0.0)
        self.after(FORGET_SECONDS, Forget(), jitter=1.0)

    async def stopped(self) -> None:
        """Cancel requests in progress; their deliveries are sent again after their lease."""
        for sending in self._out.values():
            sending.cancel()

    @handles(Deliver)
    async def deliver(self, _: Deliver) -> int:
        """Begin to send due deliveries. If the database is down, try again later."""
        wait, begun = LOOK_SECONDS, 0
        try:
            begun = await self._begin()
            if self._clock.monotonic() >= self._count_at:
                self._count_at = self._clock.monotonic() + COUNT_SECONDS
                WAITING.set(await self._deliveries.waiting())
        except (Unavailable, Conflict) as error:
            log.warning("deliveries of webhooks are paused: %s", error)
            wait = AWAY_SECONDS
        self._look_in(wait)
        return begun

    @handles_batch(Sent, limit=AT_ONCE)
    async def sent(self, parcels: Sequence[Sent]) -> Sequence[None]:
        """Store the outcomes and claim the next deliveries of these endpoints."""
        for parcel in parcels:
            self._out.pop(parcel.endpoint, None)
        try:
            await self._settle(parcels)
            await self._begin()
        except (Unavailable, Conflict) as error:
            log.warning(
                "outcomes of webhooks not stored; the webhooks will be sent again: %s", error
            )
        return [None] * len(parcels)

    @handles(Forget)
    async def forget(self, _: Forget) -> None:
        self.after(FORGET_SECONDS, Forget(), jitter=0.1)
        before = self._clock.now() - timedelta(days=self._settings.keep_days)
        try:
            for _round in range(FORGET_MOST):
                if await self._deliveries.expire(before, FORGET_AT_ONCE) < FORGET_AT_ONCE:
                    return
        except (Unavailable, Conflict) as error:
            log.warning("old webhook deliveries not deleted: %s", error)

    def _look_in(self, seconds: float) -> None:
        if self._look is not None:
            self._look.cancel()
        self._look = self.after(seconds, Deliver(), jitter=0.1)

    async def _begin(self) -> int:
        """Claim and send due deliveries of idle endpoints; return their number.

        If a Courier is killed after it sent a delivery, the delivery is sent again.
        """
        room = AT_ONCE - len(self._out)
        if room <= 0:
            return 0
        now = self._clock.now()
        due = await self._deliveries.claim(now, now + LEASE, tuple(self._out), room)
        told = [one for one in due if one.event is not None]
        lost = [expired(one, now) for one in due if one.event is None]
        if lost:
            await self._deliveries.settle(lost, ())
            TRIES.labels("given_up").inc(len(lost))
        for endpoint in dict.fromkeys(one.endpoint for one in told):
            self._send(endpoint, [one for one in told if one.endpoint == endpoint], now)
        return len(due)

    def _send(self, endpoint: UUID, due: Sequence[DueDelivery], now: datetime) -> None:
        stamp = int(now.timestamp())
        letters = [letter(one, one.event, stamp) for one in due if one.event is not None]
        sending = asyncio.get_running_loop().create_task(self._post.send(letters))
        self._out[endpoint] = sending
        sending.add_done_callback(lambda ended: self._ended(endpoint, due, ended))

    def _ended(self, endpoint: UUID, due: Sequence[DueDelivery], sending: Sending) -> None:
        if not sending.cancelled():
            self.ref.tell(Sent(endpoint, due, sending))

    async def _settle(self, parcels: Sequence[Sent]) -> None:
        results: list[DeliveryOutcome] = []
        standings: list[EndpointHealth] = []
        for parcel in parcels:
            became, now = parcel.became.result(), self._clock.now()
            fail_point.reach("courier_sent", parcel.due)
            pairs = zip(parcel.due, became, strict=True)
            tries = [settled(due, one, now, self._chance()) for due, one in pairs]
            standings += self._standings(parcel.due, became)
            self._count(became, tries)
            results += tries
        if results:
            await self._deliveries.settle(results, standings)

    def _standings(
        self, told: Sequence[DueDelivery], became: Sequence[Answered | NotSent]
    ) -> Sequence[EndpointHealth]:
        """Return the health of each endpoint after these deliveries.

        One successful delivery makes an endpoint healthy, even if other deliveries failed.
        """
        now, give_up = self._clock.now(), timedelta(days=self._settings.give_up_days)
        found: dict[object, EndpointHealth] = {}
        for due, result in sorted(zip(told, became, strict=True), key=lambda p: arrived(p[1])):
            found[due.endpoint] = standing(due, result, now, self._chance(), give_up)
        for stands in found.values():
            if stands.disabled_at is not None:
                DISABLED.inc()
                log.warning("endpoint %s disabled: %s", stands.endpoint, stands.reason)
        return list(found.values())

    def _count(
        self, became: Sequence[Answered | NotSent], results: Sequence[DeliveryOutcome]
    ) -> None:
        delivered = sum(arrived(one) for one in became)
        given_up = sum(one.state == "FAILED" for one in results)
        TRIES.labels("delivered").inc(delivered)
        TRIES.labels("failed").inc(len(became) - delivered)
        TRIES.labels("given_up").inc(given_up)

    def _chance(self) -> float:
        return self._random.uniform(0.0, 1.0)


def letter(due: DueDelivery, event: EventRow, timestamp: int) -> Letter:
    """Return the signed request for a delivery, as defined by Standard Webhooks.

    The header ``webhook-id`` of a delivery is the same for every try.
    """
    body = orjson.dumps(
        {"type": event.type, "timestamp": event.at, "data": attrs.asdict(shown(due.job, event))},
        default=str,  # ids are of a subclass of UUID
        option=orjson.OPT_UTC_Z,
    )
    headers = webhooks.headers_for(due.secrets, str(due.id), timestamp, body)
    return Letter(due.url, headers, body, due.user)
