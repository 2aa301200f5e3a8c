"""Keep a unit's receipt with the entry that pays for it."""

from typing import TYPE_CHECKING
from uuid import UUID

from rendertrust.receipt import IssuedReceipt
from sql.receipts import ReceiptRow

if TYPE_CHECKING:
    from actors.ledger.draft import Draft
    from sql.books import UnitRow


def keep(
    draft: "Draft", unit: "UnitRow", issued: IssuedReceipt, account: str, reference: str
) -> None:
    """Store the receipt with the entry booked under ``reference``."""
    paid = draft.transfers.get((account, "USAGE", reference))
    row = ReceiptRow(
        job_id=unit.job_id,
        unit=unit.number,
        attempt=unit.attempt,
        document=issued.document,
        hash=issued.hash,
        signature=issued.signature,
        entry_id=None if paid is None else paid[1].entry_id,
        issued_at=draft.now,
    )
    draft.receipts.put(_key(unit), row)


def _key(unit: "UnitRow") -> tuple[UUID, int]:
    return unit.job_id, unit.number
