"""Stored receipts."""

from datetime import datetime
from uuid import UUID

import attrs

from rendertrust.comparison_method import ComparisonMethod
from sql.database import Table


@attrs.frozen
class ReceiptRow:
    """A receipt. ``document`` is canonical JSON, ``hash`` its SHA-256.

    ``entry_id`` is None for work that was free.
    """

    job_id: UUID
    unit: int
    attempt: int
    document: str = attrs.field(repr=False)
    hash: bytes
    signature: bytes = attrs.field(repr=False)
    entry_id: int | None
    issued_at: datetime


@attrs.frozen
class NewReceipt:
    """A receipt to write. ``paid_by``: the key of the transfer that pays; None for free work."""

    job_id: UUID
    unit: int
    attempt: int
    document: str = attrs.field(repr=False)
    hash: bytes
    signature: bytes = attrs.field(repr=False)
    paid_by: UUID | None
    issued_at: datetime


@attrs.frozen
class WithdrawnRow:
    """The entry that refunded the charge of a receipt."""

    entry_id: int
    at: datetime


@attrs.frozen
class ShownReceipt:
    """A receipt, and how the verdict on the result was found.

    ``device_class``: the node's device class, '' if unknown. ``is_verified``: a verifier opened or
    compared the result. ``method``, ``compared``, ``remade`` and ``distance`` as in ``CheckRow``.
    """

    document: str = attrs.field(repr=False)
    hash: bytes
    issued_at: datetime
    device_class: str
    method: ComparisonMethod | None = attrs.field(
        converter=attrs.converters.optional(ComparisonMethod)
    )
    compared: str | None
    remade: bool
    distance: float | None
    is_verified: bool
    verifier_class: str | None
    is_embedded: bool


class Receipts(Table):
    """Reads of receipts for the web."""

    async def of(self, job: UUID, unit: int, owner: UUID | None) -> ReceiptRow | None:
        """Return the receipt of a unit if ``owner`` is its creator or operator.

        ``owner`` None: the caller may see every receipt.
        """
        return await self._database.row(ReceiptRow, "receipt_of_unit", job, unit, owner)

    async def shown(self, job: UUID, unit: int) -> ShownReceipt | None:
        """Return the receipt of a unit, for any user."""
        return await self._database.row(ShownReceipt, "receipt_shown", job, unit)

    async def withdrawn(self, job: UUID, unit: int) -> WithdrawnRow | None:
        """Return the refund of a unit whose dispute was upheld, if there is one."""
        return await self._database.row(WithdrawnRow, "receipt_withdrawn", job, unit)
