"""Fines for invalid results: an operator forfeits pending shares, and may get them back.

A fine takes whole pending shares, newest first, until their sum covers it; so more than the fine
may be taken. A fine is taken once, with the verdict. An operator's stake is the sum of their newest
``STAKE_SHARES`` pending shares whose dispute window is open and that nobody disputes.
"""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

import attrs

from actors.ledger.draft import Draft
from actors.ledger.effects import Transfer, UnitDeliver
from actors.ledger.postings import Refusal, book
from sql.account_names import REVENUE, operator_of
from sql.books import UnitRow
from sql.checks import CheckId, CheckRow
from sql.earnings import EarningRow, FineRow
from sql.sampling import covered_odds

FINED: Final = "Fine for an invalid result"
RETURNED: Final = "Fine returned: the scene was at fault"


def draw_comparison(
    draft: Draft, unit: UnitRow, effect: UnitDeliver
) -> tuple[bool | None, float | None]:
    """Draw whether a delivery is compared with a verifier's renders; return also the odds.

    The less an operator has at stake, the greater are the odds.
    """
    if effect.draw is None:
        return None, None
    result = effect.result
    share = 0 if result.operator is None else unit.price * result.share_percent // 100
    odds = max(effect.odds, covered_odds(share, _stake(draft, operator_of(result.operator))))
    return effect.draw < odds, odds


def can_mature(draft: Draft, share: EarningRow) -> bool:
    """Return True if a share may become payable.

    Its dispute window is over, and all results that its operator delivered before the end of the
    window have their verdicts, or have waited longer than ``WITHHELD_MOST``.
    """
    waiting = None if share.operator_id is None else draft.waiting.get(share.operator_id)
    return draft.now >= share.payable_at and (waiting is None or waiting >= share.payable_at)


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


def _stake(draft: Draft, operator: UUID | None) -> int:
    """Return an operator's stake, less the shares that ceased to be pending in this batch."""
    if operator is None:
        return 0
    changed = sum(
        before.amount
        for key, before in draft.earnings.found.items()
        if (before.operator_id, before.state) == (operator, "PENDING")
        if before.payable_at > draft.now
        if (after := draft.earnings.get(key)) is not None and after.state != "PENDING"
    )
    return max(draft.stakes.get(operator, 0) - changed, 0)


def _pending(draft: Draft, operator: UUID) -> Iterator[EarningRow]:
    """Yield an operator's pending shares that the batch has locked, newest first."""
    found = [
        share
        for share in draft.earnings.all()
        if (share.operator_id, share.state) == (operator, "PENDING")
    ]
    yield from sorted(found, key=lambda share: (share.earned_at, share.id), reverse=True)
