"""What admins do to somebody's credits, as orders to the Ledger: the act is part of the order.

So what was done and its record are one transaction, and neither is there without the other.
"""

import hashlib
from collections.abc import Callable
from uuid import UUID

import attrs

from actors.ledger.messages import (
    ADJUSTMENTS,
    REVENUE,
    Commit,
    IdempotencyKey,
    Transfer,
    user_account,
    work_reference,
)
from rendertrust import money
from sql.audit import Act
from sql.credits import ChargedUnit

GRANT, ADJUST, REFUND = "credits.grant", "credits.adjust", "credits.refund"
WORDS = {GRANT: "Granted", ADJUST: "Adjusted"}


@attrs.frozen
class CreditMovement:
    """So many units, above 0 to the user and below 0 from him; once under the reference."""

    act: str  # GRANT or ADJUST
    user: UUID
    units: int
    reference: UUID
    description: str


def order_of(movement: CreditMovement, act: Act, key: IdempotencyKey | None = None) -> Commit:
    """The platform's adjustments to the user, or the other way."""
    user = user_account(movement.user)
    up = movement.units > 0
    reference = f"{movement.act.removeprefix('credits.')}:{movement.reference}"
    transfer = Transfer(
        debit=ADJUSTMENTS if up else user,
        credit=user if up else ADJUSTMENTS,
        subject=user,
        amount=abs(movement.units),
        kind="ADJUSTMENT",
        reference=reference,
        description=movement.description or WORDS[movement.act],
    )
    details = {"amount": money.render(movement.units), "reference": reference}
    return Commit((transfer,), idempotency=key, act=attrs.evolve(act, details=details))


def refund_of(
    unit: ChargedUnit, units: int, description: str, act: Act, key: IdempotencyKey | None = None
) -> Commit:
    """Out of revenue, once for each unit of work: its reference is the work's.

    What was charged for a unit that has ended never changes, so looking at it before is enough.
    """
    user, reference = user_account(unit.user_id), work_reference(unit.job_id, unit.number)
    transfer = Transfer(
        debit=REVENUE,
        credit=user,
        subject=user,
        amount=units,
        kind="REFUND",
        reference=reference,
        description=description or f"Refund: {unit.job_type}",
    )
    details = {"amount": money.render(units), "reference": reference}
    return Commit((transfer,), idempotency=key, act=attrs.evolve(act, details=details))


def reference_of(who: str, key: str | None, fresh: Callable[[], UUID]) -> UUID:
    """The same one for the same key of the same admin: what was done under it is found again."""
    if key is None:
        return fresh()
    return UUID(bytes=hashlib.sha256(f"{who}\n{key}".encode()).digest()[:16], version=4)
