"""Fines for invalid results: an operator forfeits pending shares, and may get them back.

A fine takes whole pending shares, newest first, until their sum covers it; so more than the fine
may be taken. A fine is taken once, with the verdict.
"""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

import attrs

from actors.ledger.draft import Draft
from actors.ledger.effects import Transfer
from actors.ledger.postings import Refusal, book
from sql.account_names import REVENUE, operator_of
from sql.checks import CheckId, CheckRow
from sql.earnings import EarningRow, FineRow

FINED: Final = "Fine for an invalid result"
RETURNED: Final = "Fine returned: the scene was at fault"


def forfeit(draft: Draft, row: CheckRow, fine: int) -> Refusal | None:
    """Take a fine from the pending shares of the operator of an invalid result."""
    operator, of_unit = operator_of(row.operator), (row.job_id, row.unit)
    is_withdrawn = any(one.withdrawn for one in draft.checks.all() if one.id[:2] == of_unit)
    if operator is None or row.operator is None or is_withdrawn:
        return None
    taken = list[EarningRow]()
    for share in _pending(draft, operator):
        if sum(one.amount for one in taken) >= fine:
            break
        taken.append(share)
    for share in taken:
        draft.earnings.put((share.job_id, share.unit), attrs.evolve(share, state="FORFEITED"))
        noted = FineRow(share.id, *row.id, draft.now)
        draft.fines.put(noted.id, noted)
    amount = sum(one.amount for one in taken)
    return _move(draft, (row.operator, REVENUE, row.operator), amount, reference_of(row.id), FINED)


def return_fines(draft: Draft, last: CheckRow) -> Refusal | None:
    """Pay the fines for a unit's results back, as its scene turned out to be at fault.

    ``last``: the check of the unit's last result; if it was not drawn for a comparison, nothing is
    paid back. The same holds if a result with the same picture was certain to be compared: a new
    account, which risks nothing, could otherwise excuse another's invalid result. A share stays
    forfeited if its creator was refunded after a dispute, which would have reversed it.
    """
    unit = last.id[:2]
    results = [one for one in draft.checks.all() if one.id[:2] == unit and one.drawn]
    alike = [one for one in results if one.picture == last.picture]
    if not last.drawn or any(one.odds is None or one.odds >= 1 for one in alike):
        return None
    shares = {share.id: share for share in draft.earnings.all()}
    returned: dict[tuple[str, CheckId], int] = {}
    for noted in draft.fines.all():
        share, invalid = shares[noted.share_id], noted.id[1]
        dispute = draft.disputes.get((share.job_id, share.unit))
        is_upheld = dispute is not None and dispute.state == "UPHELD"
        if noted.returned_at is not None or invalid[:2] != unit or is_upheld:
            continue
        draft.earnings.put((share.job_id, share.unit), attrs.evolve(share, state="PENDING"))
        draft.fines.put(noted.id, attrs.evolve(noted, returned_at=draft.now))
        of = (share.account, invalid)
        returned[of] = returned.get(of, 0) + share.amount
    for (account, invalid), amount in sorted(returned.items()):
        sides, reference = (REVENUE, account, account), f"{reference_of(invalid)}:back"
        refusal = _move(draft, sides, amount, reference, RETURNED)
        if refusal is not None:
            return refusal
    return None


def reference_of(invalid: CheckId) -> str:
    """Return the reference of the fine for a result."""
    job, unit, attempt = invalid
    return f"fine:{job}:{unit}:{attempt}"


def _move(
    draft: Draft, sides: tuple[str, str, str], amount: int, reference: str, words: str
) -> Refusal | None:
    moved = amount == 0 or book(draft, Transfer(*sides, amount, "FINE", reference, words))
    return None if isinstance(moved, bool) else moved


def _pending(draft: Draft, operator: UUID) -> Iterator[EarningRow]:
    """Yield an operator's pending shares that the batch has locked, newest first."""
    found = [
        share
        for share in draft.earnings.all()
        if (share.operator_id, share.state) == (operator, "PENDING")
    ]
    yield from sorted(found, key=lambda share: (share.earned_at, share.id), reverse=True)
