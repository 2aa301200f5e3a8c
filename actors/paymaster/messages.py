"""Effects on operators' earnings, for the Ledger, and messages of the Paymaster.

As with effects on jobs and units, only the Ledger applies them; each docstring says who sends it.
"""

from datetime import timedelta
from typing import Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message
from actors.verifier.messages import UnitVerdict

PayoutKind: TypeAlias = Literal["CREDITS", "MONEY"]


class Paymaster:
    """Marker: the address of the paymaster actor."""


@attrs.frozen
class EarningMature:
    """From the Paymaster. PENDING → PAYABLE.

    Guards: the window is over, no dispute is open, and all deliveries of the operator from before
    the end of the window have their verdicts.
    """

    job: UUID
    unit: int


@attrs.frozen
class EarningClaim:
    """From the Paymaster.

    The share moves from suspense to ``owner``, the present owner of the node.
    """

    job: UUID
    unit: int
    owner: UUID


@attrs.frozen
class DisputeOpen:
    """From the web: the creator disputes the charge of a unit, once per unit.

    If the gateway has opened a dispute of the unit and it was rejected, the creator may still open
    one. It must come within the window of the share or, without a share, within ``window`` after
    the unit's end. ``by_gateway``: from the Verifier, because the node delivered an invalid result
    elsewhere and this unit was not compared.
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
    """From the web, for an admin, or from the Verifier. OPEN → UPHELD or REJECTED.

    UPHELD: the charge is refunded and the share is reversed. REJECTED: the share is PAYABLE once
    its window is over. ``verdict``: that of the check that found the result invalid; it replaces
    the earlier verdict, with its strike and fine.
    """

    job: UUID
    unit: int
    creator: UUID
    upheld: bool
    reason: str
    verdict: UnitVerdict | None = None


@attrs.frozen
class PayoutTake:
    """From the web: pay an operator everything that is payable, at most SHARES_MOST shares.

    CREDITS are available at once. MONEY is requested: the shares stay PAYABLE and are reserved for
    the payout.
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

    From APPROVED only with ``not_paid``, because the money may be about to be sent: an admin
    confirms that it was not sent, or came back.
    """

    id: UUID
    not_paid: bool = False


@attrs.frozen
class PayoutPay:
    """From the web, for an admin. APPROVED → PAID: the money was sent under ``reference``.

    A payout that is PAID under another reference does not change.
    """

    id: UUID
    reference: str


OfUnit: TypeAlias = EarningMature | EarningClaim | DisputeOpen | DisputeDecide
OfPayout: TypeAlias = PayoutTake | PayoutApprove | PayoutReject | PayoutPay
OperatorEffect: TypeAlias = OfUnit | OfPayout


@attrs.frozen
class FindMatured(Message[Paymaster, None]):
    """From the Paymaster's own timer: look for shares whose window is over."""


@attrs.frozen
class FindClaimable(Message[Paymaster, None]):
    """From the web, after a node got an owner; ``again``: from the Paymaster's own timer."""

    again: bool = False
