"""Records of admins' actions, each written in the transaction of its change, or before it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from sql.database import Connection, Table
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
    """An action in the log. ``email``: the present address of a target that is a user."""

    number: int = 0
    email: str | None = None


class AuditLog(Table):
    async def page(self, before: int | None, target: str | None, limit: int) -> Sequence[ActRow]:
        """Return actions, newest first; if given, only those with numbers below ``before``, or on a
        ``target``.
        """
        return await self._database.rows(ActRow, "audit_page", before, target, limit)

    async def note(self, act: Act) -> None:
        """Record an action in a separate transaction, before the action is carried out."""
        async with self._database.transaction() as connection:
            await record(connection, act)


async def record(connection: Connection, act: Act) -> None:
    """Record an action in the transaction of its change."""
    await connection.execute(
        QUERIES["audit_insert"],
        *(act.at, act.actor_id, act.actor, act.act, act.target, act.reason),
        *(act.request_id, dict(act.details)),
    )
