"""Forgotten passwords: the tokens in the database, and their use."""

from datetime import datetime
from uuid import UUID

import attrs

from sql.audit_log import Act, record
from sql.database import Connection, Table
from sql.link_tokens import LinkToken
from sql.mails import ASKED_MAX, HOUR, LINKS_AN_HOUR, MailKind, NewMail, insert_mail
from sql.query_loader import QUERIES
from sql.users import EndedLogins, MailQueueFull, UserRow, replace_password


class ResetTokenInvalid(Exception):
    """The token was never made, was used, or has expired, or its user is not active."""


class TooManyLinks(Exception):
    """The user got as many links by mail as allowed in an hour."""


class PasswordResets(Table):
    async def insert(self, user: UUID, token: LinkToken, act: Act) -> UserRow | None:
        """Insert a token that an admin asks for, with an audit record.

        None if no active user has this id.
        """
        async with self._database.transaction() as connection:
            if await connection.fetchrow(QUERIES["mail_user_lock"], user) is None:
                return None
            given = token.sha256, user, token.expires_at, act.at, False, act.actor_id
            await connection.execute(QUERIES["password_reset_insert"], *given)
            await record(connection, act)
            row = await connection.fetchrow(QUERIES["user_by_id"], user)
        return None if row is None else UserRow(**row)

    async def mail(self, user: UUID, mail: UUID, act: Act) -> UserRow | None:
        """Write a mail with a link that an admin asks for, with an audit record.

        None if no active user has this id. Raises TooManyLinks and MailQueueFull.
        """
        async with self._database.transaction() as connection:
            if await connection.fetchrow(QUERIES["mail_user_lock"], user) is None:
                return None
            found = await connection.fetchrow(QUERIES["user_by_id"], user)
            assert found is not None, "the row is locked"
            row = UserRow(**found)
            since = act.at - HOUR
            sent = await connection.fetchrow(QUERIES["mails_lately"], user, MailKind.RESET, since)
            assert sent is not None, "an aggregate has one row"
            if sent["count"] >= LINKS_AN_HOUR:
                raise TooManyLinks
            asked = mail, row.email, act.at, ASKED_MAX
            if await connection.fetchrow(QUERIES["mail_request"], *asked) is None:
                raise MailQueueFull
            await record(connection, act)
        return row

    async def is_valid(self, sha256: bytes, now: datetime) -> bool:
        """Return True if the token can be used now."""
        return await self._database.one("password_reset_user", sha256, now) is not None

    async def use(
        self, sha256: bytes, password_hash: str, now: datetime, notice: UUID | None
    ) -> EndedLogins:
        """Set the password of the token's user; all their logins and all their tokens end.

        Of several uses at once, one succeeds. ``notice``: the id of the mail that tells the user;
        None: no mail is sent. A token that came by mail also verifies the address; what somebody
        else may have added before that ends. Raises ResetTokenInvalid.
        """
        async with self._database.transaction() as connection:
            found = await connection.fetchrow(QUERIES["password_reset_user"], sha256, now)
            if found is None:
                raise ResetTokenInvalid
            user: UUID = found["user_id"]
            # The second of two uses waits here, and then finds no token.
            await connection.fetchrow(QUERIES["mail_user_lock"], user)
            used = await connection.fetch(QUERIES["password_reset_use"], user, sha256, now)
            ended = await replace_password(connection, (user, None, password_hash), None, now)
            if not used or ended is None or not ended.user.is_active:
                raise ResetTokenInvalid
            if any(row["mailed"] for row in used if row["sha256"] == sha256):
                ended = attrs.evolve(ended, keys=await _proved(connection, user, now))
            if notice is not None:
                await insert_mail(connection, NewMail(notice, MailKind.CHANGED, user), now)
        return ended


async def _proved(connection: Connection, user: UUID, now: datetime) -> frozenset[UUID]:
    """Verify the address of a user; return the API keys that this revokes.

    Whoever registered with somebody else's address may have linked their own identity and made
    keys. So identities from before the verification are unlinked, and the first one revokes all
    keys.
    """
    keys = frozenset[UUID]()
    if await connection.fetchrow(QUERIES["user_verify"], user, now) is not None:
        rows = await connection.fetch(QUERIES["api_keys_revoke"], user, now)
        keys = frozenset(row["id"] for row in rows)
    if await connection.fetch(QUERIES["identities_unverified_unlink"], user):
        await connection.execute(QUERIES["mail_about_security"], user, MailKind.IDENTITY_UNLINKED)
    return keys
