"""The Bus port over Valkey or Redis: publish and forget, subscribe and come back by itself."""

import asyncio
import contextlib
import random
from collections.abc import Callable

import structlog
from redis import asyncio as aioredis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from supervisors.engines.current import Current, NotStarted
from supervisors.engines.valkey import ValkeyEndpoint

PUBLISH_SECONDS = 0.5
CONNECT_SECONDS = 2.0
CONNECTIONS_MAX = 64
# After a failed publish, how long further ones are dropped at once instead of being tried.
REST_SECONDS = 0.5
BACKOFF_SECONDS_MIN, BACKOFF_SECONDS_MAX = 0.1, 5.0
# A connection that stays silent to pings is dead.
PING_SECONDS, SILENCE_SECONDS = 5.0, 12.0
# So that a connection without subscriptions is one too.
OWN_TOPIC = "rendertrust:bus"
AWAY = (RedisError, OSError, TimeoutError, NotStarted)

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
    """Hints through the server at ``endpoint``, wherever it is now. ``close`` it on its loop.

    ``dropped`` counts hints that were not sent, ``failed`` receivers that raised.
    """

    def __init__(self, endpoint: Current[ValkeyEndpoint]) -> None:
        self._current = endpoint
        self._publisher: tuple[ValkeyEndpoint, aioredis.Redis] | None = None
        self._rest_until = 0.0
        self._subscriptions: list[ValkeySubscription] = []
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self.dropped = 0
        self.failed = 0

    async def publish(self, topic: str, payload: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._rest_until:
            self.dropped += 1
            return
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                client = await self._client()
                await client.publish(topic, payload)
        except AWAY:
            self.dropped += 1
            self._rest_until = now + PUBLISH_SECONDS + REST_SECONDS
        else:
            self._rest_until = 0.0

    def subscribe(self, topic: str, receive: Receive) -> ValkeySubscription:
        subscription = ValkeySubscription(self, topic, receive)
        self._subscriptions.append(subscription)
        self._changed.set()
        if self._reader is None:
            self._reader = asyncio.get_running_loop().create_task(self._read(), name="bus")
        return subscription

    def forget(self, subscription: ValkeySubscription) -> None:
        """No more hints for this receiver."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._changed.set()

    async def close(self) -> None:
        """End the reader and the connections."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
            self._reader = None
        if self._publisher is not None:
            await self._publisher[1].aclose()
            self._publisher = None

    async def _client(self) -> aioredis.Redis:
        endpoint = self._current.get()
        if self._publisher is None or self._publisher[0] != endpoint:
            old, self._publisher = self._publisher, (endpoint, client_of(endpoint))
            if old is not None:
                await old[1].aclose()
        return self._publisher[1]

    async def _read(self) -> None:
        """Read until cancelled; after a failure come back, each time later up to the maximum."""
        backoff = BACKOFF_SECONDS_MIN
        while True:
            started = asyncio.get_running_loop().time()
            try:
                async with client_of(self._current.get()) as client, client.pubsub() as pubsub:
                    await self._read_once(pubsub)
            except* AWAY as reasons:
                log.info("bus_away", reason=type(reasons.exceptions[0]).__name__)
            if asyncio.get_running_loop().time() - started > BACKOFF_SECONDS_MAX:
                backoff = BACKOFF_SECONDS_MIN
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            backoff = min(backoff * 2, BACKOFF_SECONDS_MAX)

    async def _read_once(self, pubsub: PubSub) -> None:
        """Over one connection, until it is lost; then one of AWAY is raised."""
        self._changed.set()
        async with asyncio.timeout(CONNECT_SECONDS):
            await pubsub.subscribe(OWN_TOPIC)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._follow(pubsub))
            both.create_task(self._deliver(pubsub))

    async def _follow(self, pubsub: PubSub) -> None:
        """Keep the connection's topics equal to what is wanted, and make it answer now and then."""
        there: set[str] = set()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
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
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await pubsub.get_message(timeout=None)
            if message is not None and message["type"] == "message":
                self._hand_over(message["channel"].decode(), message["data"])

    def _hand_over(self, topic: str, payload: bytes) -> None:
        for subscription in [s for s in self._subscriptions if s.topic == topic]:
            try:
                subscription.receive(payload)
            except Exception:
                # One receiver's mistake is not the others' loss.
                self.failed += 1
                log.exception("bus_receiver_failed", topic=topic)


def client_of(endpoint: ValkeyEndpoint) -> aioredis.Redis:
    """A client that tries each thing once: coming back is the caller's, with its own back-off."""
    return aioredis.Redis.from_url(
        endpoint.url,
        max_connections=CONNECTIONS_MAX,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
