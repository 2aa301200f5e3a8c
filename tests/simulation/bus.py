"""Bus between simulated gateways, which loses, delays and reorders hints, and cuts gateways off."""

import asyncio

import attrs

from actors.ports import Random
from tests.twins.bus import Receive


@attrs.define
class NetworkFaults:
    """Faults of the network: probability that a hint is lost, and longest delay in seconds."""

    lost: float = 0.1
    late_seconds: float = 2.0


class Network:
    """A network between all gateways; a gateway in ``cut`` exchanges hints only with itself."""

    def __init__(self, chance: Random, weather: NetworkFaults) -> None:
        self.cut: set[int] = set()
        self.lines: list[NetworkSubscription] = []
        self._chance, self._weather = chance, weather

    def publish(self, sender: int, topic: str, payload: bytes) -> None:
        """Send a hint to all reachable subscribers, each with its own random loss and delay."""
        for line in self.lines:
            if line.topic != topic or self._chance.uniform(0.0, 1.0) < self._weather.lost:
                continue
            if line.gateway == sender or not self.cut & {sender, line.gateway}:
                delay = self._chance.uniform(0.0, self._weather.late_seconds)
                asyncio.get_running_loop().call_later(delay, line.deliver, payload)


@attrs.frozen(eq=False)
class NetworkSubscription:
    """A subscription of one gateway; ``gateway`` is its number."""

    network: Network
    gateway: int
    topic: str
    receive: Receive

    def deliver(self, payload: bytes) -> None:
        """Deliver a hint, unless the subscription was closed meanwhile."""
        if self in self.network.lines:
            self.receive(payload)

    def close(self) -> None:
        if self in self.network.lines:
            self.network.lines.remove(self)


@attrs.frozen
class BusOfGateway:
    """The Bus port of one gateway, connected to the network."""

    network: Network
    gateway: int

    async def publish(self, topic: str, payload: bytes) -> None:
        self.network.publish(self.gateway, topic, payload)

    def subscribe(self, topic: str, receive: Receive) -> NetworkSubscription:
        line = NetworkSubscription(self.network, self.gateway, topic, receive)
        self.network.lines.append(line)
        return line
