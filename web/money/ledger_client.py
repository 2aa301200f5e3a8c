"""Requests to the Ledger, for handlers. An unavailable Ledger is reported like an unavailable
database.
"""

from typing import TypeVar

from actors.ledger.messages import (
    Commit,
    DataRefused,
    InsufficientCredits,
    Ledger,
    LedgerUnavailable,
    Outcome,
)
from rendertrust import money
from rendertrust.api.refusal_code import RefusalCode
from sql.database import Unavailable
from web.gateway import Gateway
from web.http.problem import Problem

Reply = TypeVar("Reply")
ASK_SECONDS = 2.0


async def commit(gateway: Gateway, order: Commit) -> Outcome:
    """Return the outcome of the order. Raises AskFailed, Unavailable.

    Raises AssertionError if the database refuses the data: that is a bug of the caller.
    """
    outcome = await gateway.registry.ref(Ledger).ask(order, within=ASK_SECONDS)
    assert not isinstance(outcome, DataRefused), outcome.error
    return raise_if_unavailable(outcome)


def raise_if_unavailable(outcome: Reply) -> Reply:
    """Return the outcome, unless the books could not be reached. Raises Unavailable."""
    if isinstance(outcome, LedgerUnavailable):
        raise Unavailable("the books are unavailable")
    return outcome


def insufficient(outcome: InsufficientCredits) -> Problem:
    """Return 402 with the available and the requested credits."""
    amounts = {
        "available": money.render(outcome.available),
        "requested": money.render(outcome.requested),
    }
    return Problem(
        402, "Insufficient credits", extra=amounts, code=RefusalCode.INSUFFICIENT_CREDITS
    )
