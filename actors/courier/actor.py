"""The Courier: tells endpoints what happened to jobs, at least once, whatever happens to it.

A delivery stands in the database before it is sent, and is the Courier's for a minute: one that
dies leaves it to whoever looks next, under the same id. Any number of them may work at once.
"""

import logging
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from prometheus_client import Counter, Gauge

from actors.courier.letters import letter
from actors.courier.messages import Courier, Deliver, Forget
from actors.courier.policy import CourierSettings, arrived, expired, settled, standing
from actors.kernel import Actor, fail_point, handles
from actors.ports import Clock, Random
from actors.ports.webhooks import Answered, NotSent, Post
from sql.database import Conflict, Unavailable
from sql.deliveries import Deliveries, Due, Settled, Standing

LOOK_SECONDS: Final = 1.0
COUNT_SECONDS: Final = 10.0
AWAY_SECONDS: Final = 5.0
LEASE: Final = timedelta(seconds=60)
AT_ONCE: Final = 64
FORGET_SECONDS: Final = 3_600.0
FORGET_AT_ONCE, FORGET_MOST = 1_000, 100

TRIES: Final = Counter("rendertrust_webhook_tries", "Tries to deliver, by result.", ["result"])
DISABLED: Final = Counter(
    "rendertrust_webhook_endpoints_disabled", "Endpoints that were given up here."
)
WAITING: Final = Gauge("rendertrust_webhook_deliveries_waiting", "Deliveries that did not arrive.")
UNCHANGED: Final = CourierSettings()
log = logging.getLogger("courier")


class CourierActor(Actor[Courier]):
    """``post`` is the outside."""

    def __init__(
        self,
        post: Post,
        deliveries: Deliveries,
        clock: Clock,
        random: Random,
        settings: CourierSettings = UNCHANGED,
    ) -> None:
        self._post, self._deliveries = post, deliveries
        self._clock, self._random, self._settings = clock, random, settings
        self._count_at = -math.inf  # when to count what waits

    async def started(self) -> None:
        self.after(0.0, Deliver())
        self.after(FORGET_SECONDS, Forget(), jitter=1.0)

    @handles(Deliver)
    async def deliver(self, _: Deliver) -> int:
        """Until nothing more is due; a database that is away is no crash."""
        wait, sent = LOOK_SECONDS, 0
        try:
            sent = await self._round()
            if sent == AT_ONCE:
                wait = 0.0
            elif self._clock.monotonic() >= self._count_at:
                self._count_at = self._clock.monotonic() + COUNT_SECONDS
                WAITING.set(await self._deliveries.waiting())
        except (Unavailable, Conflict) as error:
            log.warning("nothing is delivered: %s", error)
            wait = AWAY_SECONDS
        self.after(wait, Deliver(), jitter=0.1)
        return sent

    @handles(Forget)
    async def forget(self, _: Forget) -> None:
        self.after(FORGET_SECONDS, Forget(), jitter=0.1)
        before = self._clock.now() - timedelta(days=self._settings.keep_days)
        try:
            for _round in range(FORGET_MOST):
                if await self._deliveries.expire(before, FORGET_AT_ONCE) < FORGET_AT_ONCE:
                    return
        except Unavailable as error:
            log.warning("old deliveries stay for now: %s", error)

    async def _round(self) -> int:
        """Claim, send, write down. Whoever is killed on the way has sent it once too often."""
        now = self._clock.now()
        due = await self._deliveries.claim(now, now + LEASE, AT_ONCE)
        if not due:
            return 0
        told = [one for one in due if one.event is not None]
        stamp = int(now.timestamp())
        letters = [letter(one, one.event, stamp) for one in told if one.event is not None]
        became = await self._post.send(letters)
        fail_point.reach("courier_sent", told)
        now = self._clock.now()
        results = [expired(one, now) for one in due if one.event is None]
        results += [settled(d, b, now, self._chance()) for d, b in zip(told, became, strict=True)]
        await self._deliveries.settle(results, self._standings(told, became))
        self._count(became, results)
        return len(due)

    def _standings(
        self, told: Sequence[Due], became: Sequence[Answered | NotSent]
    ) -> Sequence[Standing]:
        """Of each endpoint by its last try; where anything arrived, by that."""
        now, give_up = self._clock.now(), timedelta(days=self._settings.give_up_days)
        found: dict[object, Standing] = {}
        for due, result in sorted(zip(told, became, strict=True), key=lambda p: arrived(p[1])):
            found[due.endpoint] = standing(due, result, now, self._chance(), give_up)
        for stands in found.values():
            if stands.disabled_at is not None:
                DISABLED.inc()
                log.warning("endpoint %s is told no more: %s", stands.endpoint, stands.reason)
        return list(found.values())

    def _count(self, became: Sequence[Answered | NotSent], results: Sequence[Settled]) -> None:
        delivered = sum(arrived(one) for one in became)
        given_up = sum(one.state == "FAILED" for one in results)
        TRIES.labels("delivered").inc(delivered)
        TRIES.labels("failed").inc(len(became) - delivered)
        TRIES.labels("given_up").inc(given_up)

    def _chance(self) -> float:
        return self._random.uniform(0.0, 1.0)
