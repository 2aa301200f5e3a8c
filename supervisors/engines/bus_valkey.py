"""The Bus port over Valkey or Redis.

The bus publishes hints, which are messages between gateways that may be lost, without
acknowledgement. It also subscribes and reconnects.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog
from prometheus_client import Counter
from redis import asyncio as aioredis
from redis.asyncio.client import PubSub

from supervisors.engines import valkey
from supervisors.engines.current_endpoint import CurrentEndpoint, NotStarted
from supervisors.engines.valkey import CONNECT_SECONDS, ValkeyEndpoint, client_of

QUEUE_MAX = 10_000
BATCH_MAX = 500
BACKOFF_SECONDS_MIN, BACKOFF_SECONDS_MAX = 0.1, 5.0
# A connection that does not answer pings is dead.
PING_SECONDS, SILENCE_SECONDS = 5.0, 12.0
# Every connection has at least this subscription, as redis-py connects at the first one.
OWN_TOPIC = "rendertrust:bus"
AWAY = (*valkey.AWAY, NotStarted)

RECONNECTS: Final = Counter(
    "rendertrust_bus_reconnects", "Connections of the bus that were lost or failed."
)
DROPPED: Final = Counter("rendertrust_bus_hints_dropped", "Hints that were not sent.")
Receive = Callable[[bytes], None]
log = structlog.get_logger(__name__)


class ValkeySubscription:
    """One receiver of one topic."""

    def __init__(self, bus: "ValkeyBus", topic: str, receive: Receive) -> None:
        self._bus = bus
        self.topic = topic
        self.receive = receive

    def close(self) -> None:
        self._bus.forget(self)


class ValkeyBus:
    """The Bus port over the server at ``endpoint``, which may change.

    Call ``close`` on the loop that used the bus. One connection sends hints; each batch has the
    hints that arrived during the previous batch. Another connection receives. ``dropped`` counts
    hints that were not sent, ``failed`` counts receivers that raised.
    """

    def __init__(self, endpoint: CurrentEndpoint[ValkeyEndpoint]) -> None:
        self.endpoint = endpoint
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued = asyncio.Event()
        self._resting = False
        self._subscriptions: list[ValkeySubscription] = []
        self._changed = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.dropped = 0
        self.failed = 0

    async def publish(self, topic: str, payload: bytes) -> None:
        if self._resting or len(self._queue) >= QUEUE_MAX:
            self._drop(1)
            return
        self._queue.append((topic, payload))
        self._queued.set()
        self._run("bus-send", self._send)

    def subscribe(self, topic: str, receive: Receive) -> ValkeySubscription:
        subscription = ValkeySubscription(self, topic, receive)
        self._subscriptions.append(subscription)
        self._changed.set()
        self._run("bus-read", self._read)
        return subscription

    def forget(self, subscription: ValkeySubscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._changed.set()

    async def close(self) -> None:
        """End the connections; queued hints are dropped."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        self._drop_queue()

    def _run(
        self, name: str, session: Callable[[aioredis.Redis], Coroutine[Any, Any, None]]
    ) -> None:
        if name not in self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks[name] = loop.create_task(self._keep(name, session), name=name)

    async def _keep(
        self, name: str, session: Callable[[aioredis.Redis], Coroutine[Any, Any, None]]
    ) -> None:
        """Run one connection after another until cancelled, with growing pauses after failures."""
        backoff = BACKOFF_SECONDS_MIN
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                async with client_of(self.endpoint.get()) as client:
                    await session(client)
            except* AWAY as reasons:
                RECONNECTS.inc()
                log.info("bus_away", task=name, reason=type(reasons.exceptions[0]).__name__)
            except* Exception:
                # Hints must not stop for good, whatever the error.
                RECONNECTS.inc()
                log.exception("bus_failed", task=name)
            if loop.time() - started > BACKOFF_SECONDS_MAX:
                backoff = BACKOFF_SECONDS_MIN
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            backoff = min(backoff * 2, BACKOFF_SECONDS_MAX)

    async def _send(self, client: aioredis.Redis) -> None:
        """Send until a batch fails.

        The batch that failed, and hints that arrive during the pause, are dropped.
        """
        self._resting = False
        while True:
            _end_if_cancelled()
            await self._queued.wait()
            self._queued.clear()
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue)))]
                try:
                    await send_batch(client, batch)
                except AWAY:
                    self._resting = True
                    self._drop(len(batch))
                    self._drop_queue()
                    raise

    def _drop_queue(self) -> None:
        self._drop(len(self._queue))
        self._queue.clear()

    def _drop(self, count: int) -> None:
        self.dropped += count
        DROPPED.inc(count)

    async def _read(self, client: aioredis.Redis) -> None:
        """Receive over one connection until the connection is lost; then raise an exception of
        AWAY.
        """
        self._changed.set()
        async with client.pubsub() as pubsub:
            async with asyncio.timeout(CONNECT_SECONDS):
                await pubsub.subscribe(OWN_TOPIC)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._follow(pubsub))
                both.create_task(self._deliver(pubsub))

    async def _follow(self, pubsub: PubSub) -> None:
        """Keep the connection's subscriptions up to date, and ping it from time to time."""
        there: set[str] = set()
        while True:
            _end_if_cancelled()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            _hold_on(pubsub)
            wanted = {subscription.topic for subscription in self._subscriptions}
            async with asyncio.timeout(CONNECT_SECONDS):
                if wanted - there:
                    await pubsub.subscribe(*(wanted - there))
                if there - wanted:
                    await pubsub.unsubscribe(*(there - wanted))
                await pubsub.ping()
            there = wanted

    async def _deliver(self, pubsub: PubSub) -> None:
        while True:
            _end_if_cancelled()
            _hold_on(pubsub)
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await pubsub.get_message(timeout=None)
            if message is not None and message["type"] == "message":
                topic, payload = message["channel"], message["data"]
                assert isinstance(topic, bytes)
                assert isinstance(payload, bytes)
                self._hand_over(topic.decode(), payload)

    def _hand_over(self, topic: str, payload: bytes) -> None:
        for subscription in [s for s in self._subscriptions if s.topic == topic]:
            try:
                subscription.receive(payload)
            except Exception:
                # Receivers are any code: an error in one must not affect the other receivers.
                self.failed += 1
                log.exception("bus_receiver_failed", topic=topic)


def _end_if_cancelled() -> None:
    """Raise CancelledError if the task was cancelled but the cancellation was swallowed.

    ``asyncio.wait_for``, which redis-py uses, may swallow a cancellation on Python 3.11 if the
    awaited call ends at the same time. The canceller would then wait for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _hold_on(pubsub: PubSub) -> None:
    """Raise ConnectionError if the connection is lost.

    Without this error, redis-py would reconnect at the next command and read the greeting while the
    other task reads hints. Each task would then get data that is meant for the other task.
    """
    connection = pubsub.connection
    if connection is None or not connection.is_connected:
        raise ConnectionError("lost")


async def send_batch(client: aioredis.Redis, batch: list[tuple[str, bytes]]) -> None:
    """Send a batch in one round trip, with a deadline."""
    async with asyncio.timeout(CONNECT_SECONDS):
        pipeline = client.pipeline(transaction=False)
        for topic, payload in batch:
            pipeline.publish(topic, payload)
        await pipeline.execute()
