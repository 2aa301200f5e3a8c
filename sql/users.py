"""Users: their rows, the console's list of them, and changes of them with an audit record; and the
verification of their addresses.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final
from uuid import UUID

import attrs

from sql.audit_log import Act, record
from sql.database import Connection, Table
from sql.link_tokens import LinkToken
from sql.login_sessions import TokenFamily
from sql.mails import MailKind, NewMail, insert_mail, use_token
from sql.query_loader import QUERIES

ADMIN: Final = "admin"
SORTED_MOST: Final = 5_000  # only so many newest users are sorted; a search finds older ones


@attrs.frozen
class UserRow:
    """A user.

    ``has_nodes``: the user owns or owned a node. ``verified_at``: when they proved that mail to
    their address reaches them. ``mails_off``: the kinds of mail that they switched off.
    ``has_password``: False if they only sign in at a provider. ``invoice_to``: the lines of their
    name and address on invoices. ``deleted_at``: when they deleted
    their account. These are only set when the user is read by id.
    """

    id: UUID
    email: str
    name: str
    is_active: bool
    role: str
    created_at: datetime
    password_hash: str | None = attrs.field(default=None, repr=False)
    has_nodes: bool = False
    verified_at: datetime | None = None
    mails_off: Sequence[str] = ()
    deleted_at: datetime | None = None
    has_password: bool = True
    invoice_to: str = ""


@attrs.frozen
class NewUser:
    """A user to be created.

    ``role`` counts if an admin creates the user; otherwise it is ``user``. ``verification``: the id
    of the mail with which the user verifies their address; None: no mail is sent.
    """

    id: UUID
    email: str
    name: str
    password_hash: str = attrs.field(repr=False)
    role: str = "user"
    verification: UUID | None = None


class NotCreated(Enum):
    """The reason why a first admin was not created."""

    ADMIN_EXISTS = auto()
    EMAIL_TAKEN = auto()


class Users(Table):
    async def insert(self, user: NewUser, family: TokenFamily, now: datetime) -> UserRow | None:
        """Insert a user with an open login; None if the e-mail is taken."""
        async with self._database.transaction() as connection:
            return await insert_user(connection, user, family, now)

    async def by_email(self, email: str) -> UserRow | None:
        """Return the user with this address, with the password hash."""
        return await self._database.row(UserRow, "user_by_email", email)

    async def by_id(self, user: UUID) -> UserRow | None:
        """Return one user, with the password hash."""
        return await self._database.row(UserRow, "user_by_id", user)

    async def set_mails_off(self, user: UUID, kinds: Sequence[str]) -> None:
        """Set the kinds of mail that a user does not want."""
        await self._database.execute("user_set_mails", user, list(kinds))

    async def set_invoice_to(self, user: UUID, lines: str) -> None:
        """Set the buyer's name and address on invoices that are issued from now on."""
        await self._database.execute("user_set_invoice_to", user, lines)

    async def page(self, search: str, after: UUID | None, limit: int) -> Sequence[UserRow]:
        """Return users whose address or name contains ``search``, newest first, after ``after``."""
        return await self._database.rows(UserRow, "user_page", search, after, limit)

    async def count(self, search: str) -> int:
        """Count the users whose address or name contains ``search``."""
        return await self._database.number("user_count", search)


@attrs.frozen
class ListedUser:
    """A row of a list; ``held`` is part of ``balance``."""

    id: UUID
    email: str
    name: str
    role: str
    is_active: bool
    created_at: datetime
    balance: int
    held: int


class UserViews(Table):
    async def page(self, search: str, sort: str, limit: int, offset: int) -> Sequence[ListedUser]:
        """Return users whose e-mail or name contains ``search``; '-' in ``sort``: descending."""
        most = offset + limit if sort == "-created" else SORTED_MOST
        return await self._database.rows(
            ListedUser, "user_view_page", search, most, sort, limit, offset
        )


class LastAdmin(Exception):
    """The farm would have no active admin left."""


class MailQueueFull(Exception):
    """Too many mails wait to be sent, so another one was not written."""


@attrs.frozen
class EndedLogins:
    """A user after a change, and the logins and API keys that the change ended."""

    user: UserRow
    sessions: frozenset[UUID] = frozenset()
    keys: frozenset[UUID] = frozenset()


