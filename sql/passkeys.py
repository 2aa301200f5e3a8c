"""Passkeys of users, and the challenges that they sign."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

import attrs

from sql.database import Table
from sql.mails import MailKind
from sql.query_loader import QUERIES
from sql.second_factors import AddedFactor, NewFactor, added, drop_codes, may_add, tell

PASSKEYS_MAX: Final = 20  # passkeys of one user


class Purpose(Enum):
    """Purposes of challenges."""

    ADD = "add"
    GIVE = "give"


@attrs.frozen
class PasskeyRow:
    """A passkey. ``credential``: the authenticator's id for it; ``rp_id``: the host name for which
    it was made.
    """

    id: UUID
    credential: bytes
    public_key: bytes
    rp_id: str
    counter: int
    name: str
    created_at: datetime
    used_at: datetime | None = None


@attrs.frozen
class ChallengeOwner:
    """Holder of a challenge: a user in one session, or in a sign-in that waits."""

    holder: bytes = attrs.field(repr=False)
    user: UUID
    purpose: Purpose


class PasskeyTaken(Exception):
    """The passkey is registered already, or the user has as many as allowed."""


class Passkeys(Table):
    async def of(self, user: UUID) -> Sequence[PasskeyRow]:
        """Return the passkeys of a user, oldest first."""
        return await self._database.rows(PasskeyRow, "passkeys_of", user)

    async def add(self, new: NewFactor, passkey: PasskeyRow) -> AddedFactor:
        """Insert a passkey.

        Raises PasskeyTaken, also if the user's factors changed.
        """
        async with self._database.transaction() as connection:
            if not await may_add(connection, new):
                raise PasskeyTaken
            done = await connection.fetchrow(
                QUERIES["passkey_insert"],
                *(passkey.id, new.user, passkey.credential, passkey.public_key, passkey.rp_id),
                *(passkey.counter, passkey.name, new.at, PASSKEYS_MAX),
            )
            if done is None:
                raise PasskeyTaken
            return await added(connection, new)

    async def use(self, user: UUID, passkey: UUID, counter: int, now: datetime) -> bool:
        """Store the counter of a use; False if it did not grow."""
        return await self._database.one("passkey_use", passkey, user, counter, now) is not None

    async def rename(self, user: UUID, passkey: UUID, name: str) -> bool:
        """Name a passkey of a user; False if there is none."""
        return await self._database.one("passkey_rename", passkey, user, name) is not None

    async def remove(self, user: UUID, passkey: UUID, *, needs_one: bool) -> bool:
        """Delete a passkey of a user; False if there is none.

        Raises LastFactor if it is the last factor and the user ``needs_one``.
        """
        async with self._database.transaction() as connection:
            await connection.fetchrow(QUERIES["factor_user_lock"], user)
            gone = await connection.fetchrow(QUERIES["passkey_remove"], passkey, user)
            await drop_codes(connection, user, needs_one=needs_one)
            if gone is not None:
                await tell(connection, user, MailKind.FACTOR_REMOVED)
        return gone is not None

    async def put_challenge(self, owner: ChallengeOwner, challenge: bytes, until: datetime) -> None:
        """Store a challenge, in place of an earlier one of the same owner."""
        values = owner.holder, owner.purpose.value, owner.user, challenge, until
        await self._database.execute("passkey_challenge_put", *values)

    async def take_challenge(self, owner: ChallengeOwner, now: datetime) -> bytes | None:
        """Delete the challenge of an owner, and return it; None if it was taken or has expired.

        Of several calls at once, one gets the challenge.
        """
        values = owner.holder, owner.purpose.value, owner.user, now
        row = await self._database.one("passkey_challenge_take", *values)
        return None if row is None else row["challenge"]
