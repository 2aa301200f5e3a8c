"""Logins of programs that wait until their user confirms a code in a browser (RFC 8628)."""

from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

import attrs

from sql.database import Connection, Table
from sql.login_sessions import LoginState
from sql.query_loader import QUERIES

SLOWER_SECONDS: Final = 5  # added to the time between two polls of a program that polls too often


@attrs.frozen
class NewDeviceLogin:
    """A login that waits, with the hashes of both codes."""

    sha256: bytes = attrs.field(repr=False)
    user_code_sha256: bytes = attrs.field(repr=False)
    client: str
    address: str
    expires_at: datetime


@attrs.frozen
class DeviceLoginRow:
    """A login that waits, as its user sees it before they confirm it."""

    client: str
    address: str
    created_at: datetime


class DeviceLoginState(Enum):
    """The answer to a poll of a program that gets no tokens (RFC 8628, 3.5)."""

    PENDING = "pending"
    TOO_FAST = "too_fast"
    DENIED = "denied"
    GONE = "gone"  # it expired, was used, or never existed


class DeviceLogins(Table):
    async def insert(self, new: NewDeviceLogin, now: datetime) -> bool:
        """Insert a login that waits; False if another one has the same code."""
        values = new.sha256, new.user_code_sha256, new.client, new.address, new.expires_at, now
        return await self._database.one("device_login_insert", *values) is not None

    async def waiting(self, user_code: bytes, now: datetime) -> DeviceLoginRow | None:
        """Return the login that waits for a user's code; None if there is none."""
        return await self._database.row(DeviceLoginRow, "device_login_open", user_code, now)

    async def confirm(self, user_code: bytes, user: UUID, session: UUID, now: datetime) -> bool:
        """Let a user confirm a login in their session; False if the login does not wait, or the
        session has ended.

        The second factor of the login counts as given when it was given in the session.
        """
        values = user_code, now, user, session
        return await self._database.one("device_login_confirm", *values) is not None

    async def deny(self, user_code: bytes, now: datetime) -> bool:
        """Refuse a login; False if it does not wait."""
        return await self._database.one("device_login_deny", user_code, now) is not None

    async def take(self, sha256: bytes, now: datetime) -> LoginState | DeviceLoginState:
        """End a confirmed login, and return its user; or return why there are no tokens.

        Of several polls at once, one gets the user.
        """
        async with self._database.transaction() as connection:
            return await _taken(connection, sha256, now)


async def _taken(
    connection: Connection, sha256: bytes, now: datetime
) -> LoginState | DeviceLoginState:
    row = await connection.fetchrow(QUERIES["device_login_lock"], sha256)
    if row is None or row["expires_at"] <= now:
        return DeviceLoginState.GONE
    if row["user_id"] is None and row["denied_at"] is None:
        seconds, last = row["seconds"], row["polled_at"]
        is_fast = last is not None and now - last < timedelta(seconds=seconds)
        wait = seconds + SLOWER_SECONDS if is_fast else seconds
        await connection.execute(QUERIES["device_login_poll"], sha256, now, wait)
        return DeviceLoginState.TOO_FAST if is_fast else DeviceLoginState.PENDING
    found = await connection.fetchrow(QUERIES["device_login_end"], sha256)
    if row["denied_at"] is not None:
        return DeviceLoginState.DENIED
    return DeviceLoginState.GONE if found is None else LoginState(**found)
