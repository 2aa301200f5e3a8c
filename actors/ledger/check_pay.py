"""What checks earn, over a draft of the books: of what was charged, in the verdict's transaction.

Who calls something wrong earns nothing by it: nobody is charged then, and several accounts of one
person could find each other's lies for ever.
"""

from datetime import timedelta

from actors.ledger.draft import Draft
from actors.ledger.messages import REVENUE, Transfer, operator_account
from actors.ledger.postings import Refusal, book
from actors.verifier.messages import Checked, UnitVerdict, earns
from sql.books import UnitRow
from sql.checks import CheckRow
from sql.earnings import EarningRow

PAID = ("exact", "match", "consistent")
WORDS = "Checked another's work"


def check_reference(effect: UnitVerdict) -> str:
    """The reference of what is paid for checks of one attempt, once to each owner."""
    return f"check:{effect.job}:{effect.unit}:{effect.attempt}"


def pay_checks(draft: Draft, unit: UnitRow, row: CheckRow, effect: UnitVerdict) -> bool | Refusal:
    """Pay those on whose word the verdict rests; rounded down, and nothing below one unit."""
    amount = unit.price * effect.check_percent // 100
    is_charged = effect.verdict in PAID and earns(row, effect.verdict, pays=effect.pays)
    if amount == 0 or not is_charged:
        return False
    for one in effect.checked:
        account = operator_account(one.owner)
        reference = check_reference(effect)
        moved = book(draft, Transfer(REVENUE, account, account, amount, "CHECK", reference, WORDS))
        if not isinstance(moved, bool):
            return moved
        share = _share(draft, row, one, amount)
        draft.check_pay.put(share.id, share)
    return True


def _share(draft: Draft, row: CheckRow, one: Checked, amount: int) -> EarningRow:
    """It waits as the unit's share does: whoever passed a lie is not gone with it at once."""
    return EarningRow(
        id=draft.uuid(),
        job_id=row.job_id,
        unit=row.unit,
        node_id=one.node,
        operator_id=one.owner,
        amount=amount,
        state="PENDING",
        earned_at=draft.now,
        payable_at=draft.now + timedelta(seconds=row.window_seconds),
        work="CHECK",
        attempt=row.attempt,
    )
