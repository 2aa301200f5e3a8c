"""What operators earn: the effects that change it, for the Ledger, and the Paymaster's messages.

An effect is done by the Ledger alone, as those of jobs and units; each says who sends it.
"""

from datetime import timedelta
from typing import Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message

PayoutKind: TypeAlias = Literal["CREDITS", "MONEY"]


class Paymaster:
    """Marker: the address of the paymaster actor."""


@attrs.frozen
class EarningMature:
    """From the Paymaster. PENDING → PAYABLE, once the window is over, no dispute is open, and what
    the operator delivered before the end of the window has its verdict.
    """

    job: UUID
    unit: int


@attrs.frozen
class EarningClaim:
    """From the Paymaster. The share moves from suspense to ``owner``, who has the node now."""

    job: UUID
    unit: int
    owner: UUID


@attrs.frozen
class DisputeOpen:
    """From the web: the creator says that a unit was not worth its charge; once per unit.

    Within the window of what it earned; where it earned nothing, ``window`` from its end.
    ``by_gateway``: from the Verifier, as its node was found out and the unit was not compared.
    """

    id: UUID
    job: UUID
    unit: int
    user: UUID
    reason: str
    window: timedelta
    by_gateway: bool = False


@attrs.frozen
class DisputeDecide:
    """From the web, for an admin, or from the Verifier. OPEN → UPHELD: the creator gets the
    charge, the share is reversed; or REJECTED: the share is PAYABLE once its window is over.
    """

    job: UUID
    unit: int
    creator: UUID
    upheld: bool
    reason: str


@attrs.frozen
class PayoutTake:
    """From the web: pay an operator all that is payable, SHARES_MOST shares at most.

    CREDITS are his at once. MONEY is asked for: the shares stay PAYABLE, and belong to it.
    """

    id: UUID
    operator: UUID
    kind: PayoutKind


@attrs.frozen
class PayoutApprove:
    """From the web, for an admin. REQUESTED → APPROVED, in a batch."""

    id: UUID
    batch: UUID


@attrs.frozen
class PayoutReject:
    """From the web, for an admin. REQUESTED → REJECTED: the shares are free again.

    From APPROVED only with ``not_paid``: whoever sends the money may be about to; somebody has seen
    that it was not sent, or that it came back.
    """

    id: UUID
    not_paid: bool = False


@attrs.frozen
class PayoutPay:
    """From the web, for an admin. APPROVED → PAID: the money went out under ``reference``.

    Once: PAID under another one it stays as it is.
    """

    id: UUID
    reference: str


OfUnit: TypeAlias = EarningMature | EarningClaim | DisputeOpen | DisputeDecide
OfPayout: TypeAlias = PayoutTake | PayoutApprove | PayoutReject | PayoutPay
OperatorEffect: TypeAlias = OfUnit | OfPayout


@attrs.frozen
class FindMatured(Message[Paymaster, None]):
    """The Paymaster's own timer: look for shares whose window is over."""


@attrs.frozen
class FindClaimable(Message[Paymaster, None]):
    """From the web when a node got an owner; ``again`` is the Paymaster's own timer."""

    again: bool = False
