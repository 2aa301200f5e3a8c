"""Port of the bus that carries hints between gateways."""

from collections.abc import Callable
from typing import Protocol


class Subscription(Protocol):
    """A subscription to one topic, which lasts until the subscription is closed."""

    def close(self) -> None: ...


class Bus(Protocol):
    """Publish-subscribe between gateways; each hint is delivered at most once, and may be lost."""

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send a hint. Never raises or waits; a hint that cannot be sent is dropped and counted."""
        ...

    def subscribe(self, topic: str, receive: Callable[[bytes], None]) -> Subscription:
        """Call ``receive``, which must not block, for every hint of the topic.

        The subscription survives a reconnect of the bus. Hints published before the subscription is
        active are not received.
        """
        ...
