"""What the settings' page lists of keys and of what Stripe told us."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import attrs

from sql.database import Database


@attrs.frozen
class ListedKey:
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
class ListedStripeEvent:
    """An event of Stripe's, and what became of it."""

    id: str
    type: str
    object: str
    outcome: str
    received_at: datetime


@attrs.frozen
class ListedEndpoint:
    """An endpoint, and whose it is; ``failing_since`` and ``disabled_at`` as in ``EndpointRow``."""

    id: UUID
    user_id: UUID
    email: str
    url: str = attrs.field(repr=False)
    types: Sequence[str]
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime

    @property
    def shown(self) -> str:
        """Its address without what may be a secret of its owner's: the query, and who signs in."""
        parts = urlsplit(self.url)
        masked = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
        return urlunsplit(masked) + ("?…" if parts.query else "")

    @property
    def state(self) -> str:
        """In a word that sorts."""
        if self.disabled_at is not None:
            return "told no more"
        return "told" if self.failing_since is None else "failing"


class SettingsViews:
    """Reads; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keys(self, search: str, limit: int, offset: int) -> Sequence[ListedKey]:
        """Everybody's keys, the newest first; ``search``: a part of the name or of the e-mail."""
        rows = await self._database.all("settings_keys", search, limit, offset)
        return [ListedKey(**row) for row in rows]

    async def endpoints(self, search: str, limit: int) -> Sequence[ListedEndpoint]:
        """Everybody's, the newest first; ``search``: a part of the address or of the e-mail."""
        rows = await self._database.all("settings_endpoints", search, limit)
        return [ListedEndpoint(**row) for row in rows]

    async def events(self, search: str, limit: int, offset: int) -> Sequence[ListedStripeEvent]:
        """What Stripe told us, the newest first; ``search``: a part of any of its words."""
        rows = await self._database.all("settings_events", search, limit, offset)
        return [ListedStripeEvent(**row) for row in rows]
