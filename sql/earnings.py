"""Earnings of operators as the Ledger handles them: shares, disputes, payouts, fines."""

from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import attrs

SHARES_MOST = 5_000  # per payout; operators with more repeat the request
WITHHELD_MOST = timedelta(days=30)  # after this an admin decides, if no check did
STAKE_SHARES = 400  # an operator's newest shares: more than a fine of equal shares may take
OPERATOR = "operator:"
SUSPENSE = "suspense"
FineId: TypeAlias = tuple[UUID, tuple[UUID, int, int]]  # share; job, unit, attempt


@attrs.frozen
class EarningRow:
    """The share of one unit. Without an operator it waits in suspense for the node's owner."""

    id: UUID
    job_id: UUID
    unit: int
    node_id: UUID
    operator_id: UUID | None
    amount: int
    state: str
    earned_at: datetime
    payable_at: datetime
    payout_id: UUID | None = None

    @property
    def account(self) -> str:
        """The account that has the share."""
        return SUSPENSE if self.operator_id is None else f"{OPERATOR}{self.operator_id}"


@attrs.frozen
class DisputeRow:
    """A dispute. ``by_gateway``: a check decides.

    The gateway opens one if the node had an invalid result and this unit was not compared.
    """

    id: UUID
    job_id: UUID
    unit: int
    user_id: UUID
    reason: str
    charge: int
    opened_at: datetime
    state: str = "OPEN"
    decision: str = ""
    decided_at: datetime | None = None
    by_gateway: bool = False


def withheld_until(opened_at: datetime, state: str, *, by_gateway: bool) -> datetime | None:
    """Return when an admin must decide on a withheld share; None if none is withheld."""
    return opened_at + WITHHELD_MOST if by_gateway and state == "OPEN" else None


@attrs.frozen
class FineRow:
    """A forfeited share and the invalid result that caused it.

    ``returned_at``: the scene of that result was at fault, and the share is the operator's again.
    """

    share_id: UUID
    job_id: UUID
    unit: int
    attempt: int
    at: datetime
    returned_at: datetime | None = None

    @property
    def id(self) -> "FineId":
        """The share, and the attempt that it was forfeited for."""
        return self.share_id, (self.job_id, self.unit, self.attempt)


@attrs.frozen
class PayoutRow:
    """``units``: the number of shares that it pays."""

    id: UUID
    operator_id: UUID
    kind: str
    amount: int
    units: int
    state: str
    requested_at: datetime
    batch_id: UUID | None = None
    reference: str = ""
    closed_at: datetime | None = None


@attrs.frozen
class PayableRow:
    """The sum of an operator's payable shares, as found."""

    operator_id: UUID
    units: int
    amount: int


@attrs.frozen
class MaturedEarning:
    """A share that may become payable."""

    job: UUID
    unit: int


@attrs.frozen
class UncheckedEarning:
    """A pending share of a node with an invalid result, for a unit that was not compared."""

    job: UUID
    unit: int
    user: UUID


@attrs.frozen
class ClaimableEarning:
    """A share in suspense whose node has an owner."""

    job: UUID
    unit: int
    owner: UUID
