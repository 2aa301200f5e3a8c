"""When an operator is paid out without asking, and what a payout has at least."""

from typing import Annotated, Final, Literal
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust import money
from rendertrust.api.earnings import PayoutRules
from sql.payout_rules import PayoutRule, least_units, next_date
from web.gateway import Gateway
from web.http.operations import TOKEN_REFUSED, Call, Operations, Scope
from web.http.problem import Problem
from web.openapi.examples import earnings as examples
from web.routes.operators import PayoutTo, money_refusal, spending_refusal

operations = Operations()
PATH: Final = "/api/v1/operators/me/payout-rules"
Schedule = Literal["by_hand", "weekly", "monthly"]
Minimum = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,9}(\.[0-9]{1,4})?$",
        description="credits, with at most 9 digits and 4 decimals, like 10.5; 0 is none",
    ),
]


@attrs.frozen
class NewPayoutRules:
    """New rules, as in ``PayoutRules``."""

    schedule: Schedule
    to: PayoutTo = "credits"
    minimum: Minimum = "0"


@operations.get(PATH, scope=Scope.CREDITS_READ, example=examples.PAYOUT_RULES)
async def show(call: Call) -> PayoutRules:
    """Get when you are paid out without asking, and what a payout has at least."""
    return await rules_of(call.gateway, call.caller)


@operations.put(
    PATH,
    scope=Scope.CREDITS_WRITE,
    refusals={
        403: "The second factor was not given in the last ten minutes, or your address is not"
        " verified",
        404: "This farm pays out no money",
    },
    request_example=examples.NEW_PAYOUT_RULES,
    example=examples.PAYOUT_RULES,
)
async def put(call: Call[NewPayoutRules]) -> PayoutRules | Problem:
    """Set when you are paid out without asking, and what a payout has at least.

    Payouts of money also have at least the gateway's minimum. An admin approves them, and they go
    to your payout account. A schedule of credits needs your second factor as a payout does.
    """
    refused = await spending_refusal(call) if pays_credits(call.body) else None
    if refused is not None:
        return refused
    return await set_rules(call.gateway, call.caller, call.body)


def pays_credits(new: NewPayoutRules) -> bool:
    """Return True if the rules turn earnings into credits without asking."""
    return new.schedule != "by_hand" and new.to == "credits"


async def rules_of(gateway: Gateway, operator: UUID) -> PayoutRules:
    """Return an operator's rules."""
    rule = await gateway.tables.payout_rules.of(operator)
    least = rule.least(least_units(gateway.settings.earnings.payout_minimum))
    return PayoutRules(
        schedule=rule.schedule,
        to=rule.kind.lower(),
        minimum=money.render(rule.minimum),
        least=money.render(least),
        next_at=rule.next_at,
    )


async def set_rules(gateway: Gateway, operator: UUID, new: NewPayoutRules) -> PayoutRules | Problem:
    """Store an operator's rules. The date of an unchanged schedule stays."""
    refused = await money_refusal(gateway, operator) if new.to == "money" else None
    if refused is not None:
        return refused
    before, now = await gateway.tables.payout_rules.of(operator), gateway.ports.clock.now()
    is_same = before.schedule == new.schedule
    at = before.next_at if is_same else next_date(new.schedule, now)
    rule = PayoutRule(new.schedule, new.to.upper(), money.parse(new.minimum, zero=True), at)
    if not await gateway.tables.payout_rules.set(operator, rule):
        return TOKEN_REFUSED
    return await rules_of(gateway, operator)
