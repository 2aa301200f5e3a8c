"""Webhook endpoints and deliveries, for their owners and for the Courier, which sends the
deliveries.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import attrs

from sql.database import Table, names_of, row_as
from sql.events import EventRow
from sql.query_loader import QUERIES
from sql.statement_batch import columns_of

ANSWERS_SHOWN: Final = 3
ENDPOINTS_MAX: Final = 20  # endpoints per user
OF_ENDPOINT_MOST: Final = 8  # deliveries to one endpoint at the same time
OF_USER_MOST: Final = 4  # endpoints of one user to which one gateway delivers at the same time


@attrs.frozen
class EndpointRow:
    """A webhook endpoint.

    ``failing_since``: time of the first failure since the last success. ``disabled_at``: time since
    which nothing is sent.
    """

    id: UUID
    url: str
    types: Sequence[str]
    secret: bytes = attrs.field(repr=False)
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime

    @property
    def state(self) -> str:
        """The state as one sortable word."""
        if self.disabled_at is not None:
            return "off"
        return "healthy" if self.failing_since is None else "failing"


@attrs.frozen
class DeliveryRow:
    """A delivery of an event. ``status`` and ``error`` are those of the last try.

    ``answers``: outcomes of the last tries, oldest first, with ``at``, ``status`` and ``error``.
    """

    id: UUID
    endpoint_id: UUID
    job_id: UUID
    number: int
    type: str
    state: str
    tries: int
    due_at: datetime
    tried_at: datetime | None
    status: int | None
    error: str | None
    created_at: datetime
    ended_at: datetime | None
    answers: Sequence[Mapping[str, Any]]

    @property
    def answer(self) -> str | None:
        """A summary of the last tries; None before the first try."""
        said = [one["error"] or str(one["status"]) for one in self.answers[-ANSWERS_SHOWN:]]
        return (
            ", then ".join(said)
            or self.error
            or (None if self.status is None else str(self.status))
        )


@attrs.frozen
class NewEndpoint:
    id: UUID
    url: str
    types: Sequence[str]
    secret: bytes = attrs.field(repr=False)
    created_at: datetime


@attrs.frozen
class EndpointPatch:
    """Changes to an endpoint; a field that is None changes nothing."""

    url: str | None = None
    types: Sequence[str] | None = None
    enabled: bool | None = None


class Endpoints(Table):
    """Webhook endpoints.

    Methods raise ``sql.database.Unavailable``. Methods return None or False if the user has no such
    endpoint.
    """

    async def insert(self, user: UUID, new: NewEndpoint) -> EndpointRow | None:
        """Insert an endpoint; None if the user has ENDPOINTS_MAX endpoints."""
        values = (new.id, user, new.url, list(new.types), new.secret, new.created_at)
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["user_lock"], user)
            row = await connection.fetchrow(QUERIES["endpoint_insert"], *values, ENDPOINTS_MAX)
        return None if row is None else row_as(EndpointRow, row)

    async def of_user(self, user: UUID) -> Sequence[EndpointRow]:
        """Return a user's endpoints, oldest first."""
        return [
            row_as(EndpointRow, row) for row in await self._database.all("endpoints_of_user", user)
        ]

    async def by_id(self, endpoint: UUID, user: UUID) -> EndpointRow | None:
        return await self._one("endpoint_of_user", endpoint, user)

    async def change(
        self, endpoint: UUID, user: UUID, wish: EndpointPatch, now: datetime
    ) -> EndpointRow | None:
        types = None if wish.types is None else list(wish.types)
        values = (endpoint, user, wish.url, types, wish.enabled, now)
        return await self._one("endpoint_update", *values)

    async def rotate(
        self, endpoint: UUID, user: UUID, secret: bytes, until: datetime
    ) -> EndpointRow | None:
        """Set another secret; until ``until``, the previous secret also signs."""
        return await self._one("endpoint_rotate", endpoint, user, secret, until)

    async def delete(self, endpoint: UUID, user: UUID) -> bool:
        """Delete an endpoint; its waiting deliveries fail."""
        return await self._database.one("endpoint_delete", endpoint, user) is not None

    async def deliveries(
        self, endpoint: UUID, user: UUID, limit: int, after: UUID | None
    ) -> Sequence[DeliveryRow]:
        """Return deliveries of an endpoint, newest first."""
        rows = await self._database.all("deliveries_of_endpoint", endpoint, user, limit, after)
        return [row_as(DeliveryRow, row) for row in rows]

    async def replay(self, delivery: UUID, user: UUID, now: datetime) -> DeliveryRow | None:
        """Send a delivery again, under the same id."""
        row = await self._database.one("delivery_replay", delivery, user, now)
        return None if row is None else row_as(DeliveryRow, row)

    async def _one(self, name: str, *values: Any) -> EndpointRow | None:
        row = await self._database.one(name, *values)
        return None if row is None else row_as(EndpointRow, row)


