"""The outside world, as actors see it: each port has a real implementation and an in-memory twin.

Real ones live in ``supervisors/engines/`` and ``sql/``, twins in ``tests/twins/``; one conformance
suite per port runs on both.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sql.books import BooksTransaction
from sql.work import NodeRow, OpenUnit


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        ...


class Random(Protocol):
    """Chance: unpredictable in production, seeded in the simulation."""

    def uuid(self) -> UUID: ...

    def token(self, size: int) -> bytes:
        """``size`` bytes that nobody can guess."""
        ...

    def uniform(self, low: float, high: float) -> float: ...


class Store(Protocol):
    """The database, as actors use it. Every method raises ``sql.database.Unavailable`` while it is away."""

    def transaction(self) -> AbstractAsyncContextManager[BooksTransaction]:
        """The Ledger's way to the books: lock, decide, write, commit at exit."""
        ...

    async def open_units(self) -> Sequence[OpenUnit]:
        """Every unit that has not ended, oldest job first."""
        ...

    async def open_units_of(self, node: UUID) -> Sequence[OpenUnit]:
        """The units that are DISPATCHED or RUNNING on a node."""
        ...

    async def lost_units(self, now: datetime, unsent_since: datetime) -> Sequence[OpenUnit]:
        """Units whose lease ran out by ``now``, or that were assigned before ``unsent_since`` and never sent."""
        ...

    async def healthy_nodes(self) -> Sequence[NodeRow]:
        """The nodes that may be given work."""
        ...

    async def node_seen(self, node: UUID, at: datetime) -> None:
        """A sign of life over the socket: the node is HEALTHY."""
        ...

    async def silence(self, now: datetime) -> Sequence[UUID]:
        """HEALTHY → UNHEALTHY after 90 s, → OFFLINE after 300 s; answers who is healthy no more."""
        ...
