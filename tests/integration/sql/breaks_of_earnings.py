"""Shares in every state, and what breaks the invariants about them."""

from uuid import UUID

from actors.ledger.messages import SUSPENSE
from actors.paymaster.messages import DisputeDecide, EarningClaim, Misjudged
from actors.verifier.messages import Checked, UnitDeliver, UnitVerdict
from tests.integration.conformance.earnings import (
    Work,
    approve,
    decide,
    dispute,
    pay,
    reject,
    ripened,
    take,
    worked,
)
from tests.integration.conformance.stage import Stage, fresh_id

BREAKS_OF_EARNINGS = {
    "a share of another amount": (
        "i4_shares",
        "UPDATE earnings SET amount = amount + 1 WHERE state = 'PENDING'",
    ),
    "a share that is nobody's": (
        "i4_shares",
        (
            "DELETE FROM earnings WHERE state = 'PENDING' AND NOT EXISTS"
            " (SELECT FROM disputes d WHERE d.job_id = earnings.job_id)"
        ),
    ),
    "a share that was never booked": (
        "i4_shares",
        "UPDATE transfers SET reference = reference || 'x' WHERE kind = 'EARNING'",
    ),
    "a check that was paid for and not noted": (
        "i4_checks",
        "DELETE FROM earnings WHERE work = 'CHECK'",
    ),
    "a check that earned another amount": (
        "i4_checks",
        "UPDATE earnings SET amount = amount + 1 WHERE work = 'CHECK'",
    ),
    "a check that somebody else was paid for": (
        "i4_checks",
        (
            "UPDATE earnings SET operator_id = (SELECT id FROM users WHERE id <> operator_id"
            " LIMIT 1) WHERE work = 'CHECK'"
        ),
    ),
    "a check that was paid for without a verdict": (
        "i4_checks",
        "UPDATE checks SET verdict = 'unchecked'",
    ),
    "a check of one's own work that was paid for": (
        "i4_checks",
        (
            "UPDATE checks c SET operator = 'operator:' || e.operator_id FROM earnings e"
            " WHERE e.work = 'CHECK' AND c.job_id = e.job_id"
        ),
    ),
    "a share that is owed though it was reversed": (
        "i4_owed",
        "UPDATE earnings SET state = 'PENDING' WHERE state = 'REVERSED'",
    ),
    "a check that was shown wrong and is owed": (
        "i4_misjudged",
        "UPDATE earnings SET state = 'PENDING' WHERE state = 'REVERSED' AND work = 'CHECK'",
    ),
    "a check that is reversed and moved nothing": (
        "i4_misjudged",
        "UPDATE earnings SET state = 'REVERSED' WHERE state = 'PENDING' AND work = 'CHECK'",
    ),
    "what a check was paid, reversed without a dispute": (
        "i4_reversed",
        (
            "UPDATE disputes d SET state = 'REJECTED' FROM earnings e WHERE e.work = 'CHECK'"
            " AND e.state = 'REVERSED' AND d.job_id = e.job_id"
        ),
    ),
    "a share in suspense that is an operator's": (
        "i4_owed",
        "UPDATE earnings SET operator_id = NULL WHERE state = 'PENDING' AND work = 'RENDER'",
    ),
    "a share that another was paid for": (
        "i5_shares",
        (
            "UPDATE earnings SET operator_id = (SELECT id FROM users WHERE id <> operator_id"
            " LIMIT 1) WHERE state = 'PAID'"
        ),
    ),
    "a share that is paid twice": (
        "i4_owed",
        "UPDATE earnings SET state = 'PAYABLE', payout_id = NULL WHERE state = 'PAID'",
    ),
    "a dispute that gave nothing back": (
        "i4_disputed",
        "UPDATE disputes SET state = 'UPHELD', decided_at = now() WHERE state = 'OPEN'",
    ),
    "a dispute that gave too much back": (
        "i4_disputed",
        "UPDATE disputes SET charge = charge - 1 WHERE state = 'UPHELD'",
    ),
    "a share that is payable while it is disputed": (
        "i4_disputed",
        (
            "UPDATE earnings e SET state = 'PAYABLE' FROM disputes d"
            " WHERE d.job_id = e.job_id AND d.state = 'OPEN'"
        ),
    ),
    "a share that was reversed without a dispute": (
        "i4_reversed",
        "UPDATE disputes SET state = 'REJECTED' WHERE state = 'UPHELD'",
    ),
    "a payout of another amount": (
        "i5_payouts",
        "UPDATE payouts SET amount = amount + 1 WHERE state = 'PAID'",
    ),
    "a payout of money that never left": (
        "i5_payouts",
        (
            "UPDATE payouts SET state = 'PAID', closed_at = now(), batch_id = id"
            " WHERE state = 'REQUESTED'"
        ),
    ),
    "a payout that lost a share": (
        "i5_payouts",
        "UPDATE earnings SET payout_id = NULL WHERE state = 'PAYABLE' AND payout_id IS NOT NULL",
    ),
    "a payout that is not there": (
        "i5_paid",
        "UPDATE transfers SET reference = reference || 'x' WHERE kind = 'PAYOUT'",
    ),
    "a claim of another amount": (
        "i5_claims",
        "UPDATE transfers SET amount = amount + 1 WHERE kind = 'CLAIM'",
    ),
    "a claim for somebody else": (
        "i5_claims",
        (
            "UPDATE transfers SET credit = (SELECT id FROM accounts WHERE name = 'revenue')"
            " WHERE kind = 'CLAIM'"
        ),
    ),
}


async def checked_by(stage: Stage, operator: UUID) -> Work:
    """Somebody else's work of 100, for a look at which an operator is paid."""
    user, node, job = await stage.dispatched(100)
    delivered = UnitDeliver(job, 0, 1, node, "cpu", None, verified=True, operator=SUSPENSE)
    await stage.do(delivered)
    looked = (Checked(node, operator),)
    said = UnitVerdict(job, 0, 1, "exact", operator=SUSPENSE, checked=looked, check_percent=5)
    await stage.do(said)
    return Work(user, job, node)


async def misjudged_by(stage: Stage, operator: UUID) -> None:
    """What he had called valid, and one of the gateway's own saw that it is not."""
    work = await checked_by(stage, operator)
    await dispute(stage, work)
    of = (work.job, 0, work.creator)
    await stage.do(DisputeDecide(*of, True, "it is not", Misjudged(1, work.node)))


async def earnings_of_every_kind(stage: Stage) -> None:
    """Pending, disputed, payable, asked for, paid, sent, rejected, reversed, claimed, unowned."""
    otto, owner = await stage.user(), await stage.user()
    await ripened(stage, otto, 2)
    await take(stage, otto)
    for is_sent in (True, False):
        await ripened(stage, otto)
        payout = await take(stage, otto, "MONEY")
        assert payout is not None
        await approve(stage, payout, fresh_id())
        await (pay(stage, payout) if is_sent else reject(stage, payout, not_paid=True))
    await take(stage, otto, "MONEY")
    await ripened(stage, otto)
    for upheld in (True, False, None):
        work = await worked(stage, otto)
        await dispute(stage, work)
        if upheld is not None:
            await decide(stage, work, upheld=upheld)
    await checked_by(stage, otto)
    await misjudged_by(stage, otto)
    claimed = await worked(stage, None)
    await stage.do(EarningClaim(claimed.job, 0, owner))
    await worked(stage, None)
    await worked(stage, otto)
