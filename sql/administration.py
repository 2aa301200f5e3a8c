"""Changes to users: by admins, with an audit record, and of passwords by the users themselves."""

from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from sql.audit import Act, record
from sql.database import Connection, Database
from sql.query_loader import QUERIES
from sql.users import NewUser, UserRow


@attrs.frozen
class EndedLogins:
    """A user after a change, and the logins that it ended."""

    user: UserRow
    sessions: frozenset[UUID] = frozenset()


class Administration:
    """Each method raises ``sql.database.Unavailable``; it is then unknown whether it happened.

    None always means that there is no such user, or that it has changed in the meantime.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, user: NewUser, act: Act) -> UserRow | None:
        """Create a user with a role; None if the e-mail address is taken."""
        values = (user.id, user.email, user.name, user.password_hash, user.role)
        created = await self._changed("user_create", values, act)
        return None if created is None else created.user

    async def set_active(self, user: UUID, act: Act, *, active: bool) -> EndedLogins | None:
        """Activate or deactivate a user; deactivation ends all logins and suspends the API keys."""
        return await self._changed("user_set_active", (user, active), act)

    async def set_role(self, user: UUID, role: str, act: Act) -> EndedLogins | None:
        """Set the role of a user, who must log in again."""
        return await self._changed("user_set_role", (user, role), act)

    async def set_password(self, user: UUID, password_hash: str, act: Act) -> EndedLogins | None:
        """Set the password of a user; all logins end."""
        async with self._database.transaction() as connection:
            ended = await _password(connection, (user, None, password_hash), None, act.at)
            if ended is not None:
                await record(connection, act)
        return ended

    async def change_password(
        self, user: UUID, old_hash: str, new_hash: str, keep: UUID, now: datetime
    ) -> EndedLogins | None:
        """Change one's own password after proof of the old one; all logins but ``keep`` end."""
        async with self._database.transaction() as connection:
            return await _password(connection, (user, old_hash, new_hash), keep, now)

    async def end_session(self, user: UUID, sid: UUID, act: Act) -> bool:
        """End one login of a user; False: it had ended, or is another user's."""
        return await self._ended("session_end", (sid, user, act.at), act)

    async def revoke_key(self, user: UUID, key: UUID, act: Act) -> bool:
        """Revoke one API key of a user; False: it was revoked, or is another user's."""
        return await self._ended("api_key_revoke", (key, user, act.at), act)

    async def _ended(self, query: str, values: tuple[Any, ...], act: Act) -> bool:
        async with self._database.transaction() as connection:
            if await connection.fetchrow(QUERIES[query], *values) is None:
                return False
            await record(connection, act)
        return True

    async def _changed(self, query: str, values: tuple[Any, ...], act: Act) -> EndedLogins | None:
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(QUERIES[query], *values)
            if row is None:
                return None
            await record(connection, act)
            sids = await connection.fetch(QUERIES["session_ended_now"], values[0])
        return EndedLogins(UserRow(**row), frozenset(found["sid"] for found in sids))


async def _password(
    connection: Connection, values: tuple[UUID, str | None, str], keep: UUID | None, now: datetime
) -> EndedLogins | None:
    # The user's row is locked first, so a login with the old password is ended below or refused.
    row = await connection.fetchrow(QUERIES["user_set_password"], *values)
    if row is None:
        return None
    sids = await connection.fetch(QUERIES["session_end_all"], values[0], keep, now)
    return EndedLogins(UserRow(**row), frozenset(found["sid"] for found in sids))
