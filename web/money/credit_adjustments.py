"""Admins' adjustments of credits, as orders to the Ledger that include the audit record.

So the change and its record are one transaction, and neither exists without the other.
"""

import hashlib
from collections.abc import Callable
from uuid import UUID

import attrs

from actors.ledger.effects import Transfer
from actors.ledger.messages import Commit, IdempotencyKey
from rendertrust import money
from sql.account_names import ADJUSTMENTS, REVENUE, user_account, work_reference
from sql.audit_log import Act
from sql.credits import ChargedUnit

GRANT, ADJUST, REFUND = "credits.grant", "credits.adjust", "credits.refund"
WORDS = {GRANT: "Granted", ADJUST: "Adjusted"}


@attrs.frozen
class CreditMovement:
    """A grant or an adjustment, made once per ``reference``.

    ``units``: the amount in 1/10,000 credit; below 0 the user loses it.
    """

    act: str  # GRANT or ADJUST
    user: UUID
    units: int
    reference: UUID
    description: str


def order_of(movement: CreditMovement, act: Act, key: IdempotencyKey | None = None) -> Commit:
    """Return a transfer from the platform's adjustments to the user, or the reverse."""
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
    """Return a refund out of revenue. The refund has the reference of the unit's charge, so a unit
    is refunded once.

    The charge of an ended unit never changes, so reading the charge before the commit is safe.
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
    """Return one reference per admin and key, so that retries are found; new if there is no key."""
    if key is None:
        return fresh()
    return UUID(bytes=hashlib.sha256(f"{who}\n{key}".encode()).digest()[:16], version=4)
