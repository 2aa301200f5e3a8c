"""Rows of logins. A login is a family of refresh tokens, one of which is valid at a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import attrs

from sql.database import Table
from sql.query_loader import QUERIES

# A refresh token that is presented again this soon after its exchange indicates a lost answer or a
# race, not theft.
GRACE: Final = timedelta(seconds=10)


@attrs.frozen
class TokenFamily:
    """All tokens of one login; ``jti``: the currently valid refresh token."""

    sid: UUID
    jti: UUID
    expires_at: datetime
    client: str = ""  # the User-Agent at login


@attrs.frozen
class LoginState:
    """The user's state when the password was checked; if it has changed, the login is refused.

    ``with_factor``: the user has also given a second factor; ``factor_at``: when, if it was not
    just now. ``factor_excused``: none is asked for.
    ``by_identity``: the user signed in at a provider just now, instead of with the password.
    ``given_role``: the role that the ``provider`` of this id gives them at the end of the sign-in,
    in place of ``role``; '' if it changes nothing.
    """

    user: UUID
    password_hash: str = attrs.field(repr=False)
    role: str
    with_factor: bool = False
    factor_excused: bool = False
    by_identity: bool = False
    provider: str = ""
    given_role: str = ""
    factor_at: datetime | None = None

    @property
    def provided(self) -> tuple[bool, str, str]:
        """Return what a provider said of the user."""
        return self.by_identity, self.provider, self.given_role

    def login(self, family: TokenFamily, now: datetime) -> tuple[Any, ...]:
        """Return the arguments of the query ``session_open``."""
        return (
            *(family.sid, self.user, family.jti, family.expires_at, family.client, now),
            *(self.password_hash, self.role, self.with_factor),
            *(self.factor_excused, self.by_identity, self.factor_at),
        )


@attrs.frozen
class SessionRow:
    """A login. ``rotated_at``: the time of the last refresh, initially of the login itself."""

    sid: UUID
    client: str
    created_at: datetime
    rotated_at: datetime
    expires_at: datetime


class Sessions(Table):
    async def open(self, checked: LoginState, family: TokenFamily, now: datetime) -> bool:
        """Insert a login; False if the user was deactivated or changed since the password was
        checked, or has had a first factor since.
        """
        async with self._database.transaction() as connection:
            # A separate statement: the next one sees what was committed while this one waited.
            await connection.fetchrow(QUERIES["session_user_lock"], checked.user)
            row = await connection.fetchrow(QUERIES["session_open"], *checked.login(family, now))
        return row is not None

    async def factor_given(self, sid: UUID, user: UUID, now: datetime) -> bool:
        """Record that the user gave a second factor in a login; False if the login has ended."""
        return await self._database.one("session_factor_given", sid, user, now) is not None

    async def factor_at(self, sid: UUID, user: UUID, now: datetime) -> datetime | None:
        """Return when the user last gave a second factor in an open login; None if never."""
        row = await self._database.one("session_factor", sid, user, now)
        return None if row is None else row["factor_at"]

    async def identity_given(self, sid: UUID, user: UUID, now: datetime) -> bool:
        """Record that the user signed in at a provider in a login; False if the login has ended."""
        return await self._database.one("session_identity_given", sid, user, now) is not None

    async def identity_at(self, sid: UUID, user: UUID, now: datetime) -> datetime | None:
        """Return when the user last signed in at a provider in an open login; None if never."""
        row = await self._database.one("session_identity", sid, user, now)
        return None if row is None else row["identity_at"]

    async def rotate(self, family: TokenFamily, spent: UUID, now: datetime) -> bool:
        """Exchange the refresh token ``spent`` for ``family.jti``.

        Of several calls at once, only one returns True. Return False also if the family has ended
        or the user is not active.
        """
        row = await self._database.one(
            "session_rotate",
            *(family.sid, spent, family.jti, family.expires_at, now, GRACE),
        )
        return row is not None

    async def reused(self, sid: UUID, jti: UUID, now: datetime) -> bool:
        """After a failed rotation: return True if the token is an old one, and end its family.

        A token that was exchanged within ``GRACE`` does not count as old.
        """
        row = await self._database.one("session_reused", sid, jti, now, GRACE)
        return row is not None

    async def touch(self, sid: UUID, user: UUID, now: datetime, until: datetime) -> str | None:
        """Extend a login that is in use; return the user's role, or None if the login has ended."""
        row = await self._database.one("session_touch", sid, user, now, until)
        return None if row is None else row["role"]

    async def page(
        self, user: UUID, now: datetime, limit: int, offset: int
    ) -> Sequence[SessionRow]:
        """Return a page of a user's open logins, most recently used first."""
        return await self._database.rows(SessionRow, "session_page", user, now, limit, offset)

    async def count(self, user: UUID, now: datetime) -> int:
        """Count a user's open logins."""
        return await self._database.number("session_count", user, now)

    async def end(self, sid: UUID, user: UUID, now: datetime) -> bool:
        """End a login of this user; False if the login had ended, or belongs to another user."""
        return await self._database.one("session_end", sid, user, now) is not None

    async def end_others(self, user: UUID, keep: UUID, now: datetime) -> frozenset[UUID]:
        """End all logins of this user but ``keep``; return those that had not been ended before.

        Logins by a code that the user has confirmed end, too.
        """
        rows = await self._database.all("session_end_all", user, keep, now)
        return frozenset(row["sid"] for row in rows)

    async def purge(self, before: datetime) -> None:
        """Delete logins, logins that wait for a factor, a provider or a code, challenges of
        passkeys, and unconfirmed secrets of apps, that expired before ``before``.
        """
        await self._database.execute("session_purge", before)
        await self._database.execute("pending_sign_ins_purge", before)
        await self._database.execute("passkey_challenges_purge", before)
        await self._database.execute("app_setups_purge", before)
        await self._database.execute("provider_sign_ins_purge", before)
        await self._database.execute("device_logins_purge", before)
