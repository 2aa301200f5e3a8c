"""Accounts to which operators have their money sent: sealed for the database, opened for readers.

A new account waits for three days, so that a thief with an operator's session cannot have the
operator's money sent elsewhere before the operator has read the mail about it. Until then payouts
use the earlier account; without one they wait.

A text that was sealed with the previous key of the log is sealed again when it is read, because
it cannot be opened after the next rotation.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs
import orjson
import structlog

from actors.ports import LogSigner, Random
from rendertrust.api.earnings import OwnPayoutAccount, PayoutAccount
from sql.payout_accounts import PayoutAccounts, SealedAccount
from web.gateway import Gateway

log = structlog.get_logger("payout_accounts")
NONCE_BYTES: Final = 12
WAIT: Final = timedelta(hours=72)  # before payouts use a new account
END_MOST: Final = 4  # characters of an account that its owner and auditors see


@attrs.frozen
class OperatorsAccounts:
    """The account that payouts of an operator use now, and the one that waits until a time."""

    in_use: PayoutAccount | None = None
    waiting: PayoutAccount | None = None
    usable_at: datetime | None = None  # of the newest account


async def keep_account(
    gateway: Gateway, user: UUID, method: str, account: str, currency: str
) -> OwnPayoutAccount | None:
    """Store a user's account, which waits; None if the user is not active."""
    now = gateway.ports.clock.now()
    text = orjson.dumps({"user": str(user), "method": method, "account": account})
    sealed = gateway.ports.signer.seal(text, gateway.ports.random.token(NONCE_BYTES))
    row = SealedAccount(user, sealed, currency, now, now + WAIT)
    if not await gateway.tables.payout_accounts.set(row):
        return None
    log.info("a payout account was set", user=str(user))
    return await own_account(gateway, user)


async def own_account(gateway: Gateway, user: UUID) -> OwnPayoutAccount | None:
    """Return a user's newest account as they see it; None if they have none."""
    found = (await operators_accounts(gateway, [user])).get(user, OperatorsAccounts())
    newest = found.waiting or found.in_use
    if newest is None or found.usable_at is None:
        return None
    before = found.in_use if found.waiting else None
    return OwnPayoutAccount(
        **attrs.asdict(masked(newest), recurse=False),
        usable_at=found.usable_at,
        until_then=before and masked(before),
    )


async def has_usable_account(gateway: Gateway, user: UUID) -> bool:
    """Return True if the user has an account that payouts use now."""
    return user in await accounts_of(gateway, [user])


async def operators_accounts(
    gateway: Gateway, users: Sequence[UUID]
) -> Mapping[UUID, OperatorsAccounts]:
    """Return the accounts of these users; those without a readable one are left out."""
    table, ports = gateway.tables.payout_accounts, gateway.ports
    return await read_accounts(table, users, ports.signer, ports.random, ports.clock.now())


async def accounts_of(gateway: Gateway, users: Sequence[UUID]) -> Mapping[UUID, PayoutAccount]:
    """Return the accounts that payouts to these users use now; users without one are left out."""
    return usable(await operators_accounts(gateway, users))


def usable(found: Mapping[UUID, OperatorsAccounts]) -> Mapping[UUID, PayoutAccount]:
    """Return the accounts that payouts use now."""
    return {user: each.in_use for user, each in found.items() if each.in_use is not None}


async def read_accounts(
    table: PayoutAccounts, users: Sequence[UUID], signer: LogSigner, random: Random, now: datetime
) -> Mapping[UUID, OperatorsAccounts]:
    """Open the accounts of these users, and seal them again if a key was rotated."""
    found = dict[UUID, OperatorsAccounts]()
    for row in await table.of(list(dict.fromkeys(users))) if users else ():
        text = signer.unseal(row.sealed)
        if text is None:
            log.error("a payout account cannot be opened: its key is gone", user=str(row.user_id))
            continue
        account = opened(text, row.user_id, row.currency, row.changed_at)
        if account is None:
            continue
        before = found.get(row.user_id, OperatorsAccounts())
        found[row.user_id] = with_newer(before, account, row.usable_at, now)
        if signer.seal(text, row.sealed[:NONCE_BYTES]) != row.sealed:
            await table.reseal(
                row.user_id, row.sealed, signer.seal(text, random.token(NONCE_BYTES))
            )
    return found


def with_newer(
    before: OperatorsAccounts, account: PayoutAccount, usable_at: datetime, now: datetime
) -> OperatorsAccounts:
    """Return an operator's accounts with a newer one, which replaces the others once its time has
    come.
    """
    if usable_at > now:
        return attrs.evolve(before, waiting=account, usable_at=usable_at)
    return OperatorsAccounts(in_use=account, usable_at=usable_at)


def masked(account: PayoutAccount) -> PayoutAccount:
    """Return the account with only the end of where the money is sent: at most its last four
    characters, and never over a third of it.
    """
    text = account.account.replace(" ", "")
    shown = min(END_MOST, len(text) // 3)
    return attrs.evolve(account, account=f"…{text[len(text) - shown :]}")


def opened(text: bytes, user: UUID, currency: str, at: datetime) -> PayoutAccount | None:
    """Return the account in a text that was sealed; None if it is another user's."""
    said = orjson.loads(text)
    if said["user"] != str(user):
        log.error("a payout account belongs to another user", user=str(user))
        return None
    return PayoutAccount(said["method"], said["account"], currency, at)
