"""Receipts as they are kept."""

from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Database


@attrs.frozen
class ReceiptRow:
    """``document`` is canonical JSON, ``hash`` its SHA-256; ``entry_id`` None: it cost nothing."""

    job_id: UUID
    unit: int
    attempt: int
    document: str = attrs.field(repr=False)
    hash: bytes
    signature: bytes = attrs.field(repr=False)
    entry_id: int | None
    issued_at: datetime


@attrs.frozen
class WithdrawnRow:
    """The entry that gave back what a receipt says was paid."""

    entry_id: int
    at: datetime


@attrs.frozen
class ShownReceipt:
    """A receipt, and how its verdict was found.

    ``device_class`` is that of its node, '' if nobody knows it. ``is_verified``: a verifier opened
    the result, or compared it. ``compared``, ``remade`` and ``distance`` as of a ``CheckRow``.
    """

    document: str = attrs.field(repr=False)
    hash: bytes
    issued_at: datetime
    device_class: str
    said: str
    compared: str | None
    remade: bool
    distance: float | None
    is_verified: bool
    verifier_class: str | None
    is_embedded: bool


class Receipts:
    """What the web reads of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, job: UUID, unit: int, owner: UUID | None) -> ReceiptRow | None:
        """The receipt of a unit, if ``owner`` ordered it, or earned by it; None: whoever asks."""
        row = await self._database.one("receipt_of_unit", job, unit, owner)
        return None if row is None else ReceiptRow(**row)

    async def shown(self, job: UUID, unit: int) -> ShownReceipt | None:
        """The receipt of a unit, for anybody."""
        row = await self._database.one("receipt_shown", job, unit)
        return None if row is None else ShownReceipt(**row)

    async def withdrawn(self, job: UUID, unit: int) -> WithdrawnRow | None:
        """Whether the charge of a unit was given back, as it was found wrong later."""
        row = await self._database.one("receipt_withdrawn", job, unit)
        return None if row is None else WithdrawnRow(**row)
