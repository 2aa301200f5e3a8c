"""What a gateway says of earnings, payouts and disputes; as in ``answers``."""

from datetime import datetime

import attrs


@attrs.frozen
class Share:
    """What a unit earned: pending until ``payable_at``, longer while it is ``disputed``.

    ``entry_id``: the entry that pays it; ``entry_proof(entry_id)`` gives its proof, which is at
    ``proof_path``. ``receipt_path``: ``receipt(job_id, unit=unit)`` gives what was signed of it;
    None: nothing. ``why``: of one that is reversed or forfeited.
    """

    id: str
    job_id: str
    unit: int
    node_id: str
    amount: str
    state: str  # pending, payable, paid, reversed or forfeited
    disputed: bool
    earned_at: datetime
    payable_at: datetime
    payout_id: str | None
    work: str = "render"
    receipt_path: str | None = None
    entry_id: int | None = None
    proof_path: str | None = None
    why: str | None = None


@attrs.frozen
class EarningTotals:
    """``payable`` is what a payout would pay now; ``requested`` is on its way as money."""

    pending: str
    payable: str
    requested: str
    paid: str
    reversed: str
    forfeited: str = "0.0000"


@attrs.frozen
class Earnings:
    """Newest first; ``count`` is how many match, not how many are here; totals are of all."""

    earnings: tuple[Share, ...]
    count: int
    next: str | None
    totals: EarningTotals


@attrs.frozen
class Payout:
    """``to`` is credits or money; ``reference`` that of the transfer of money."""

    id: str
    to: str
    amount: str
    units: int
    state: str  # requested, approved, paid or rejected
    batch_id: str | None
    reference: str
    requested_at: datetime
    closed_at: datetime | None


@attrs.frozen
class Payouts:
    """Newest first; ``count`` is how many there are, not how many are here."""

    payouts: tuple[Payout, ...]
    count: int
    next: str | None = None


@attrs.frozen
class StatementLine:
    """One entry; an amount below 0 went out."""

    entry_id: int
    at: datetime
    kind: str  # earned, checked, claimed, reversed, fined or paid
    amount: str
    balance: str
    job_id: str | None
    unit: int | None
    node_id: str | None
    payout_id: str | None
    description: str


@attrs.frozen
class Statement:
    """An operator's account in a month, UTC: ``closing`` is pending and payable together."""

    month: str
    operator_id: str
    opening: str
    earned: str
    claimed: str
    reversed: str
    paid: str
    closing: str
    lines: tuple[StatementLine, ...]
    next: int | None
    checked: str = "0.0000"
    fined: str = "0.0000"


@attrs.frozen
class Dispute:
    """``charge`` is given back if it is upheld; ``decision`` says why it was or was not.

    ``by_gateway``: the gateway opened it, as another result of the node was invalid.
    """

    id: str
    job_id: str
    unit: int
    reason: str
    charge: str
    state: str  # open, upheld or rejected
    decision: str
    opened_at: datetime
    decided_at: datetime | None
    by_gateway: bool = False


@attrs.frozen
class Disputes:
    """Newest first; ``count`` is how many match, not how many are here."""

    disputes: tuple[Dispute, ...]
    count: int
    next: str | None = None
