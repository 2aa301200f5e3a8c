"""Second factors of users, and sign-ins that wait for one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs

from sql.audit_log import Act, record
from sql.database import Connection, Table
from sql.login_sessions import LoginState, TokenFamily
from sql.mails import MailKind
from sql.query_loader import QUERIES

# Bound on guesses of codes: wrong ones of a user within this time, at all gateways together.
FAILURES_MAX: Final = 10
FAILURES_WITHIN: Final = timedelta(hours=1)


class LastFactor(Exception):
    """The factor is the user's last one, and the user needs one."""


@attrs.frozen
class FactorState:
    """The factors of a user. ``app_since``: when an authenticator app was confirmed."""

    app_since: datetime | None
    passkeys: int
    recovery_codes: int

    @property
    def has_factor(self) -> bool:
        """Return True if the user gives a second factor at sign-in."""
        return self.app_since is not None or self.passkeys > 0


@attrs.frozen
class AppSetup:
    """The set-up of an app by a user in one session, or in one sign-in that waits.

    ``holder``: a hash that only this session or sign-in can name. ``session``: None in a sign-in
    that waits.
    """

    user: UUID
    holder: bytes = attrs.field(repr=False)
    session: UUID | None = None


@attrs.frozen
class NewFactor:
    """A factor to add. ``first``: the user had none when this was allowed, by the password.

    ``session``: stays when the first factor ends the others. ``codes``: hashes of recovery codes,
    for a user who has none.
    """

    user: UUID
    session: UUID | None
    first: bool
    codes: Sequence[bytes] = attrs.field(repr=False)
    at: datetime


@attrs.frozen
class AddedFactor:
    """A factor that was added. ``with_codes``: the user now has the recovery codes.

    ``ended``: the user's other sessions, which the first factor ends.
    """

    with_codes: bool
    ended: frozenset[UUID] = frozenset()


@attrs.frozen
class SealedApp:
    """The encrypted secret of an authenticator app, and the step of its newest used code."""

    sealed: bytes = attrs.field(repr=False)
    last_step: int


@attrs.frozen
class UsedStep:
    """A use of an app's code. ``resealed``: the secret to store instead of ``sealed``, which may be
    the same.
    """

    step: int
    sealed: bytes = attrs.field(repr=False)
    resealed: bytes = attrs.field(repr=False)


class SecondFactors(Table):
    async def state(self, user: UUID) -> FactorState:
        """Return the factors of a user."""
        return await self._database.only(FactorState, "factor_state", user)

    async def start_app(self, setup: AppSetup, sealed: bytes, until: datetime) -> bool:
        """Store the secret of an app, to be confirmed by a code; False if the user has an app."""
        values = setup.holder, setup.user, sealed, until
        return await self._database.one("app_setup_start", *values) is not None

    async def unconfirmed(self, setup: AppSetup, now: datetime) -> bytes | None:
        """Return the sealed secret of an app that is not confirmed yet."""
        row = await self._database.one("app_setup", setup.holder, setup.user, now)
        return None if row is None else row["sealed"]

    async def try_code(self, user: UUID, now: datetime) -> SealedApp | None:
        """Count a try of a code before the code is checked, and return the app.

        Return None if there were too many wrong codes, or no app.
        """
        bound = FAILURES_MAX, FAILURES_WITHIN
        return await self._database.row(SealedApp, "authenticator_try", user, now, *bound)

    async def use_step(self, user: UUID, used: UsedStep) -> bool:
        """Use a code; False if the same code or a newer one was used.

        Of several calls at once, one returns True.
        """
        values = used.step, used.sealed, used.resealed
        return await self._database.one("authenticator_use", user, *values) is not None

    async def confirm_app(
        self, new: NewFactor, holder: bytes, used: UsedStep
    ) -> AddedFactor | None:
        """Confirm the app of a set-up by its first code; None if this is no longer possible."""
        async with self._database.transaction() as connection:
            if not await may_add(connection, new):
                return None
            setup = holder, new.user, new.at
            if await connection.fetchrow(QUERIES["app_setup_take"], *setup) is None:
                return None
            app = new.user, used.resealed, used.step, new.at
            if await connection.fetchrow(QUERIES["authenticator_insert"], *app) is None:
                return None
            return await added(connection, new)

    async def remove_app(self, user: UUID, *, needs_one: bool) -> bool:
        """Delete the app of a user; False if there is none.

        Raises LastFactor if it is the last factor and the user ``needs_one``.
        """
        async with self._database.transaction() as connection:
            await connection.fetchrow(QUERIES["factor_user_lock"], user)
            gone = await connection.fetchrow(QUERIES["authenticator_remove"], user)
            await drop_codes(connection, user, needs_one=needs_one)
            if gone is not None:
                await tell(connection, user, MailKind.FACTOR_REMOVED)
        return gone is not None

    async def use_recovery_code(self, user: UUID, sha256: bytes) -> bool:
        """Use a recovery code; False if there is no such code, or it was used."""
        async with self._database.transaction() as connection:
            if await connection.fetchrow(QUERIES["recovery_code_use"], user, sha256) is None:
                return False
            await tell(connection, user, MailKind.CODE_USED)
        return True

    async def replace_codes(self, user: UUID, codes: Sequence[bytes], now: datetime) -> bool:
        """Replace all recovery codes of a user; False if the user has no factor."""
        async with self._database.transaction() as connection:
            await connection.fetchrow(QUERIES["factor_user_lock"], user)
            if not (await state_of(connection, user)).has_factor:
                return False
            await connection.execute(QUERIES["recovery_codes_delete"], user)
            await connection.execute(QUERIES["recovery_codes_insert"], user, list(codes), now)
        return True

    async def remove_all(self, user: UUID, act: Act) -> bool:
        """Delete all factors of a user, with an audit record; all their logins end.

        Return False if the user has no factor.
        """
        async with self._database.transaction() as connection:
            await connection.fetchrow(QUERIES["factor_user_lock"], user)
            if not (await state_of(connection, user)).has_factor:
                return False
            await connection.fetchrow(QUERIES["authenticator_remove"], user)
            await connection.execute(QUERIES["passkeys_remove"], user)
            await connection.execute(QUERIES["recovery_codes_delete"], user)
            await connection.fetch(QUERIES["session_end_all"], user, None, act.at)
            await tell(connection, user, MailKind.FACTOR_REMOVED)
            await record(connection, act)
        return True


