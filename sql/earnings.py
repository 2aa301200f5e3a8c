"""What operators earn, as the Ledger handles it: shares of units, disputes, payouts."""

from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import attrs

SHARES_MOST = 5_000  # that one payout pays; who has more asks again
WITHHELD_MOST = timedelta(days=30)  # then an admin decides on what no check came to
STAKE_SHARES = 400  # of an operator, the newest: more than a fine may take, of shares alike
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
        """Where the share lies."""
        return SUSPENSE if self.operator_id is None else f"{OPERATOR}{self.operator_id}"


@attrs.frozen
class DisputeRow:
    """``by_gateway``: its node was found out, and it was not compared: a check decides."""

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
    """Return when an admin is to decide on a withheld share; None if a dispute withholds none."""
    return opened_at + WITHHELD_MOST if by_gateway and state == "OPEN" else None


@attrs.frozen
class FineRow:
    """A share that was forfeited, and the invalid result for which it was. ``returned_at``: the
    scene of that was at fault, and the share is its operator's again.
    """

    share_id: UUID
    job_id: UUID
    unit: int
    attempt: int
    at: datetime
    returned_at: datetime | None = None

    @property
    def id(self) -> "FineId":
        """The share, and the attempt at the unit that it was forfeited for."""
        return self.share_id, (self.job_id, self.unit, self.attempt)


@attrs.frozen
class PayoutRow:
    """``units`` is how many shares it pays."""

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
    """What a payout to an operator would pay, as it was found."""

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
    """A pending share of a node that was found out, of a unit that was not compared."""

    job: UUID
    unit: int
    user: UUID


@attrs.frozen
class ClaimableEarning:
    """A share in suspense whose node has an owner."""

    job: UUID
    unit: int
    owner: UUID
