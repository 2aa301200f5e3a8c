"""Rows of share links: public links to verified pictures, made by their creators."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs

from sql.database import Table
from sql.link_tokens import LinkKind
from sql.query_loader import QUERIES

PAGE: Final = "/console/shared"
DAYS_MAX: Final = 90


def share_kind(days: int) -> LinkKind:
    """Return the kind of the tokens of links that live so long."""
    return LinkKind("rts_", PAGE, timedelta(days=days))


def share_link_of(address: str, token: str) -> str:
    """Return the address of a shared picture's page.

    The token is in the query, which neither the gateway nor the sample configurations of proxies
    write to a log.
    """
    return f"{address.rstrip('/')}{PAGE}?link={token}"


@attrs.frozen
class NewShareLink:
    """A link to insert."""

    id: UUID
    user_id: UUID
    job_id: UUID
    unit: int
    sha256: bytes = attrs.field(repr=False)
    created_at: datetime
    expires_at: datetime


@attrs.frozen
class ShareLinkRow:
    """A link that has not expired."""

    id: UUID
    job_id: UUID
    job_name: str
    unit: int
    created_at: datetime
    expires_at: datetime


@attrs.frozen
class SharedUnit:
    """The unit that a link shows, and its creator."""

    user_id: UUID
    job_id: UUID
    unit: int
    expires_at: datetime


class ShareLinks(Table):
    async def insert(self, new: NewShareLink, most: int) -> ShareLinkRow | None:
        """Insert a link; None if the user has ``most`` links."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["user_lock"], new.user_id)
            row = await connection.fetchrow(
                QUERIES["share_link_insert"],
                *(new.id, new.user_id, new.job_id, new.unit, new.sha256),
                *(new.created_at, new.expires_at, most),
            )
        return None if row is None else ShareLinkRow(**row)

    async def find(self, sha256: bytes, now: datetime) -> SharedUnit | None:
        """Return what the link with this token shows; None if it is unknown, was revoked or has
        expired, or if its user is not active.
        """
        return await self._database.row(SharedUnit, "share_link_find", sha256, now)

    async def page(
        self, user: UUID, job: UUID | None, now: datetime, limit: int, offset: int
    ) -> Sequence[ShareLinkRow]:
        """Return a page of a user's links, newest first; with ``job``, only those of the job."""
        bounds = (user, job, now, limit, offset)
        return await self._database.rows(ShareLinkRow, "share_link_page", *bounds)

    async def count(self, user: UUID, job: UUID | None, now: datetime) -> int:
        """Count a user's links; with ``job``, only those of the job."""
        return await self._database.number("share_link_count", user, job, now)

    async def revoke(self, id_: UUID, user: UUID) -> bool:
        """Delete a link of this user; False if there is none."""
        return await self._database.one("share_link_revoke", id_, user) is not None

    async def purge(self, now: datetime) -> None:
        """Delete links that have expired."""
        await self._database.execute("share_links_purge", now)