class PendingSignIns(Table):
    async def insert(
        self, sha256: bytes, checked: LoginState, until: datetime, now: datetime
    ) -> bool:
        """Insert a sign-in that waits for a factor; False if the user was deactivated or changed
        since the password was checked.
        """
        user = checked.user, checked.password_hash, checked.role
        values = sha256, *user, until, now, *checked.provided
        return await self._database.one("pending_sign_in_insert", *values) is not None

    async def user(self, sha256: bytes, now: datetime) -> LoginState | None:
        """Return the user of a sign-in that waits; None if it has ended or the user has changed."""
        return await self._database.row(LoginState, "pending_sign_in", sha256, now)

    async def finish(
        self, sha256: bytes, checked: LoginState, family: TokenFamily, now: datetime
    ) -> bool:
        """End the sign-in and insert the login; False if the sign-in had ended, or the user has
        changed.
        """
        async with self._database.transaction() as connection:
            if await connection.fetchrow(QUERIES["pending_sign_in_end"], sha256) is None:
                return False
            opened = await connection.fetchrow(
                QUERIES["session_open"],
                *attrs.evolve(checked, with_factor=True).login(family, now),
            )
        return opened is not None


async def state_of(connection: Connection, user: UUID) -> FactorState:
    """Return the factors of a user, within a transaction."""
    row = await connection.fetchrow(QUERIES["factor_state"], user)
    assert row is not None, "the query always has a row"
    return FactorState(**row)


async def may_add(connection: Connection, new: NewFactor) -> bool:
    """Lock the user; return False if they are not active, or if another call has added their first
    factor or removed their last one.
    """
    if await connection.fetchrow(QUERIES["factor_user_lock"], new.user) is None:
        return False
    return (await state_of(connection, new.user)).has_factor != new.first


async def added(connection: Connection, new: NewFactor) -> AddedFactor:
    """Do what follows a new factor: end other set-ups, and other sessions if it is the first one,
    insert recovery codes for a user who has none, and write a mail.
    """
    user, ended = new.user, frozenset[UUID]()
    await connection.execute(QUERIES["app_setups_erase"], user)
    if new.first:
        rows = await connection.fetch(QUERIES["session_end_all"], user, new.session, new.at)
        ended = frozenset(row["sid"] for row in rows)
    with_codes = not (await state_of(connection, user)).recovery_codes
    if with_codes:
        await connection.execute(QUERIES["recovery_codes_insert"], user, list(new.codes), new.at)
    await tell(connection, user, MailKind.FACTOR_ADDED)
    return AddedFactor(with_codes, ended)


async def tell(connection: Connection, user: UUID, kind: MailKind) -> None:
    """Write a mail about a user's factors, if their address is verified."""
    await connection.execute(QUERIES["mail_about_security"], user, kind.value)


async def drop_codes(connection: Connection, user: UUID, *, needs_one: bool) -> None:
    """Delete the recovery codes of a user who has no factor any more.

    Raises LastFactor if the user ``needs_one``.
    """
    if (await state_of(connection, user)).has_factor:
        return
    if needs_one:
        raise LastFactor
    await connection.execute(QUERIES["recovery_codes_delete"], user)
