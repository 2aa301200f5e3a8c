"""Earnings in every state, and SQL statements that break the invariants about them."""

from uuid import UUID

from actors.ledger.effects import EarningClaim, UnitComplete, UnitDeliver, UnitVerdict
from sql.account_names import operator_account
from tests.integration.conformance.earnings import (
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
        "transfers_i4_earnings",
        "UPDATE earnings SET amount = amount + 1 WHERE state = 'PENDING'",
    ),
    "a share that is nobody's": (
        "transfers_i4_earnings",
        (
            "DELETE FROM earnings WHERE state = 'PENDING' AND NOT EXISTS"
            " (SELECT FROM disputes d WHERE d.job_id = earnings.job_id)"
        ),
    ),
    "a share that was never booked": (
        "whole_i4_shares",
        "UPDATE transfers SET reference = reference || 'x' WHERE kind = 'EARNING'",
    ),
    "a share that is owed though it was reversed": (
        "whole_i4_owed",
        "UPDATE earnings SET state = 'PENDING' WHERE state = 'REVERSED'",
    ),
    "a share that was forfeited and moved nothing": (
        "whole_i4_fines",
        "UPDATE earnings SET state = 'FORFEITED' WHERE state = 'PENDING'",
    ),
    "a fine that was more than the share": (
        "whole_i4_fines",
        "UPDATE transfers SET amount = amount + 1 WHERE kind = 'FINE'",
    ),
    "a fine for what was no strike": (
        "transfers_i4_fines",
        "UPDATE checks SET strike = false WHERE strike",
    ),
    "a fine of more than was due": (
        "whole_i4_fined",
        "UPDATE checks SET odds = 0.99 WHERE odds < 1",
    ),
    "a share in suspense that is an operator's": (
        "whole_i4_owed",
        "UPDATE earnings SET operator_id = NULL WHERE state = 'PENDING'",
    ),
    "a share that another was paid for": (
        "whole_i5_shares",
        (
            "UPDATE earnings SET operator_id = (SELECT id FROM users WHERE id <> operator_id"
            " LIMIT 1) WHERE state = 'PAID'"
        ),
    ),
    "a share that is paid twice": (
        "whole_i4_owed",
        "UPDATE earnings SET state = 'PAYABLE', payout_id = NULL WHERE state = 'PAID'",
    ),
    "a dispute that gave nothing back": (
        "whole_i4_disputed",
        "UPDATE disputes SET state = 'UPHELD', decided_at = now() WHERE state = 'OPEN'",
    ),
    "a dispute that gave too much back": (
        "whole_i4_disputed",
        "UPDATE disputes SET charge = charge - 1 WHERE state = 'UPHELD'",
    ),
    "a share that is payable while it is disputed": (
        "whole_i4_disputed",
        (
            "UPDATE earnings e SET state = 'PAYABLE' FROM disputes d"
            " WHERE d.job_id = e.job_id AND d.state = 'OPEN'"
        ),
    ),
    "a share that was reversed without a dispute": (
        "whole_i4_reversed",
        "UPDATE disputes SET state = 'REJECTED' WHERE state = 'UPHELD'",
    ),
    "a reversal without a dispute": (
        "transfers_i4_reversed",
        "UPDATE disputes SET state = 'REJECTED' WHERE state = 'UPHELD'",
    ),
    "a payout of another amount": (
        "whole_i5_payouts",
        "UPDATE payouts SET amount = amount + 1 WHERE state = 'PAID'",
    ),
    "a payout of money that never left": (
        "whole_i5_payouts",
        (
            "UPDATE payouts SET state = 'PAID', closed_at = now(), batch_id = id"
            " WHERE state = 'REQUESTED'"
        ),
    ),
    "a payout that lost a share": (
        "whole_i5_payouts",
        "UPDATE earnings SET payout_id = NULL WHERE state = 'PAYABLE' AND payout_id IS NOT NULL",
    ),
    "a payout that is not there": (
        "transfers_i5_paid",
        "UPDATE transfers SET reference = reference || 'x' WHERE kind = 'PAYOUT'",
    ),
    "a claim of another amount": (
        "transfers_i5_claims",
        "UPDATE transfers SET amount = amount + 1 WHERE kind = 'CLAIM'",
    ),
    "a claim for somebody else": (
        "transfers_i5_claims",
        (
            "UPDATE transfers SET credit_version = 1000 + id,"
            " credit = (SELECT id FROM accounts WHERE name = 'revenue') WHERE kind = 'CLAIM'"
        ),
    ),
}


async def forfeit_earnings(stage: Stage, owner: UUID) -> None:
    """Forfeit earnings of an owner by a strike and a fine for another result of their node."""
    for _ in range(2):
        await worked(stage, owner)
    _, node, job = await stage.dispatched(40)
    await stage.own(node, owner)
    operator = operator_account(owner)
    result = UnitComplete(job, 0, 1, node, None, verified=True, operator=operator)
    await stage.do(UnitDeliver(result, "cpu", draw=0.0, odds=0.5))
    verdict = UnitVerdict(job, 0, 1, "invalid", operator=operator, strike=True, fine=84)
    await stage.do(verdict)


async def earnings_of_every_kind(stage: Stage) -> None:
    """Create earnings in every state: pending, disputed, mature, requested, paid, sent, rejected,
    reversed, claimed and without an owner.
    """
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
    await forfeit_earnings(stage, otto)
    claimed = await worked(stage, None)
    await stage.do(EarningClaim(claimed.job, 0, owner))
    await worked(stage, None)
    await worked(stage, otto)
