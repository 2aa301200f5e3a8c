"""Identities of users at providers of OpenID Connect, and sign-ins that wait for a provider."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.audit_log import Act, record
from sql.database import Table
from sql.invitations import NotInvited
from sql.login_sessions import LoginState
from sql.mails import MailKind, NewMail, insert_mail
from sql.query_loader import QUERIES
from sql.second_factors import tell
from sql.users import NewUser


@attrs.frozen
class IdentityKey:
    """An identity: a provider's issuer, and its subject there."""

    issuer: str
    subject: str


@attrs.frozen
class NewIdentity:
    """An identity to link. ``email``: the address that the provider tells, or ''."""

    key: IdentityKey
    id: UUID
    email: str
    at: datetime


@attrs.frozen
class IdentityUser:
    """The user of an identity, as at sign-in."""

    user: UUID
    password_hash: str = attrs.field(repr=False)
    role: str
    is_active: bool

    def checked(self, *, is_fresh: bool) -> LoginState:
        """Return the user's state for a login.

        ``is_fresh``: the user signed in at the provider just now.
        """
        return LoginState(self.user, self.password_hash, self.role, by_identity=is_fresh)


@attrs.frozen
class IdentityRow:
    """An identity in the list of its user."""

    id: UUID
    issuer: str
    email: str
    created_at: datetime
    used_at: datetime


@attrs.frozen
class ProviderSignInRow:
    """A sign-in that waits for a provider. ``purpose``: 'sign-in', 'link' or 'confirm'.

    ``user_id`` and ``session``: who links an identity, or signs in again. ``invitation_sha256``:
    the invitation with which an account may be opened.
    """

    issuer: str
    purpose: str
    redirect_uri: str
    next: str
    expires_at: datetime
    user_id: UUID | None = None
    session: UUID | None = None
    invitation_sha256: bytes | None = attrs.field(default=None, repr=False)


class IdentityTaken(Exception):
    """The identity was linked to a user in the meantime."""


class LastIdentity(Exception):
    """Without the identity, the user could not sign in."""


class Identities(Table):
    async def use(self, key: IdentityKey, email: str, now: datetime) -> IdentityUser | None:
        """Return the user of an identity, and note its use; None if it is not linked."""
        values = key.issuer, key.subject, now, email
        return await self._database.row(IdentityUser, "identity_use", *values)

    async def open_account(
        self, new: NewIdentity, user: NewUser, invitation: bytes | None, *, verified: bool
    ) -> bool:
        """Insert a user without a password, whose identity it is; False if the e-mail is taken.

        ``invitation``: the hash of an invitation to use up. ``verified``: the provider vouches for
        the address. Raises NotInvited, or IdentityTaken; nothing is inserted then.
        """
        async with self._database.transaction() as connection:
            found = None
            if invitation is not None:
                query = QUERIES["invitation_lock"]
                found = await connection.fetchrow(query, invitation, user.email, new.at)
                if found is None:
                    raise NotInvited
            named = user.id, user.email, user.name, user.password_hash
            at = new.at if verified else None
            if await connection.fetchrow(QUERIES["identity_account"], *named, at) is None:
                return False
            values = new.key.issuer, new.key.subject, new.id, user.id, new.email, new.at, None
            if await connection.fetchrow(QUERIES["identity_insert"], *values) is None:
                raise IdentityTaken
            if found is not None:
                await connection.execute(QUERIES["invitation_use"], found["id"], new.at, user.id)
            if user.verification is not None and not verified:
                mail = NewMail(user.verification, MailKind.VERIFY, user.id)
                await insert_mail(connection, mail, new.at)
        return True

    async def set_role(
        self, user: UUID, role: str, before: str, act: Act
    ) -> frozenset[UUID] | None:
        """Set a user's role as their provider's groups say, with an audit record.

        Return the sessions that ended. None if the role is no longer ``before``, or is that of the
        last admin; of two admins at once, one stays.
        """
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["user_lock"], user)
            await connection.execute(QUERIES["account_admins_lock"], user)
            row = await connection.fetchrow(QUERIES["identity_role"], user, role, before)
            if row is None:
                return None
            await record(connection, act)
            sids = await connection.fetch(QUERIES["session_ended_now"], user)
        return frozenset(found["sid"] for found in sids)

    async def of(self, user: UUID) -> Sequence[IdentityRow]:
        """Return the identities of a user."""
        return await self._database.rows(IdentityRow, "identities_of", user)

    async def link(self, new: NewIdentity, user: UUID, session: UUID) -> bool:
        """Link an identity to a user in their session, and write a mail.

        Return False if it is linked to a user already, or this one is not active, or the session
        has ended.
        """
        values = new.key.issuer, new.key.subject, new.id, user, new.email, new.at, session
        async with self._database.transaction() as connection:
            # A link for a new password, which ends the session, is waited for.
            await connection.fetchrow(QUERIES["user_lock"], user)
            if await connection.fetchrow(QUERIES["identity_insert"], *values) is None:
                return False
            await tell(connection, user, MailKind.IDENTITY_LINKED)
        return True

    async def owner(self, key: IdentityKey) -> UUID | None:
        """Return the user to whom an identity is linked."""
        row = await self._database.one("identity_owner", key.issuer, key.subject)
        return None if row is None else row["user_id"]

    async def unlink(self, user: UUID, identity: UUID, issuers: Sequence[str]) -> bool:
        """Unlink an identity of a user; False if there is none.

        ``issuers``: those of the settings. Raises LastIdentity.
        """
        async with self._database.transaction() as connection:
            # Of two identities at once, the second one sees that the first one is gone.
            await connection.fetchrow(QUERIES["user_lock"], user)
            found = await connection.fetch(QUERIES["identities_of"], user)
            if identity not in {row["id"] for row in found}:
                return False
            values = user, identity, list(issuers)
            if await connection.fetchrow(QUERIES["identity_unlink"], *values) is None:
                raise LastIdentity
            await tell(connection, user, MailKind.IDENTITY_UNLINKED)
        return True


class ProviderSignIns(Table):
    async def insert(self, sha256: bytes, row: ProviderSignInRow, now: datetime) -> None:
        """Insert a sign-in that waits for a provider, under the hash of its token."""
        await self._database.execute(
            "provider_sign_in_insert",
            *(sha256, row.issuer, row.purpose, row.redirect_uri, row.next),
            *(row.user_id, row.session, row.invitation_sha256, row.expires_at, now),
        )

    async def take(self, sha256: bytes, now: datetime) -> ProviderSignInRow | None:
        """End a sign-in that waits, and return it; None if it has ended.

        Of several calls at once, one returns it.
        """
        row = await self._database.row(ProviderSignInRow, "provider_sign_in_take", sha256)
        return None if row is None or row.expires_at <= now else row