@attrs.frozen
class DueDelivery:
    """An event to deliver.

    ``tries`` includes the present try; ``event`` is None if the event has expired.
    """

    id: UUID
    endpoint: UUID
    user: UUID
    url: str
    secrets: Sequence[bytes] = attrs.field(repr=False)  # each secret signs the delivery
    job: UUID
    type: str
    tries: int
    failing_since: datetime | None
    event: EventRow | None


@attrs.frozen
class DeliveryOutcome:
    """The outcome of a try: a final state, or ``due_at``, the time of the next try."""

    delivery: UUID
    tries: int
    state: str  # PENDING, DELIVERED or FAILED
    due_at: datetime | None = None
    status: int | None = None
    error: str | None = None
    ended_at: datetime | None = None


@attrs.frozen
class EndpointHealth:
    """The health of an endpoint, which pauses until ``not_before``.

    With a ``reason`` the endpoint is disabled.
    """

    endpoint: UUID
    failing_since: datetime | None = None
    not_before: datetime | None = None
    disabled_at: datetime | None = None
    reason: str | None = None


class Deliveries(Table):
    async def claim(
        self, now: datetime, until: datetime, but: Sequence[UUID], most: int
    ) -> Sequence[DueDelivery]:
        """Claim due deliveries of up to ``most`` endpoints for this caller, until ``until``.

        ``but``: endpoints with a delivery in progress, which are left out. Including these, no user
        has more than OF_USER_MOST endpoints with deliveries at once.
        """
        given = now, until, OF_ENDPOINT_MOST, list(but), most, OF_USER_MOST
        rows = await self._database.all("deliveries_claim", *given)
        return [_due(row) for row in rows]

    async def settle(
        self, settled: Sequence[DeliveryOutcome], standings: Sequence[EndpointHealth]
    ) -> None:
        """Store the outcomes of tries and the health of their endpoints in one transaction.

        Endpoints are locked before deliveries, in the same order as when an endpoint is deleted.
        May also raise ``sql.database.Conflict``.
        """
        async with self._database.transaction() as connection:
            if standings:
                await connection.execute(
                    QUERIES["endpoints_settle"], *columns_of(standings, *names_of(EndpointHealth))
                )
            if settled:
                await connection.execute(
                    QUERIES["deliveries_settle"], *columns_of(settled, *names_of(DeliveryOutcome))
                )

    async def expire(self, before: datetime, most: int) -> int:
        """Delete up to ``most`` deliveries that were created before ``before``; return their
        number.
        """
        return len(await self._database.all("deliveries_expire", before, most))

    async def waiting(self) -> int:
        """Count the deliveries that are not delivered yet."""
        return await self._database.number("deliveries_waiting")


def _due(row: Any) -> DueDelivery:
    secrets = tuple(s for s in (row["secret"], row["former_secret"]) if s is not None)
    event = None if row["number"] is None else row_as(EventRow, row)
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
