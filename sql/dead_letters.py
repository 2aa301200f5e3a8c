"""Dead letters: jobs, Stripe events and webhooks that failed and wait for an admin."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import attrs

from sql.audit_log import Act, record
from sql.database import Table
from sql.query_loader import QUERIES

Kind: TypeAlias = Literal["job", "event", "webhook"]
NEWEST: Final = "-at"  # a column: about, reason, whose, where, tried or at; '-': descending


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
    """An attempt at one of a job's units that ended without a result."""

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
    is_disabled: bool
    user_id: UUID
    email: str
    tries: int
    status: int | None
    error: str | None
    at: datetime
    total: int


class DeadLetters(Table):
    """Read and discard dead letters.

    Raises ``sql.database.Unavailable`` while the database is down.
    """

    async def jobs(
        self,
        owner: UUID | None,
        ids: Sequence[UUID] | None = None,
        *,
        limit: int = 100,
        offset: int = 0,
        sort: str = NEWEST,
    ) -> Sequence[DeadJob]:
        """Return jobs that failed for good; if given, only the jobs of ``owner``, or with these
        ``ids``.
        """
        return await self._database.rows(
            DeadJob, "dead_jobs", owner, ids and list(ids), limit, offset, sort
        )

    async def tries(self, jobs: Sequence[UUID], most: int) -> Sequence[DeadTry]:
        """Return the attempts of these jobs that ended without a result: the newest ``most`` of
        each job, oldest first.
        """
        return await self._database.rows(DeadTry, "dead_tries", list(jobs), most)

    async def events(
        self,
        ids: Sequence[str] | None = None,
        *,
        limit: int = 100,
        offset: int = 0,
        sort: str = NEWEST,
    ) -> Sequence[DeadEvent]:
        """Return Stripe events that failed; if given, only events with these ``ids``."""
        return await self._database.rows(
            DeadEvent, "dead_events", ids and list(ids), limit, offset, sort
        )

    async def webhooks(
        self,
        ids: Sequence[UUID] | None = None,
        *,
        limit: int = 100,
        offset: int = 0,
        sort: str = NEWEST,
    ) -> Sequence[DeadWebhook]:
        """Return webhooks that failed for good; if given, only webhooks with these ``ids``."""
        return await self._database.rows(
            DeadWebhook, "dead_webhooks", ids and list(ids), limit, offset, sort
        )

    async def send_again(self, row: DeadWebhook, act: Act) -> None:
        """Make a delivery due now, and record the admin's act."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["delivery_replay"], row.id, row.user_id, act.at)
            await record(connection, act)

    async def readings(self, event: str) -> int:
        """Count how often the event has been processed so far."""
        return await self._database.number("dead_event_readings", event)

    async def discard(self, kind: Kind, ids: Sequence[str], act: Act) -> list[str]:
        """Discard dead letters and record the admin's act.

        Return the ids of dead letters that had not been discarded before.
        """
        async with self._database.transaction() as connection:
            by, reason = act.actor_id, act.reason
            query = QUERIES["dead_letters_discard"]
            rows = await connection.fetch(query, kind, list(ids), by, reason, act.at)
            done = [str(row["id"]) for row in rows]
            if done:
                await record(connection, attrs.evolve(act, details={"ids": done}))
        return done
