"""Names of accounts, and the reference of a unit. Queries spell the same names in SQL."""

from typing import Final
from uuid import UUID

REVENUE: Final = "revenue"
ADJUSTMENTS: Final = "adjustments"
SUSPENSE: Final = "suspense"
PURCHASES: Final = "purchases"
DISPUTES: Final = "disputes"
PAYOUTS: Final = "payouts"
# Names of users' accounts begin with one of these, and end with the user's id.
USER: Final = "user:"
OPERATOR: Final = "operator:"
DEBT: Final = "debt:"
# A missing account with one of these prefixes is created when a batch needs it.
MADE_WHEN_NEEDED: Final = (USER, OPERATOR, DEBT)


def user_account(user: UUID) -> str:
    return f"{USER}{user}"


def operator_account(user: UUID) -> str:
    return f"{OPERATOR}{user}"


def debt_account(user: UUID) -> str:
    """Return the name of the account for a user's debt, which is a balance below zero."""
    return f"{DEBT}{user}"


def debt_of(account: str) -> str:
    """Return the name of the debt account that belongs to a user's account."""
    return f"{DEBT}{account.removeprefix(USER)}"


def earning_account(operator: UUID | None) -> str:
    """Return the account that earns an operator's share: suspense while there is no operator."""
    return SUSPENSE if operator is None else operator_account(operator)


def operator_of(account: str | None) -> UUID | None:
    """Return the operator who owns the account; None for any other account."""
    if account is None or not account.startswith(OPERATOR):
        return None
    return UUID(account.removeprefix(OPERATOR))


def work_reference(job: UUID, unit: int) -> str:
    """Return the reference of a unit's hold, its charge and the operator's share."""
    return f"job:{job}:{unit}"
