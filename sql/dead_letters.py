"""Dead letters: jobs, Stripe events and webhooks that failed and wait for an admin."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import attrs

from sql.audit import Act, record
from sql.database import Database
from sql.query_loader import QUERIES

Kind: TypeAlias = Literal["job", "event", "webhook"]
NEWEST: Final = "-at"  # one of about, reason, whose, where, tried, at; '-' for descending


@attrs.frozen
class DeadJob:
    """A job that failed for good after ``tries`` attempts.

    ``total``: the number of matching rows.
    """

    id: UUID
    job_type: str
    user_id: UUID
    email: str
    node_id: UUID | None
    node_name: str | None
    error_message: str | None
    error_class: str | None
    tries: int
    price: int
    units: int
    at: datetime
    total: int


@attrs.frozen
class DeadTry:
    """A failed attempt at one of a job's units."""

    job: UUID
    unit: int
    attempt: int
    at: datetime
    node_name: str | None
    error_class: str | None
    error: str | None


@attrs.frozen
class DeadEvent:
    """A Stripe event that was REFUSED, or EARLY because its purchase is missing."""

    id: str
    type: str
    object: str
    outcome: str
    at: datetime
    times: int
    purchase: UUID | None
    email: str | None
    total: int


@attrs.frozen
class DeadWebhook:
    """A delivery that failed for good, with the endpoint's last ``status``, or the ``error``."""

    id: UUID
    type: str
    job_id: UUID
    url: str
    is_disabled: bool  # the endpoint is disabled
    user_id: UUID
    email: str
    tries: int
    status: int | None
    error: str | None
    at: datetime
    total: int


class DeadLetters:
    """Read and discard dead letters.

    Raises ``sql.database.Unavailable`` while the database is down.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def jobs(
        self,
        owner: UUID | None,
        ids: Sequence[UUID] | None = None,
        *,
        limit: int = 100,
        offset: int = 0,
        sort: str = NEWEST,
    ) -> Sequence[DeadJob]:
        """Return dead jobs; optionally only those of one owner, or with these ids."""
        rows = await self._database.all("dead_jobs", owner, ids and list(ids), limit, offset, sort)
        return [DeadJob(**row) for row in rows]

    async def tries(self, jobs: Sequence[UUID], most: int) -> Sequence[DeadTry]:
        """Return the failed attempts at these jobs, the newest ``most`` of each, oldest first."""
        rows = await self._database.all("dead_tries", list(jobs), most)
        return [DeadTry(**row) for row in rows]

    async def events(
        self,
        ids: Sequence[str] | None = None,
        *,
        limit: int = 100,
        offset: int = 0,
        sort: str = NEWEST,
    ) -> Sequence[DeadEvent]:
        """Return dead events, only those with these ids if given."""
        rows = await self._database.all("dead_events", ids and list(ids), limit, offset, sort)
        return [DeadEvent(**row) for row in rows]

    async def webhooks(
        self,
        ids: Sequence[UUID] | None = None,
        *,
        limit: int = 100,
        offset: int = 0,
        sort: str = NEWEST,
    ) -> Sequence[DeadWebhook]:
        """Return dead webhooks, only those with these ids if given."""
        rows = await self._database.all("dead_webhooks", ids and list(ids), limit, offset, sort)
        return [DeadWebhook(**row) for row in rows]

    async def send_again(self, row: DeadWebhook, act: Act) -> None:
        """Make a delivery due now, and record the admin's act."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["delivery_replay"], row.id, row.user_id, act.at)
            await record(connection, act)

    async def readings(self, event: str) -> int:
        """Count how often the event has been processed so far."""
        row = await self._database.one("dead_event_readings", event)
        return 0 if row is None else int(row["count"])

    async def discard(self, kind: Kind, ids: Sequence[str], act: Act) -> list[str]:
        """Discard dead letters and record the admin's act.

        Return those that were not discarded before.
        """
        async with self._database.transaction() as connection:
            by, reason = act.actor_id, act.reason
            query = QUERIES["dead_letters_discard"]
            rows = await connection.fetch(query, kind, list(ids), by, reason, act.at)
            done = [str(row["id"]) for row in rows]
            if done:
                await record(connection, attrs.evolve(act, details={"ids": done}))
        return done
