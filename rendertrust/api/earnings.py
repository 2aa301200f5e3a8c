"""Response models for earnings, payouts, statements and disputes."""

from datetime import datetime
from typing import Annotated, Final, TypeAlias

import attrs

from rendertrust.value_types import Credits, Id, Limits

ShareState: TypeAlias = Annotated[
    str, Limits(enum=("forfeited", "paid", "payable", "pending", "reversed"))
]
ShareWork: TypeAlias = Annotated[str, Limits(enum=("check", "render"))]
SumsBy: TypeAlias = Annotated[str, Limits(enum=("day", "node", "device"))]
PayoutTarget: TypeAlias = Annotated[str, Limits(enum=("credits", "money"))]
PayoutSchedule: TypeAlias = Annotated[str, Limits(enum=("by_hand", "monthly", "weekly"))]
PayoutState: TypeAlias = Annotated[str, Limits(enum=("approved", "paid", "rejected", "requested"))]
LineKind: TypeAlias = Annotated[
    str, Limits(enum=("checked", "claimed", "earned", "fined", "paid", "reversed"))
]
PROBLEMS: Final = ("black", "noise", "missing", "size", "differs", "other")
ProblemKind: TypeAlias = Annotated[str, Limits(enum=PROBLEMS)]
Fraction: TypeAlias = Annotated[float, Limits(ge=0, le=1)]
UnpaidReason: TypeAlias = Annotated[
    str, Limits(enum=("fined", "invalid", "refunded", "unproved", "unverified"))
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
class EarningSum:
    """Your earnings on a day, with a node or a kind of device, or in the whole period; and the work
    of your nodes.

    ``day`` (UTC, like 2026-03-31), ``node_id`` and ``node_name``, or ``device_class`` (without the
    build of Blender) say what the sum is of. ``speed``, only of devices: their work in a second, in
    seconds of the machine that measures prices; null if too few units have measured prices.
    ``lost`` was earned and later reversed or forfeited; it is not part of ``earned``. ``seconds``
    is the time in which nodes worked on units that were completed, from the start to the delivery;
    ``per_hour`` is ``earned`` for each hour of it, null for less than a minute.
    """

    day: str | None
    node_id: Id | None
    node_name: str | None
    earned: Credits
    lost: Credits
    units: int
    frames: int
    seconds: float
    per_hour: Credits | None
    device_class: str | None
    speed: float | None


@attrs.frozen
class EarningSums:
    """Your earnings from day ``first`` to day ``last``, by day, by node or by device.

    Days are oldest first, and only those with earnings or work; of nodes, the 1,000 that earned
    most; of devices, checked results alone. ``nodes`` counts all nodes with earnings or work;
    ``total`` is the sum of all.
    """

    first: str
    last: str
    by: SumsBy
    sums: tuple[EarningSum, ...]
    nodes: int
    total: EarningSum


@attrs.frozen
class UnpaidResult:
    """A result of your node that was not paid; ``amount`` is what it would have earned.

    ``reason``: ``fined``, another result of your nodes was invalid; ``refunded``, a dispute was
    upheld; ``invalid``; ``unproved``, the node had not proved its key; or ``unverified``. ``why``
    says it in a sentence. ``dispute_id`` is the unit's dispute, and ``picture_path`` the address of
    its creator's comparison picture, if there is one. ``comparison_path``: of an invalid result
    whose frame a verifier rendered again, where the download address of its comparison picture is.
    """

    job_id: Id
    unit: int
    node_id: Id
    node_name: str
    at: datetime
    amount: Credits
    reason: UnpaidReason
    why: str
    dispute_id: Id | None
    picture_path: str | None
    comparison_path: str | None


@attrs.frozen
class UnpaidResults:
    """Results from day ``first`` to day ``last`` that were not paid, newest first.

    ``has_more``: there are more in these days; ask for fewer days.
    """

    first: str
    last: str
    results: tuple[UnpaidResult, ...]
    has_more: bool


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
class PayoutRules:
    """The schedule and the minimum of your payouts.

    ``schedule``: ``by_hand``, ``weekly`` (Mondays) or ``monthly`` (the first). ``least``: what a
    payout has at least, by your ``minimum`` and, for money, the gateway's. ``next_at``: the next
    date, on which everything payable is paid out, or nothing if it is less; null by hand.
    """

    schedule: PayoutSchedule
    to: PayoutTarget
    minimum: Credits
    least: Credits
    next_at: datetime | None


@attrs.frozen
class PayoutAccount:
    """The account to which an operator has money sent.

    ``method``: how, such as SEPA; ``account``: where to, such as an IBAN. ``currency``: as in ISO
    4217, in small letters.
    """

    method: str
    account: str = attrs.field(repr=False)
    currency: str
    changed_at: datetime


@attrs.frozen
class OwnPayoutAccount(PayoutAccount):
    """Your payout account, with only the end of ``account``: the API gives it whole only to
    admins who send money.

    Payouts use it from ``usable_at``, and the account ``until_then`` before; if that is null they
    wait.
    """

    usable_at: datetime
    until_then: PayoutAccount | None


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
class PictureRegion:
    """A rectangle of a picture, as fractions of its width and height; 0, 0 is the upper left."""

    x: Fraction
    y: Fraction
    width: Fraction
    height: Fraction


@attrs.frozen
class DisputeAnswer:
    """The answer of the disputed result's operator, before the decision. ``region`` is the place
    in the picture; null: the whole picture.
    """

    text: str
    region: PictureRegion | None
    answered_at: datetime


@attrs.frozen
class Dispute:
    """A dispute of a unit's charge, which is refunded if the dispute is upheld.

    ``decision`` is the reason why the dispute was upheld or rejected. With ``by_gateway``, the
    gateway opened the dispute because another result of the operator was invalid. A check of the
    unit decides such a dispute. ``problem`` is what its creator reports: a ``black`` or empty
    picture, ``noise``, something that is ``missing``, a wrong ``size`` or format, a picture that
    ``differs`` from their own render, or an ``other`` problem; ``region`` is the place. Both may be
    null. ``answer`` is the operator's, if they gave one.
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
    problem: ProblemKind | None = attrs.field(default=None, kw_only=True)
    region: PictureRegion | None = attrs.field(default=None, kw_only=True)
    answer: DisputeAnswer | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class WorkDispute:
    """A dispute about your node's work, as you see it: without the creator's words.

    ``share`` is your earning, which is reversed if the dispute is upheld. The other fields are
    those of ``Dispute``.
    """

    id: Id
    job_id: Id
    unit: int
    share: Credits
    state: DisputeState
    decision: str
    opened_at: datetime
    decided_at: datetime | None
    by_gateway: bool
    problem: ProblemKind | None
    region: PictureRegion | None
    answer: DisputeAnswer | None


@attrs.frozen
class WorkDisputes:
    """A page of disputes about your nodes' work, newest first.

    ``count`` is the number of all that match; ``next`` is the ``after`` of the next page.
    """

    disputes: tuple[WorkDispute, ...]
    count: int
    next: Id | None


@attrs.frozen
class Disputes:
    """A page of disputes, newest first.

    ``count`` is the number of all disputes that match; ``next`` is the ``after`` of the next page.
    """

    disputes: tuple[Dispute, ...]
    count: int
    next: Id | None
