"""The bus between simulated gateways: hints are lost, late, out of order, and cut off."""

import asyncio

import attrs

from actors.ports import Random
from tests.twins.bus import Receive


@attrs.define
class Weather:
    """How bad the network is: the odds to lose a hint, and the longest delay in seconds."""

    lost: float = 0.1
    late_seconds: float = 2.0


class Network:
    """Connects the processes of all gateways. A gateway in ``cut`` hears only itself."""

    def __init__(self, chance: Random, weather: Weather) -> None:
        self.cut: set[int] = set()
        self.lines: list[Line] = []
        self._chance, self._weather = chance, weather

    def publish(self, sender: int, topic: str, payload: bytes) -> None:
        """Send a hint to every subscriber that is reachable."""
        for line in self.lines:
            if line.topic != topic or self._chance.uniform(0.0, 1.0) < self._weather.lost:
                continue
            if line.gateway == sender or not self.cut & {sender, line.gateway}:
                delay = self._chance.uniform(0.0, self._weather.late_seconds)
                asyncio.get_running_loop().call_later(delay, line.deliver, payload)


@attrs.frozen(eq=False)
class Line:
    """A subscription. ``gateway`` is the number of its gateway."""

    network: Network
    gateway: int
    topic: str
    receive: Receive

    def deliver(self, payload: bytes) -> None:
        """Hand a hint over, unless nobody listens any more."""
        if self in self.network.lines:
            self.receive(payload)

    def close(self) -> None:
        if self in self.network.lines:
            self.network.lines.remove(self)


@attrs.frozen
class BusOfGateway:
    """The Bus port of one gateway."""

    network: Network
    gateway: int

    async def publish(self, topic: str, payload: bytes) -> None:
        self.network.publish(self.gateway, topic, payload)

    def subscribe(self, topic: str, receive: Receive) -> Line:
        line = Line(self.network, self.gateway, topic, receive)
        self.network.lines.append(line)
        return line
