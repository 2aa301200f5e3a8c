"""The simulated database: it has latency, and a connection for each of several gateways."""

import asyncio
from collections import deque
from typing import Any

from sql.checks import CheckRow
from tests.twins.store import StoreTwin

ROUND_TRIP_SECONDS, AWAY_SECONDS = 0.003, 0.3
PRICE_BEFORE = 100_000_000  # price of results from before the simulation; more than any unit costs
# attributes that each connection has for itself; all others are the server's
OWN = frozenset({"_server", "_failures", "_known", "away", "lost_answers"})


class FarStore(StoreTwin):
    """A database with latency, which is longer while the database is away."""

    async def round_trip(self) -> None:
        await asyncio.sleep(AWAY_SECONDS if self.away else ROUND_TRIP_SECONDS)
        await super().round_trip()

    def price_of(self, check: CheckRow) -> int:
        """Return the price of the check's unit, or ``PRICE_BEFORE`` for a result from before the
        simulation.
        """
        unit = self.units.get(check.id[:2])
        return PRICE_BEFORE if unit is None else unit.price


class Connection(FarStore):
    """One gateway's connection: it uses the server's tables and locks, but fails on its own."""

    def __init__(self, server: FarStore) -> None:
        self._server = server
        self._failures = deque()
        self._known = {}
        self.away, self.lost_answers = False, 0

    def __getattribute__(self, name: str) -> Any:
        mine = super().__getattribute__
        if name in OWN:
            return mine(name)
        servers = vars(mine("_server"))
        return servers[name] if name in servers else mine(name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in OWN:
            super().__setattr__(name, value)
        else:
            setattr(self._server, name, value)
