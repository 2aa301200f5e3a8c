"""Hints between gateways."""

from collections.abc import Callable
from typing import Protocol


class Subscription(Protocol):
    """Until it is closed, hints of one topic come in."""

    def close(self) -> None: ...


class Bus(Protocol):
    """Hints between gateways, each delivered at most once: what is lost, a poll finds too."""

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send a hint. Never raises, never waits; dropped and counted where it cannot be sent."""
        ...

    def subscribe(self, topic: str, receive: Callable[[bytes], None]) -> Subscription:
        """Call ``receive`` for every hint of the topic, after a reconnect too; it must not block.

        Hints that were published before the subscription reached the other side are not seen.
        """
        ...