class Administration(Table):
    """Changes of users by admins, and of a user's password by themselves.

    Methods raise ``sql.database.Unavailable``; it is then unknown whether the change was made.
    Where a method does not say what None means, there is no such user, or the user has changed in
    the meantime.
    """

    async def create(
        self, user: NewUser, act: Act, *, link: LinkToken | None = None, mail: UUID | None = None
    ) -> UserRow | None:
        """Create a user with a role; None if the e-mail address is taken.

        ``link``: a token with which the user chooses a password; ``mail``: the id of a mail that
        has such a link. Raises MailQueueFull.
        """
        values = (user.id, user.email, user.name, user.password_hash, user.role)
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(QUERIES["user_create"], *values)
            if row is None:
                return None
            await record(connection, act)
            if link is not None:
                given = link.sha256, user.id, link.expires_at, act.at, False, act.actor_id
                await connection.execute(QUERIES["password_reset_insert"], *given)
            if mail is not None:
                new = NewMail(mail, MailKind.CREATED, user.id)
                if not await insert_mail(connection, new, act.at):
                    raise MailQueueFull
        return UserRow(**row)

    async def has_admin(self) -> bool:
        """Return True if there is an admin."""
        row = await self._database.one("user_admin_exists")
        return row is not None and bool(row["found"])

    async def create_first_admin(self, user: NewUser, act: Act) -> UserRow | NotCreated:
        """Create an admin, unless there is one. Of two calls at once, one creates its admin."""
        values = (user.id, user.email, user.name, user.password_hash, user.role)
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["user_admins_lock"])
            # A separate statement: it sees what was committed while the lock was waited for.
            if await connection.fetchval(QUERIES["user_admin_exists"]):
                return NotCreated.ADMIN_EXISTS
            row = await connection.fetchrow(QUERIES["user_create"], *values)
            if row is None:
                return NotCreated.EMAIL_TAKEN
            await record(connection, act)
        return UserRow(**row)

    async def set_active(self, user: UUID, act: Act, *, active: bool) -> EndedLogins | None:
        """Activate or deactivate a user; deactivation ends all logins and suspends the API keys.

        Raises LastAdmin.
        """
        return await self._changed("user_set_active", (user, active), act, is_loss=not active)

    async def set_role(self, user: UUID, role: str, act: Act) -> EndedLogins | None:
        """Set the role of a user, who must log in again. Raises LastAdmin."""
        return await self._changed("user_set_role", (user, role), act, is_loss=role != ADMIN)

    async def set_password(self, user: UUID, password_hash: str, act: Act) -> EndedLogins | None:
        """Set the password of a user, and write a mail that tells them; all logins end."""
        async with self._database.transaction() as connection:
            ended = await replace_password(connection, (user, None, password_hash), None, act.at)
            if ended is not None:
                await record(connection, act)
                await connection.execute(QUERIES["mail_password_set"], user)
        return ended

    async def change_password(
        self,
        user: UUID,
        old_hash: str,
        new_hash: str,
        keep: UUID,
        now: datetime,
        *,
        notice: UUID | None = None,
    ) -> EndedLogins | None:
        """Change the user's own password, given the old hash; all logins but ``keep`` end.

        ``notice``: the id of the mail that tells the user; None: no mail is sent.
        """
        async with self._database.transaction() as connection:
            ended = await replace_password(connection, (user, old_hash, new_hash), keep, now)
            if ended is not None and notice is not None:
                await insert_mail(connection, NewMail(notice, MailKind.CHANGED, user), now)
        return ended

    async def end_session(self, user: UUID, sid: UUID, act: Act) -> bool:
        """End one login of a user; False if the login had ended, or belongs to another user."""
        return await self._ended("session_end", (sid, user, act.at), act)

    async def revoke_key(self, user: UUID, key: UUID, act: Act) -> bool:
        """Revoke one API key of a user; False if the key was revoked before, or belongs to another
        user.
        """
        return await self._ended("api_key_revoke", (key, user, act.at), act)

    async def _ended(self, query: str, values: tuple[Any, ...], act: Act) -> bool:
        async with self._database.transaction() as connection:
            if await connection.fetchrow(QUERIES[query], *values) is None:
                return False
            await record(connection, act)
        return True

    async def _changed(
        self, query: str, values: tuple[Any, ...], act: Act, *, is_loss: bool
    ) -> EndedLogins | None:
        """Change a user. ``is_loss``: they are no active admin afterwards."""
        async with self._database.transaction() as connection:
            if is_loss:
                # The role stays as it is from here on. Of two admins who deactivate each other at
                # once, the second waits for the second lock, and is refused.
                await connection.execute(QUERIES["user_lock"], values[0])
                await connection.execute(QUERIES["account_admins_lock"], values[0])
                if await connection.fetchrow(QUERIES["user_is_last_admin"], values[0]):
                    raise LastAdmin
            row = await connection.fetchrow(QUERIES[query], *values)
            if row is None:
                return None
            await record(connection, act)
            sids = await connection.fetch(QUERIES["session_ended_now"], values[0])
        return EndedLogins(UserRow(**row), frozenset(found["sid"] for found in sids))


class AddressVerifications(Table):
    async def use(self, sha256: bytes, now: datetime) -> UUID | None:
        """Verify the address of a token's user, and return the user; None as for ``use_token``."""
        async with self._database.transaction() as connection:
            user = await use_token(connection, sha256, "verification", now)
            if user is not None:
                await connection.execute(QUERIES["user_verify"], user, now)
        return user


async def insert_user(
    connection: Connection, user: NewUser, family: TokenFamily, now: datetime
) -> UserRow | None:
    """Insert a user with an open login, and the mail that verifies their address; None if the
    e-mail is taken.
    """
    row = await connection.fetchrow(
        QUERIES["user_insert"],
        *(user.id, user.email, user.name, user.password_hash),
        *(family.sid, family.jti, family.expires_at, family.client, now),
    )
    if row is None:
        return None
    if user.verification is not None:
        mail = NewMail(user.verification, MailKind.VERIFY, user.id)
        await insert_mail(connection, mail, now)
    return UserRow(**row)


async def replace_password(
    connection: Connection, values: tuple[UUID, str | None, str], keep: UUID | None, now: datetime
) -> EndedLogins | None:
    """Set a user's password; all logins but ``keep``, and all links for a new password, end.

    ``values``: the user, the old hash or None, and the new hash. Return None if the old hash is
    given and is not the current one.
    """
    # Locks the user's row first, so that a login with the old password is refused, or ended by the
    # query below.
    row = await connection.fetchrow(QUERIES["user_set_password"], *values)
    if row is None:
        return None
    await connection.execute(QUERIES["password_resets_end"], values[0])
    sids = await connection.fetch(QUERIES["session_end_all"], values[0], keep, now)
    return EndedLogins(UserRow(**row), frozenset(found["sid"] for found in sids))
