"""What the settings' page lists of keys and of what Stripe told us."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Database


@attrs.frozen
class KeptKey:
    """An API key that was not revoked, and whose it is."""

    id: UUID
    user_id: UUID
    email: str
    name: str
    hint: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


@attrs.frozen
class ToldEvent:
    """An event of Stripe's, and what became of it."""

    id: str
    type: str
    object: str
    outcome: str
    received_at: datetime


class SettingsDesk:
    """Reads; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keys(self, search: str, limit: int, offset: int) -> Sequence[KeptKey]:
        """Everybody's keys, the newest first; ``search``: a part of the name or of the e-mail."""
        rows = await self._database.all("settings_keys", search, limit, offset)
        return [KeptKey(**row) for row in rows]

    async def events(self, search: str, limit: int, offset: int) -> Sequence[ToldEvent]:
        """What Stripe told us, the newest first; ``search``: a part of any of its words."""
        rows = await self._database.all("settings_events", search, limit, offset)
        return [ToldEvent(**row) for row in rows]
