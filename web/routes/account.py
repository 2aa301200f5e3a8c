"""The caller's own account, and which mails they get."""

from collections.abc import Collection
from typing import Literal, TypeAlias, get_args
from uuid import UUID

import attrs

from rendertrust.api.accounts import OwnAccount
from sql.users import UserRow
from web.gateway import Gateway
from web.http.operations import TOKEN_REFUSED, Call, Operations
from web.http.problem import Problem
from web.http.responses import from_row
from web.openapi.examples import reference as examples

operations = Operations()

# The mails that a user may switch off.
Notice: TypeAlias = Literal[
    "job.completed",
    "job.failed",
    "job.paused",
    "node.offline",
    "dispute.opened",
    "dispute.decided",
    "payout.paid",
    "payout.rejected",
]
NOTICES: tuple[Notice, ...] = get_args(Notice)


@attrs.frozen
class AccountChange:
    """``mails``: the kinds of mail that you want; all others are switched off."""

    mails: list[Notice] | None = None


@operations.get(
    "/api/v1/auth/account",
    example=examples.OWN_ACCOUNT,
)
async def show(call: Call) -> OwnAccount | Problem:
    """Get your account."""
    return await _own(call.gateway, call.caller)


@operations.patch(
    "/api/v1/auth/account",
    request_example=examples.ACCOUNT_CHANGE,
    example=examples.OWN_ACCOUNT,
)
async def change(call: Call[AccountChange]) -> OwnAccount | Problem:
    """Choose which mails you get.

    Mails about your password and your address are always sent.
    """
    if call.body.mails is not None:
        await choose_mails(call.gateway, call.caller, call.body.mails)
    return await _own(call.gateway, call.caller)


async def choose_mails(gateway: Gateway, user: UUID, wanted: Collection[str]) -> None:
    """Switch off all mails that a user does not want."""
    off = [kind for kind in NOTICES if kind not in wanted]
    await gateway.tables.users.set_mails_off(user, off)


async def _own(gateway: Gateway, user: UUID) -> OwnAccount | Problem:
    row = await gateway.tables.users.by_id(user)
    return TOKEN_REFUSED if row is None else own_account(row)


def own_account(row: UserRow) -> OwnAccount:
    """Return an account as its user sees it."""
    return from_row(OwnAccount, row, mails=mails_of(row))


def mails_of(row: UserRow) -> tuple[Notice, ...]:
    """Return the kinds of mail that a user gets, besides those about the account's security."""
    return tuple(kind for kind in NOTICES if kind not in row.mails_off)
