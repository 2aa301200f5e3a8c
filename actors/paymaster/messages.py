"""Effects on operators' earnings, for the Ledger, and messages of the Paymaster.

Only the Ledger applies the effects. Each docstring of an effect or message names its sender.
"""

from datetime import timedelta
from typing import Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message
from actors.verifier.messages import UnitVerdict
from sql.earnings import GivenComparison

PayoutKind: TypeAlias = Literal["CREDITS", "MONEY"]


class Paymaster:
    """Marker type for the address of the paymaster actor."""


@attrs.frozen
class EarningMature:
    """From the Paymaster: a share becomes payable. PENDING → PAYABLE.

    Guards: the share's dispute window is over, no dispute is open, and all deliveries of the
    operator from before the end of the window have their verdicts.
    """

    job: UUID
    unit: int


@attrs.frozen
class EarningClaim:
    """From the Paymaster: a share moves from suspense to ``owner``, the node's present owner."""

    job: UUID
    unit: int
    owner: UUID


@attrs.frozen
class DisputeOpen:
    """From the web: the creator disputes the charge of a unit, once per unit.

    A creator may open a dispute even if a dispute by the gateway was rejected. A dispute must be
    opened within the window of the share or, without a share, within ``window`` after the unit's
    end. ``by_gateway``: from the Verifier, because the node delivered an invalid result elsewhere
    and this unit was not compared. A dispute by the gateway may follow a rejected dispute by the
    creator. ``comparison``: the creator's comparison with their own render; a check then decides
    the dispute.
    """

    id: UUID
    job: UUID
    unit: int
    user: UUID
    reason: str
    window: timedelta
    by_gateway: bool = False
    comparison: GivenComparison | None = None


@attrs.frozen
class DisputeDecide:
    """From the web, for an admin, or from the Verifier. OPEN → UPHELD or REJECTED.

    UPHELD: the charge is refunded and the share is reversed. REJECTED: the share is PAYABLE once
    its dispute window is over. ``verdict``: if a check found the result invalid, the verdict of
    that check. That verdict replaces the earlier verdict, with strike and fine.
    """

    job: UUID
    unit: int
    creator: UUID
    upheld: bool
    reason: str
    verdict: UnitVerdict | None = None


@attrs.frozen
class PayoutTake:
    """From the web: pay an operator their payable shares, at most SHARES_MOST of them.

    CREDITS are available at once. MONEY is requested: the shares stay PAYABLE and are reserved for
    the payout.
    """

    id: UUID
    operator: UUID
    kind: PayoutKind


@attrs.frozen
class PayoutApprove:
    """From the web, for an admin: approve a payout in a batch. REQUESTED → APPROVED."""

    id: UUID
    batch: UUID


@attrs.frozen
class PayoutReject:
    """From the web, for an admin: reject a payout and free its shares. REQUESTED → REJECTED.

    APPROVED → REJECTED only with ``not_paid``, as the money may be about to be sent. With
    ``not_paid`` an admin confirms that the money was not sent, or was returned.
    """

    id: UUID
    not_paid: bool = False


@attrs.frozen
class PayoutPay:
    """From the web, for an admin: the money was sent under ``reference``. APPROVED → PAID.

    A payout that is PAID under another reference does not change.
    """

    id: UUID
    reference: str


OfUnit: TypeAlias = EarningMature | EarningClaim | DisputeOpen | DisputeDecide
OfPayout: TypeAlias = PayoutTake | PayoutApprove | PayoutReject | PayoutPay
OperatorEffect: TypeAlias = OfUnit | OfPayout


@attrs.frozen
class FindMatured(Message[Paymaster, None]):
    """From the Paymaster's own timer: look for shares whose dispute window is over."""


@attrs.frozen
class FindClaimable(Message[Paymaster, None]):
    """From the web, after a node got an owner: look for shares in suspense that have an owner now.

    ``again``: from the Paymaster's own timer, which is then set again.
    """

    again: bool = False
