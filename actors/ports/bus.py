"""Hints between gateways."""

from collections.abc import Callable
from typing import Protocol


class Subscription(Protocol):
    """A subscription to one topic, until it is closed."""

    def close(self) -> None: ...


class Bus(Protocol):
    """Hints between gateways, each delivered at most once. Polling makes up for lost ones."""

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send a hint. Never raises or waits; a hint that cannot be sent is dropped and counted."""
        ...

    def subscribe(self, topic: str, receive: Callable[[bytes], None]) -> Subscription:
        """Call ``receive`` for every hint of the topic, also after a reconnect; it must not block.

        Hints published before the subscription is active are not received.
        """
        ...
