"""Rows of invitations to open an account: the SHA-256 of each token, its address and its expiry."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.audit_log import Act, record
from sql.database import Table
from sql.login_sessions import TokenFamily
from sql.query_loader import QUERIES
from sql.users import NewUser, UserRow, insert_user

OPEN_MAX: Final = 1_000  # open invitations of an installation


@attrs.frozen
class NewInvitation:
    """An invitation to insert. ``email`` None: anybody who has the token may use it."""

    id: UUID
    sha256: bytes = attrs.field(repr=False)
    email: str | None
    expires_at: datetime


@attrs.frozen
class InvitationRow:
    """An open invitation. ``created_by``: its admin, as in the audit log."""

    id: UUID
    email: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime


class NotInvited(Exception):
    """The invitation was never made, was used, has expired, was revoked, or is for another address.

    Which of these it is remains secret, so that nobody can find out tokens by guessing.
    """


class Invitations(Table):
    async def insert(self, new: NewInvitation, act: Act) -> InvitationRow | None:
        """Insert an invitation, with an audit record; None if there are too many open ones."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["invitations_lock"])
            row = await connection.fetchrow(
                QUERIES["invitation_insert"],
                *(new.id, new.sha256, new.email, act.at, act.actor, new.expires_at),
                *(OPEN_MAX, act.actor_id),
            )
            if row is None:
                return None
            await record(connection, act)
        return InvitationRow(**row)

    async def is_open(self, sha256: bytes, email: str, now: datetime) -> bool:
        """Return True if an account with this address may be opened with the invitation."""
        return await self._database.one("invitation_is_open", sha256, email, now) is not None

    async def use(
        self, sha256: bytes, user: NewUser, family: TokenFamily, now: datetime
    ) -> UserRow | None:
        """Insert a user with an open login, and use up the invitation; of several uses at once, one
        succeeds.

        Return None if the e-mail is taken; the invitation then stays open. Raises NotInvited.
        """
        async with self._database.transaction() as connection:
            found = await connection.fetchrow(QUERIES["invitation_lock"], sha256, user.email, now)
            if found is None:
                raise NotInvited
            row = await insert_user(connection, user, family, now)
            if row is None:
                return None
            await connection.execute(QUERIES["invitation_use"], found["id"], now, user.id)
        return row

    async def page(self, now: datetime, limit: int, offset: int) -> Sequence[InvitationRow]:
        """Return a page of open invitations, newest first."""
        return await self._database.rows(InvitationRow, "invitation_page", now, limit, offset)

    async def count(self, now: datetime) -> int:
        return await self._database.number("invitation_count", now)

    async def revoke(self, id_: UUID, act: Act) -> bool:
        """Revoke an open invitation; False if it was used or revoked before, or is unknown."""
        async with self._database.transaction() as connection:
            if await connection.fetchrow(QUERIES["invitation_revoke"], id_, act.at) is None:
                return False
            await record(connection, act)
        return True

    async def purge(self, before: datetime) -> None:
        """Delete invitations that expired before ``before``, used ones too."""
        await self._database.execute("invitation_purge", before)
