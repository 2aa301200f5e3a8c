"""Records of admins' actions, each written in the transaction of its change."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from sql.database import Connection, Database
from sql.query_loader import QUERIES


@attrs.frozen
class Act:
    """An action with its actor, target and reason.

    ``actor_id`` is None for actions on the gateway's machine.
    """

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
    """Each method raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, before: int | None, target: str | None, limit: int) -> Sequence[ActRow]:
        """Return actions, newest first; optionally only those before a number, or on a target."""
        rows = await self._database.all("audit_page", before, target, limit)
        return [ActRow(**row) for row in rows]

    async def note(self, act: Act) -> None:
        """Record an action in a separate transaction, before it is done."""
        async with self._database.transaction() as connection:
            await record(connection, act)


async def record(connection: Connection, act: Act) -> None:
    """Record an action in the transaction of its change."""
    await connection.execute(
        QUERIES["audit_insert"],
        *(act.at, act.actor_id, act.actor, act.act, act.target, act.reason),
        *(act.request_id, dict(act.details)),
    )
