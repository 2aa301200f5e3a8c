"""What admins did: the change and its record are one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from sql.database import Connection, Database
from sql.query_loader import QUERIES


@attrs.frozen
class Act:
    """Who did what to whom, and why. ``actor_id`` None: at the console of the gateway's machine."""

    at: datetime
    actor_id: UUID | None
    actor: str
    act: str  # 'user.deactivate', …
    target: str  # 'user:{uuid}', …
    reason: str
    request_id: str = ""
    details: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen
class ActRow(Act):
    number: int = 0


class AuditLog:
    """Each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, before: int | None, target: str | None, limit: int) -> Sequence[ActRow]:
        """What was done, newest first: before the number, to the target, where they are given."""
        rows = await self._database.all("audit_page", before, target, limit)
        return [ActRow(**row) for row in rows]

    async def note(self, act: Act) -> None:
        """Write down what is about to be done where no transaction does it."""
        async with self._database.transaction() as connection:
            await record(connection, act)


async def record(connection: Connection, act: Act) -> None:
    """Write it down, in the transaction that did it."""
    await connection.execute(
        QUERIES["audit_insert"],
        *(act.at, act.actor_id, act.actor, act.act, act.target, act.reason),
        *(act.request_id, dict(act.details)),
    )
