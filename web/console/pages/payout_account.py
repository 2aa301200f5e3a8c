"""Payouts of the user: where their earnings are sent as money, when, and at least how much."""

from typing import Annotated, Any, Final

import attrs
from msgspec import Meta

from rendertrust import money
from sql.payout_rules import least_units
from web.console.confirmation import confirmation_of, confirmation_refusal
from web.console.registry import Pages
from web.console.view import ACCOUNT_GONE, Redirect, Shown, View, session_of
from web.http.problem import Problem
from web.identity.second_factor import recent_factor_refusal
from web.money.payout_accounts import has_usable_account, own_account
from web.money.periods import months_until
from web.routes.operators import PayoutTo, least_money, paid_out
from web.routes.payout_accounts import (
    NO_ACCOUNT,
    NO_CHANGE,
    AccountText,
    Method,
    PayoutAccountOrder,
    remove_account,
    set_account,
    stop_change,
)
from web.routes.payout_rules import (
    Minimum,
    NewPayoutRules,
    Schedule,
    pays_credits,
    rules_of,
    set_rules,
)

pages = Pages()
PATH: Final = "/console/account/payout-account"
FORM: Final = "/account/payout-account"
PAID: Final = "The credits are on your balance."
REQUESTED: Final = "The payout is requested: an admin approves it and sends the money."
WAITS: Final = (
    "The payout is requested, and waits until you have set an account to which money is sent, and"
    " its 72 hours are over."
)
SCHEDULES: Final = {
    "by_hand": "only when I ask",
    "weekly": "every Monday",
    "monthly": "on the first of every month",
}
SAVED: Final = "The account is saved. Payouts use it in 72 hours."


@attrs.frozen
class PayoutAccountForm:
    """The order of the API, with the currency as people write it.

    ``confirmation``: the user's password, if they have no factor.
    """

    method: Method
    account: AccountText = attrs.field(repr=False)
    currency: Annotated[
        str, Meta(pattern=r"^[A-Za-z]{3}$", description="three letters, such as EUR")
    ]
    confirmation: Annotated[str, Meta(max_length=1024)] = attrs.field(default="", repr=False)


@attrs.frozen
class PayoutForm:
    """Form that asks for a payout."""

    to: PayoutTo


@attrs.frozen
class PayoutRulesForm:
    """Form of the rules of payouts, as in the API; ``scheduled``: what scheduled payouts are."""

    schedule: Schedule
    scheduled: PayoutTo = "credits"
    minimum: Minimum = "0"


@pages.page("/account/payout-account", "Your payouts", "payout_account.html", own=True)
async def show(view: View) -> Shown | Problem:
    """Return what is payable, the rules of payouts, and the account, with forms to change them."""
    gateway, user = view.gateway, view.who.user
    row, factors = await gateway.tables.users.by_id(user), gateway.tables.second_factors
    if row is None:
        return ACCOUNT_GONE
    rules = await rules_of(gateway, user)
    totals, _ = await gateway.tables.operators.totals(user)
    return {
        "totals": totals,
        "rules": rules,
        "schedules": SCHEDULES.items(),
        "least": await least_money(gateway, user),
        "due_least": money.parse(rules.least, zero=True),
        "farm_least": least_units(gateway.settings.earnings.payout_minimum),
        "minimum": money.shortened(rules.minimum),
        "sold": gateway.console.prices.of_credits,
        "account": await own_account(gateway, user),
        "now": view.now,
        "months": months_until(view.now.date()),
        "has_factor": (await factors.state(user)).has_factor,
        "confirmation": await confirmation_of(view, row),
        "sends_mail": bool(gateway.settings.mail.url),
    }


@pages.action("/account/payout-account/payout", form_on=FORM, on_own_account=True)
async def pay(view: View[PayoutForm]) -> Redirect | Problem:
    """Pay out what is payable, as credits at once or as money on request."""
    to = view.query.to
    refused = await _factor_refusal(view) if to == "credits" else None
    if refused is not None:
        return refused
    done = await paid_out(view.gateway, view.who.user, to)
    if isinstance(done, Problem):
        return done
    if to == "credits":
        return Redirect(PATH, PAID)
    is_ready = await has_usable_account(view.gateway, view.who.user)
    return Redirect(PATH, REQUESTED if is_ready else WAITS)


@pages.action("/account/payout-account/rules", form_on=FORM, on_own_account=True)
async def save_rules(view: View[PayoutRulesForm]) -> Redirect | Problem:
    """Set when the user is paid out without asking, and what a payout has at least."""
    form = view.query
    new = NewPayoutRules(form.schedule, form.scheduled, form.minimum)
    refused = await _factor_refusal(view) if pays_credits(new) else None
    if refused is not None:
        return refused
    done = await set_rules(view.gateway, view.who.user, new)
    return done if isinstance(done, Problem) else Redirect(PATH, "Saved.")


@pages.action(
    "/account/payout-account",
    form_on=FORM,
    rate="login",
    on_own_account=True,
)
async def save(view: View[PayoutAccountForm]) -> Redirect | Problem:
    """Set the account."""
    form = view.query
    refused = await confirmation_refusal(
        view.gateway, view.who.user, session_of(view), form.confirmation, "confirmation"
    )
    if refused is not None:
        return refused
    order = PayoutAccountOrder(form.method, form.account, form.currency.lower())
    done = await set_account(view.gateway, view.who.user, order)
    return done if isinstance(done, Problem) else Redirect(PATH, SAVED)


@pages.action(
    "/account/payout-account/stop",
    absent=NO_CHANGE,
    form_on=FORM,
    on_own_account=True,
)
async def stop(view: View) -> Redirect | Problem:
    """Stop the change that waits."""
    done = await stop_change(view.gateway, view.who.user)
    return done if isinstance(done, Problem) else Redirect(PATH, "The change is stopped.")


@pages.action(
    "/account/payout-account/remove",
    absent=NO_ACCOUNT,
    form_on=FORM,
    on_own_account=True,
)
async def remove(view: View) -> Redirect | Problem:
    """Remove the account."""
    refused = await _factor_refusal(view)
    if refused is not None:
        return refused
    done = await remove_account(view.gateway, view.who.user)
    return done if isinstance(done, Problem) else Redirect(PATH, "The account is removed.")


async def _factor_refusal(view: View[Any]) -> Problem | None:
    return await recent_factor_refusal(view.gateway, view.who.user, session_of(view))
