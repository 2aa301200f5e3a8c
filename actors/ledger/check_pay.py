"""What checks earn, over a draft of the books: from revenue, in the transaction of the verdict."""

from actors.ledger.draft import Draft
from actors.ledger.messages import REVENUE, Transfer, operator_account
from actors.ledger.postings import Refusal, book
from actors.verifier.messages import Checked, UnitVerdict
from sql.books import UnitRow
from sql.earnings import EarningRow

WORDS = "Checked another's work"


def check_reference(effect: UnitVerdict) -> str:
    """The reference of what is paid for checks of one attempt, once to each owner."""
    return f"check:{effect.job}:{effect.unit}:{effect.attempt}"


def pay_checks(draft: Draft, unit: UnitRow, effect: UnitVerdict) -> bool | Refusal:
    """Pay those on whose word the verdict rests; rounded down, and nothing below one unit."""
    amount = unit.price * effect.check_percent // 100
    if amount == 0:
        return False
    for one in effect.checked:
        account = operator_account(one.owner)
        reference = check_reference(effect)
        moved = book(draft, Transfer(REVENUE, account, account, amount, "CHECK", reference, WORDS))
        if not isinstance(moved, bool):
            return moved
        share = _share(draft, effect, one, amount)
        draft.check_pay.put(share.id, share)
    return True


def _share(draft: Draft, effect: UnitVerdict, one: Checked, amount: int) -> EarningRow:
    return EarningRow(
        id=draft.uuid(),
        job_id=effect.job,
        unit=effect.unit,
        node_id=one.node,
        operator_id=one.owner,
        amount=amount,
        state="PAYABLE",  # nobody disputes a check
        earned_at=draft.now,
        payable_at=draft.now,
        work="CHECK",
        attempt=effect.attempt,
    )
