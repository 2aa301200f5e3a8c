"""Lists on the console's settings page: API keys, endpoints and Stripe events."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import attrs

from sql.database import Table
from sql.purchases import StripeEventRow


@attrs.frozen
class ListedKey:
    """An API key that is not revoked, and its owner."""

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
class ListedEndpoint:
    """An endpoint and its owner; ``failing_since`` and ``disabled_at`` as in ``EndpointRow``."""

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
        """The URL without credentials and query, which may contain secrets of its owner."""
        parts = urlsplit(self.url)
        masked = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
        return urlunsplit(masked) + ("?…" if parts.query else "")

    @property
    def state(self) -> str:
        """The state as one sortable word."""
        if self.disabled_at is not None:
            return "off"
        return "healthy" if self.failing_since is None else "failing"


class SettingsViews(Table):
    async def keys(self, search: str, limit: int, offset: int) -> Sequence[ListedKey]:
        """Return the keys of all users, newest first; ``search``: part of the name or e-mail."""
        return await self._database.rows(ListedKey, "settings_keys", search, limit, offset)

    async def endpoints(self, search: str, limit: int) -> Sequence[ListedEndpoint]:
        """Return the endpoints of all users, newest first.

        ``search``: part of the URL as ``ListedEndpoint.shown`` shows it, or of the e-mail.
        """
        return await self._database.rows(ListedEndpoint, "settings_endpoints", search, limit)

    async def events(self, search: str, limit: int, offset: int) -> Sequence[StripeEventRow]:
        """Return the Stripe events, newest first; ``search``: part of any column."""
        return await self._database.rows(StripeEventRow, "settings_events", search, limit, offset)
