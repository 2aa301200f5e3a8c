"""Deletion of an account by its user.

The ledger, receipts and jobs stay, under the user's id. Everything that identifies the user goes:
address, name, password, identities at providers, sessions, keys, links, mails, webhooks,
memberships, the names of their jobs, and the names and addresses of their nodes.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.audit_log import Act, record
from sql.database import Connection, Table
from sql.query_loader import QUERIES

NAME: Final = "Deleted user"
ACT: Final = "account.delete"
# Queries that close a user's account and erase their rows, by id.
_ERASING: Final = (
    "account_close",
    *("mails_erase", "password_resets_end", "mailed_tokens_erase", "sessions_erase"),
    *("invitations_erase", "trusts_erase", "unknown_addresses_erase", "organisations_erase"),
    *("memberships_erase", "loans_erase", "deliveries_erase", "endpoints_erase"),
    *("preflights_erase", "uploads_erase", "job_names_erase", "connections_erase", "nodes_erase"),
    *("authenticator_remove", "app_setups_erase", "passkeys_remove", "passkey_challenges_erase"),
    *("recovery_codes_delete", "pending_sign_ins_erase", "payout_accounts_erase"),
    *("identities_erase", "provider_sign_ins_erase", "device_logins_erase", "share_links_erase"),
    "presets_erase",
    "dispute_answers_erase",
    "payout_rules_erase",
    "join_codes_erase",
)


@attrs.frozen
class Obstacles:
    """Obstacles to a deletion, which must be settled first; money in units.

    ``bought``: credits left that were bought, or paid out as earnings. ``unpaid``: earnings.
    ``at_work``: units that the user's nodes render, or that are being verified.
    ``last_owner``: organisations with other members but no other owner.
    """

    open_jobs: int = 0
    held: int = 0
    bought: int = 0
    open_purchases: int = 0
    debt: int = 0
    unpaid: int = 0
    at_work: int = 0
    disputes: int = 0
    last_owner: int = 0
    is_last_admin: bool = False

    def __bool__(self) -> bool:
        """Return True if the account cannot be deleted."""
        return any(value is True or value > 0 for value in attrs.astuple(self, recurse=False))


@attrs.frozen
class Erased:
    """The sessions and API keys that ended with an account."""

    sessions: frozenset[UUID]
    keys: frozenset[UUID]


class AccountDeletion(Table):
    async def delete(
        self, user: UUID, password_hash: str, unusable_hash: str, now: datetime
    ) -> Erased | Obstacles | None:
        """Erase a user, or return what must be settled first; None if the password hash is not the
        current one.

        ``unusable_hash``: the hash of an unknown password. May also raise
        ``sql.database.Conflict``.
        """
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["account_organisations_lock"], user)
            await connection.execute(QUERIES["account_lock"], user)
            row = await connection.fetchrow(QUERIES["user_lock_by_password"], user, password_hash)
            if row is None:
                return None
            await connection.execute(QUERIES["account_admins_lock"], user)
            found = await connection.fetchrow(QUERIES["account_obstacles"], user, now)
            assert found is not None, "sums answer one row"
            obstacles = Obstacles(**found)
            if obstacles:
                return obstacles
            return await _erase(connection, user, unusable_hash, now)

    async def had_starter(self, user: UUID) -> bool:
        """Return True if a deleted account with the user's address got starter credits."""
        return await self._database.one("deleted_address_had_starter", user) is not None


async def _erase(connection: Connection, user: UUID, unusable_hash: str, now: datetime) -> Erased:
    email = f"{user}@deleted.invalid"
    await connection.execute(QUERIES["account_address_keep"], user, now)
    await connection.execute(QUERIES["mails_erase_asked"], user)
    await connection.execute(QUERIES["invitations_erase_unused"], user)
    await connection.execute(QUERIES["user_erase"], user, email, NAME, unusable_hash, now)
    sids = await connection.fetch(QUERIES["session_ended_now"], user)
    keys = await connection.fetch(QUERIES["api_keys_erase"], user)
    for query in _ERASING:
        await connection.execute(QUERIES[query], user)
    # The audit log is append-only, so it must not name the user.
    await record(connection, Act(now, user, f"user:{user}", ACT, f"user:{user}", "by the user"))
    return Erased(frozenset(row["sid"] for row in sids), frozenset(row["id"] for row in keys))
