"""Accounts to which operators have their money sent, sealed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Connection, Table
from sql.mails import HOUR, NOTICES_AN_HOUR, MailKind, use_token
from sql.query_loader import QUERIES


@attrs.frozen
class SealedAccount:
    """An operator's account. ``sealed``: the method and the account, encrypted.

    ``usable_at``: payouts use an earlier account until then.
    """

    user_id: UUID
    sealed: bytes = attrs.field(repr=False)
    currency: str
    changed_at: datetime
    usable_at: datetime


class TooManyChanges(Exception):
    """The user has changed the account so often that another mail would not be sent."""


class PayoutAccounts(Table):
    async def set(self, new: SealedAccount) -> bool:
        """Store an account instead of one that waits, and write a mail that tells the user; False
        if the user is not active.

        Raises TooManyChanges if the user would get no mail because they got many in this hour.
        """
        told = new.user_id, MailKind.PAYOUT_ACCOUNT.value, new.changed_at - HOUR
        values = new.user_id, new.sealed, new.currency, new.changed_at, new.usable_at
        async with self._database.transaction() as connection:
            if await connection.fetchrow(QUERIES["mail_user_lock"], new.user_id) is None:
                return False
            lately = await connection.fetchrow(QUERIES["mails_lately"], *told)
            if lately is not None and lately["count"] >= NOTICES_AN_HOUR:
                raise TooManyChanges
            for query in ("payout_account_stop", "payout_account_replaced"):
                await connection.execute(QUERIES[query], new.user_id, new.changed_at)
            await connection.execute(QUERIES["payout_account_set"], *values)
            await _tell(connection, new.user_id)
        return True

    async def of(self, users: Sequence[UUID]) -> Sequence[SealedAccount]:
        """Return the accounts of these users, oldest first; users without one are left out."""
        return await self._database.rows(SealedAccount, "payout_accounts_of", list(users))

    async def reseal(self, user: UUID, old: bytes, new: bytes) -> None:
        """Replace a sealed text by one that says the same."""
        await self._database.execute("payout_account_reseal", user, old, new)

    async def stop(self, user: UUID, now: datetime) -> bool:
        """Delete the account of a user that waits, and write a mail that tells them; False if none
        waits.
        """
        return await self._delete("payout_account_stop", user, now)

    async def stop_by_link(self, sha256: bytes, now: datetime) -> UUID | None:
        """Delete the account that waits of a token's user, and write a mail that tells them.

        Return the user; None as for ``use_token``, or if none of their accounts waits.
        """
        async with self._database.transaction() as connection:
            user = await use_token(connection, sha256, "payout_stop", now)
            if user is None:
                return None
            if await connection.fetchrow(QUERIES["payout_account_stop"], user, now) is None:
                return None
            await _tell(connection, user)
        return user

    async def remove(self, user: UUID) -> bool:
        """Delete the accounts of a user, and write a mail that tells them; False if there is
        none.
        """
        return await self._delete("payout_account_remove", user)

    async def _delete(self, query: str, user: UUID, *values: datetime) -> bool:
        async with self._database.transaction() as connection:
            if await connection.fetchrow(QUERIES[query], user, *values) is None:
                return False
            await _tell(connection, user)
        return True


async def _tell(connection: Connection, user: UUID) -> None:
    kind = MailKind.PAYOUT_ACCOUNT.value
    await connection.execute(QUERIES["mail_about_security"], user, kind)
