"""Webhook deliveries: claimed by the Courier, which stores their outcome."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs

from sql.database import Database
from sql.events import EventRow
from sql.query_loader import QUERIES

OF_ENDPOINT_MOST: Final = 8  # deliveries of one endpoint at the same time
OF_USER_MOST: Final = 4  # endpoints of one user at the same time, per gateway


@attrs.frozen
class DueDelivery:
    """An event to deliver. ``tries`` includes this one; ``event`` is None if it has expired."""

    id: UUID
    endpoint: UUID
    user: UUID
    url: str
    secrets: Sequence[bytes] = attrs.field(repr=False)  # each of them signs
    job: UUID
    type: str
    tries: int
    failing_since: datetime | None
    event: EventRow | None


@attrs.frozen
class DeliveryOutcome:
    """The outcome of a try: a final state, or ``due_at`` for the next try."""

    delivery: UUID
    tries: int
    state: str  # PENDING, DELIVERED or FAILED
    due_at: datetime | None = None
    status: int | None = None
    error: str | None = None
    ended_at: datetime | None = None


@attrs.frozen
class EndpointHealth:
    """The health of an endpoint: it pauses until ``not_before``; a ``reason`` disables it."""

    endpoint: UUID
    failing_since: datetime | None = None
    not_before: datetime | None = None
    disabled_at: datetime | None = None
    reason: str | None = None


class Deliveries:
    """Each method raises ``sql.database.Unavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, now: datetime, until: datetime, but: Sequence[UUID], most: int
    ) -> Sequence[DueDelivery]:
        """Claim what is due for ``most`` endpoints, for the caller only, ``until`` then.

        ``but``: endpoints with a delivery in progress; counting those, no user has more than four
        at once.
        """
        given = now, until, OF_ENDPOINT_MOST, list(but), most, OF_USER_MOST
        rows = await self._database.all("deliveries_claim", *given)
        return [_due(row) for row in rows]

    async def settle(
        self, settled: Sequence[DeliveryOutcome], standings: Sequence[EndpointHealth]
    ) -> None:
        """Store the outcomes of tries and the health of their endpoints in one transaction.

        Endpoints are locked first, as in the deletion of an endpoint. Raises also
        ``sql.database.Conflict``.
        """
        async with self._database.transaction() as connection:
            if standings:
                await connection.execute(QUERIES["endpoints_settle"], *_columns(standings))
            if settled:
                await connection.execute(QUERIES["deliveries_settle"], *_columns(settled))

    async def expire(self, before: datetime, most: int) -> int:
        """Delete deliveries created before then; return how many."""
        return len(await self._database.all("deliveries_expire", before, most))

    async def waiting(self) -> int:
        """Count the deliveries that are not delivered yet."""
        row = await self._database.one("deliveries_waiting")
        return 0 if row is None else int(row["count"])


def _columns(rows: Sequence[DeliveryOutcome] | Sequence[EndpointHealth]) -> list[list[Any]]:
    names = [field.name for field in attrs.fields(type(rows[0]))]
    return [[getattr(row, name) for row in rows] for name in names]


def _due(row: Any) -> DueDelivery:
    secrets = tuple(s for s in (row["secret"], row["former_secret"]) if s is not None)
    event = None
    if row["number"] is not None:
        names = [field.name for field in attrs.fields(EventRow)]
        event = EventRow(**{name: row[name] for name in names})
    return DueDelivery(
        id=row["id"],
        endpoint=row["endpoint_id"],
        user=row["user_id"],
        url=row["url"],
        secrets=secrets,
        job=row["job_id"],
        type=row["type"],
        tries=row["tries"],
        failing_since=row["failing_since"],
        event=event,
    )
