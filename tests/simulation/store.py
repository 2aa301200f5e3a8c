"""The database in the simulation: far away, and one connection to it for each gateway process."""

import asyncio
from collections import deque

from tests.twins.store import StoreTwin

ROUND_TRIP_SECONDS, AWAY_SECONDS = 0.003, 0.3


class FarStore(StoreTwin):
    """A database that takes its time, all the more to say that it is away."""

    async def round_trip(self) -> None:
        await asyncio.sleep(AWAY_SECONDS if self.away else ROUND_TRIP_SECONDS)
        await super().round_trip()


class Connection(FarStore):
    """One process's connection: the server's tables and locks, with failures of its own."""

    def __init__(self, server: FarStore) -> None:
        vars(self).update(vars(server))
        self._server = server
        self._failures = deque()
        self.away, self.lost_answers = False, 0

    @property
    def next_transaction(self) -> int:
        """The number of the next transaction, whoever begins it."""
        return self._server.next_transaction

    @next_transaction.setter
    def next_transaction(self, number: int) -> None:
        self._server.next_transaction = number

    @property
    def sealed_secret(self) -> bytes | None:
        """By which all gateways draw what is checked."""
        return self._server.sealed_secret

    @sealed_secret.setter
    def sealed_secret(self, sealed: bytes | None) -> None:
        self._server.sealed_secret = sealed
