"""The Paymaster actor: makes matured shares payable, moves shares from suspense to owners, and pays
operators out by their schedule.
"""

import logging
from collections.abc import Sequence
from typing import Final

import attrs

from actors.kernel import Actor, Ref, handles
from actors.ledger.effects import (
    EarningClaim,
    EarningMature,
    OperatorEffect,
    PayoutKind,
    PayoutTake,
)
from actors.ledger.messages import Commit, Ledger
from actors.paymaster.messages import FindClaimable, FindMatured, FindPayoutDates, Paymaster
from actors.ports import Store
from config.settings import DEFAULTS, Earnings
from sql.database import Conflict, Unavailable
from sql.payout_rules import PassedDate, PayoutRule, least_units

AGAIN_SECONDS: Final = 0.2  # pause after a query that returned ``at_once`` shares
log = logging.getLogger(__name__)


@attrs.frozen
class PaymasterSettings:
    """Settings of the Paymaster.

    ``claims_seconds``: interval of searches for shares in suspense whose node has an owner now.
    ``at_once``: shares per query. ``payouts_seconds``: interval of searches for payouts that are
    due; ``pays_money``: the farm pays out money.
    """

    earnings: Earnings = DEFAULTS.earnings
    claims_seconds: float = 30.0
    at_once: int = 500
    payouts_seconds: float = 30.0
    pays_money: bool = True


class PaymasterActor(Actor[Paymaster]):
    """Finds shares that have matured or can be claimed, and commits their transfer.

    A share whose commit is lost is found again in the next run. The actor has no state: several
    gateways may run it at once, and each share is moved once.
    """

    def __init__(
        self,
        ledger: Ref[Ledger],
        store: Store,
        *,
        settings: PaymasterSettings = PaymasterSettings(),
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._settings = settings

    async def started(self) -> None:
        self.after(self._settings.earnings.sweep_seconds, FindMatured(), jitter=0.1)
        self.after(self._settings.claims_seconds, FindClaimable(again=True), jitter=0.1)
        self.after(self._settings.payouts_seconds, FindPayoutDates(), jitter=0.1)

    @handles(FindPayoutDates)
    async def look_for_payouts(self, _: FindPayoutDates) -> None:
        """Pay operators whose payout is due. A later run finds it booked, and moves the date on;
        until then the same payout is asked for again.
        """
        self.after(self._settings.payouts_seconds, FindPayoutDates(), jitter=0.1)
        settings, least = self._settings, self._least()
        try:
            found = await self._store.passed_payout_dates(
                settings.at_once, least, pays_money=settings.pays_money
            )
            for each in found:
                if not each.is_due:
                    await self._store.move_payout_date(each.operator, each.date, each.next_at)
        except (Unavailable, Conflict) as error:
            log.warning("payouts that are due cannot be read: %s", type(error).__name__)
            return
        self._ask([self._payout(each) for each in found if each.is_due])

    def _least(self) -> int:
        return least_units(self._settings.earnings.payout_minimum)

    def _payout(self, date: PassedDate) -> PayoutTake:
        kind: PayoutKind = "MONEY" if date.kind == "MONEY" else "CREDITS"
        rule = PayoutRule(kind=kind, minimum=date.minimum)
        least = rule.least(self._least())
        return PayoutTake(date.payout, date.operator, kind, least)

    @handles(FindMatured)
    async def look_for_matured(self, _: FindMatured) -> None:
        wait = self._settings.earnings.sweep_seconds
        try:
            found = await self._store.matured_earnings(self._settings.at_once)
        except (Unavailable, Conflict) as error:
            log.warning("matured shares cannot be read: %s", type(error).__name__)
        else:
            wait = self._pause(wait, len(found))
            self._ask([EarningMature(share.job, share.unit) for share in found])
        self.after(wait, FindMatured(), jitter=0.1)

    @handles(FindClaimable)
    async def look_for_claims(self, message: FindClaimable) -> None:
        wait = self._settings.claims_seconds
        try:
            found = await self._store.claimable_earnings(self._settings.at_once)
        except (Unavailable, Conflict) as error:
            log.warning("shares in suspense cannot be read: %s", type(error).__name__)
        else:
            wait = self._pause(wait, len(found))
            self._ask([EarningClaim(share.job, share.unit, share.owner) for share in found])
        if message.again:
            self.after(wait, FindClaimable(again=True), jitter=0.1)

    def _pause(self, wait: float, found: int) -> float:
        return AGAIN_SECONDS if found >= self._settings.at_once else wait

    def _ask(self, effects: Sequence[OperatorEffect]) -> None:
        """Send each effect as a separate commit, so that a refusal does not affect the other
        effects.

        Outcomes are ignored: a refusal means that the share was disputed, or that another gateway
        was faster. Shares that the Ledger's full mailbox refuses are found again in the next run.
        """
        for effect in effects:
            if not self._ledger.tell(Commit(effects=(effect,))):
                return
