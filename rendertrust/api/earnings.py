"""Response models for earnings, payouts, statements and disputes."""

from datetime import datetime
from typing import Annotated, TypeAlias

import attrs

from rendertrust.value_types import Credits, Id, Limits

ShareState: TypeAlias = Annotated[
    str, Limits(enum=("forfeited", "paid", "payable", "pending", "reversed"))
]
ShareWork: TypeAlias = Annotated[str, Limits(enum=("check", "render"))]
PayoutTarget: TypeAlias = Annotated[str, Limits(enum=("credits", "money"))]
PayoutState: TypeAlias = Annotated[str, Limits(enum=("approved", "paid", "rejected", "requested"))]
LineKind: TypeAlias = Annotated[
    str, Limits(enum=("checked", "claimed", "earned", "fined", "paid", "reversed"))
]
DisputeState: TypeAlias = Annotated[str, Limits(enum=("open", "rejected", "upheld"))]


@attrs.frozen
class Share:
    """The earning of a unit.

    The earning is pending until ``payable_at``, or longer while ``disputed`` or while earlier
    results of the operator await their verdicts. ``payout_id`` names the payout that includes the
    earning. ``entry_id`` is the entry that pays the earning, null until that entry is booked; the
    entry's proof is at ``proof_path``. ``receipt_path`` is the address of the receipt of the work;
    null if the node signed nothing. ``why`` is the reason if the earning was reversed or forfeited.
    """

    id: Id
    job_id: Id
    unit: int
    node_id: Id
    amount: Credits
    state: ShareState
    work: ShareWork
    disputed: bool
    earned_at: datetime
    payable_at: datetime
    payout_id: Id | None
    entry_id: int | None
    proof_path: str | None
    receipt_path: str | None
    why: str | None


@attrs.frozen
class EarningTotals:
    """Totals of earnings.

    A payout would pay ``payable`` now; ``requested`` was requested as money.
    """

    pending: Credits
    payable: Credits
    requested: Credits
    paid: Credits
    reversed: Credits
    forfeited: Credits


@attrs.frozen
class Earnings:
    """A page of earnings, newest first.

    ``count`` is the number of all earnings that match; ``next`` is the ``after`` of the next page.
    ``totals`` include all earnings.
    """

    earnings: tuple[Share, ...]
    count: int
    next: Id | None
    totals: EarningTotals


@attrs.frozen
class Payout:
    """A payout of ``units`` earnings. ``reference`` is the reference of the money transfer."""

    id: Id
    to: PayoutTarget
    amount: Credits
    units: int
    state: PayoutState
    batch_id: Id | None
    reference: str
    requested_at: datetime
    closed_at: datetime | None


@attrs.frozen
class Payouts:
    """A page of payouts, newest first.

    ``count`` is the number of all payouts; ``next`` is the ``after`` of the next page.
    """

    payouts: tuple[Payout, ...]
    count: int
    next: Id | None


@attrs.frozen
class StatementLine:
    """An entry of a statement; an amount below 0 is a debit.

    ``claimed`` was earned before you claimed the node. ``fined`` was forfeited for an invalid
    result.
    """

    entry_id: int
    at: datetime
    kind: LineKind
    amount: Credits
    balance: Credits
    job_id: Id | None
    unit: int | None
    node_id: Id | None
    payout_id: Id | None
    description: str


@attrs.frozen
class Statement:
    """An operator's statement for a month (UTC), up to now if the month is not over.

    ``opening`` plus all movements is ``closing``, the sum of pending and payable earnings. ``next``
    is the ``after`` of the next page of lines.
    """

    month: str
    operator_id: Id
    opening: Credits
    earned: Credits
    checked: Credits
    claimed: Credits
    reversed: Credits
    fined: Credits
    paid: Credits
    closing: Credits
    lines: tuple[StatementLine, ...]
    next: int | None


@attrs.frozen
class Dispute:
    """A dispute of a unit's charge, which is refunded if the dispute is upheld.

    ``decision`` is the reason why the dispute was upheld or rejected. With ``by_gateway``, the
    gateway opened the dispute because another result of the operator was invalid. A check of the
    unit decides such a dispute.
    """

    id: Id
    job_id: Id
    unit: int
    reason: str
    charge: Credits
    state: DisputeState
    decision: str
    opened_at: datetime
    decided_at: datetime | None
    by_gateway: bool


@attrs.frozen
class Disputes:
    """A page of disputes, newest first.

    ``count`` is the number of all disputes that match; ``next`` is the ``after`` of the next page.
    """

    disputes: tuple[Dispute, ...]
    count: int
    next: Id | None
