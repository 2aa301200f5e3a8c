"""The account to which an operator has their money sent."""

from typing import Annotated, Final
from uuid import UUID

import attrs
import structlog
from msgspec import Meta

from rendertrust.api.earnings import OwnPayoutAccount
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.money import CURRENCIES
from sql.link_tokens import digest_of
from sql.payout_accounts import TooManyChanges
from web.gateway import Gateway
from web.http.operations import TOKEN_REFUSED, Call, Operations
from web.http.problem import Fault, Problem, invalid
from web.money.payout_accounts import keep_account, own_account
from web.openapi.examples import earnings as examples
from web.routes.admin import factor_refusal
from web.routes.auth import PASSWORD_INCORRECT, Done

operations = Operations()
log = structlog.get_logger("payout_accounts")
PATH: Final = "/api/v1/auth/payout-account"
NO_ACCOUNT: Final = Problem(
    404, "You have no payout account", code=RefusalCode.PAYOUT_ACCOUNT_NOT_FOUND
)
NO_CHANGE: Final = Problem(
    404, "No change of your payout account waits", code=RefusalCode.PAYOUT_CHANGE_NOT_FOUND
)
ENOUGH: Final = Problem(
    429,
    "Your payout account was changed ten times in the last hour, so you would get no mail about"
    " another change: try again in an hour",
    headers={"Retry-After": "3600"},
    code=RefusalCode.RATE_LIMITED,
)
STOPPED: Final = Done("The change of the payout account was stopped")
REMOVED: Final = Done("The payout account was removed")
# Visible text: at least one character that is no space, and no control character.
VISIBLE: Final = r"^(?=[\s\S]*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
Method = Annotated[
    str,
    Meta(
        min_length=1, max_length=60, pattern=VISIBLE, description="a line of at most 60 characters"
    ),
]
AccountText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=VISIBLE,
        description="a line of at most 200 characters",
    ),
]
Currency = Annotated[
    str, Meta(pattern=r"^[a-z]{3}$", description="three small letters of ISO 4217, such as eur")
]


@attrs.frozen
class PayoutAccountOrder:
    """``method``: how the money is sent, such as SEPA or PayPal. ``account``: where to, such as an
    IBAN or an address. ``password``: yours, needed if you have no second factor.
    """

    method: Method
    account: AccountText = attrs.field(repr=False)
    currency: Currency
    password: Annotated[str, Meta(max_length=1024)] = attrs.field(default="", repr=False)


@operations.get(
    PATH,
    absent=NO_ACCOUNT,
    refusals={404: NO_ACCOUNT.detail},
    example=examples.OWN_PAYOUT_ACCOUNT,
)
async def show(call: Call) -> OwnPayoutAccount | Problem:
    """Get your payout account, with only its end, and when payouts use it."""
    return await own_account(call.gateway, call.caller) or NO_ACCOUNT


@operations.put(
    PATH,
    refusals={403: "The second factor was not given in ten minutes, or the password is incorrect"},
    rate="login",
    request_example=examples.PAYOUT_ACCOUNT_ORDER,
    example=examples.OWN_PAYOUT_ACCOUNT,
)
async def put(call: Call[PayoutAccountOrder]) -> OwnPayoutAccount | Problem:
    """Set the account to which payouts of money are sent, instead of an earlier one.

    Payouts use it after 72 hours; until then they use the earlier account, or wait if there is
    none. An account that already waits is replaced, and its time begins again. If your address is
    verified, you get a mail, so that you can stop a change that is not yours. Admins who approve
    and send payouts see it.

    If you have a second factor, you must have given it in this session in the last ten minutes;
    otherwise give your password.
    """
    refused = await factor_refusal(call) or await _password_refusal(call)
    if refused is not None:
        return refused
    return await set_account(call.gateway, call.caller, call.body)


@operations.delete(
    f"{PATH}/change",
    refusals={404: NO_CHANGE.detail},
    example=examples.PAYOUT_ACCOUNT_STOPPED,
)
async def stop(call: Call) -> Done | Problem:
    """Stop the change of your payout account that waits; payouts go on using the earlier account.

    This needs no second factor: it sends no money elsewhere.
    """
    return await stop_change(call.gateway, call.caller)


@operations.delete(
    PATH,
    refusals={
        403: "The second factor was not given in the last ten minutes",
        404: NO_ACCOUNT.detail,
    },
    example=examples.PAYOUT_ACCOUNT_REMOVED,
)
async def remove(call: Call) -> Done | Problem:
    """Remove your payout account, also one that waits.

    Money cannot be sent to you until another one is set, and its 72 hours are over. If you have a
    second factor, you must have given it in this session in the last ten minutes.
    """
    refused = await factor_refusal(call)
    if refused is not None:
        return refused
    return await remove_account(call.gateway, call.caller)


async def _password_refusal(call: Call[PayoutAccountOrder]) -> Problem | None:
    """Refuse a user who has no second factor and did not give their password."""
    tables, user = call.gateway.tables, call.caller
    if (await tables.second_factors.state(user)).has_factor:
        return None
    row = await tables.users.by_id(user)
    if row is None:
        return TOKEN_REFUSED
    right = await call.gateway.identity.passwords.matches(call.body.password, row.password_hash)
    return None if right else PASSWORD_INCORRECT


async def set_account(
    gateway: Gateway, user: UUID, order: PayoutAccountOrder
) -> OwnPayoutAccount | Problem:
    """Store a user's account, which payouts use after 72 hours."""
    if order.currency not in CURRENCIES:
        return invalid([Fault("currency", "value", "is no currency of ISO 4217, such as eur")])
    given = order.method.strip(), order.account.strip(), order.currency
    try:
        return await keep_account(gateway, user, *given) or TOKEN_REFUSED
    except TooManyChanges:
        return ENOUGH


async def remove_account(gateway: Gateway, user: UUID) -> Done | Problem:
    """Delete a user's account, also one that waits."""
    return REMOVED if await gateway.tables.payout_accounts.remove(user) else NO_ACCOUNT


async def stop_by_link(gateway: Gateway, token: str) -> Done | None:
    """Stop the change of the token's user; None if the token cannot be used, or no change waits."""
    now = gateway.ports.clock.now()
    user = await gateway.tables.payout_accounts.stop_by_link(digest_of(token), now)
    if user is None:
        return None
    log.info("a change of a payout account was stopped by its link", user=str(user))
    return STOPPED


async def stop_change(gateway: Gateway, user: UUID) -> Done | Problem:
    """Stop a user's change that waits."""
    now = gateway.ports.clock.now()
    return STOPPED if await gateway.tables.payout_accounts.stop(user, now) else NO_CHANGE
