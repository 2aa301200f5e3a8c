"""Issue the receipt for a unit."""

import json
from datetime import datetime

from actors.ledger.messages import IssuedReceipt
from actors.ports import ReceiptSigner
from actors.verifier.case import Verdict
from rendertrust import receipt
from sql.checks import Pending


def issued(
    pending: Pending, verdict: Verdict, price: int, signer: ReceiptSigner | None, now: datetime
) -> IssuedReceipt | None:
    """Return the signed receipt; ``price`` is the charge.

    None if there is no signing key here, or the node signed no work record.
    """
    row = pending.row
    if verdict.outcome == "invalid" or signer is None or row.work is None or not row.node_signature:
        return None
    work = receipt.read_work(json.loads(row.work))
    if isinstance(work, str):
        return None
    key = signer.receipts()
    return receipt.issue(
        work,
        row.node_signature,
        verdict=verdict.outcome,
        price=price,
        issued=now,
        key=(key.public, key.sign),
        reason=verdict.reason,
    )
