"""In-memory Bus: one object is both the server and every gateway's connection to it."""

import asyncio
from collections.abc import Callable

Receive = Callable[[bytes], None]


class TwinSubscription:
    """A subscription of one receiver to one topic."""

    def __init__(self, bus: "TwinBus", topic: str, receive: Receive) -> None:
        self._bus = bus
        self.topic = topic
        self.receive = receive

    def close(self) -> None:
        if self in self._bus.subscriptions:
            self._bus.subscriptions.remove(self)


class TwinBus:
    """A Bus that delivers hints on the loop's next turn.

    It drops a hint while it is ``away``, and each hint for which ``lose`` returns True.
    """

    def __init__(self, lose: Callable[[], bool] = lambda: False) -> None:
        self.subscriptions: list[TwinSubscription] = []
        self.away = False
        self.dropped = 0
        self._lose = lose

    async def publish(self, topic: str, payload: bytes) -> None:
        if self.away or self._lose():
            self.dropped += 1
            return
        for subscription in self.subscriptions:
            if subscription.topic == topic:
                asyncio.get_running_loop().call_soon(self._deliver, subscription, payload)

    def _deliver(self, subscription: TwinSubscription, payload: bytes) -> None:
        if subscription in self.subscriptions and not self.away:
            subscription.receive(payload)

    def subscribe(self, topic: str, receive: Receive) -> TwinSubscription:
        subscription = TwinSubscription(self, topic, receive)
        self.subscriptions.append(subscription)
        return subscription
