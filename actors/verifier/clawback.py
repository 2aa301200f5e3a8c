"""Clawback after an invalid result: check other results of the same owner's nodes.

The gateway opens a dispute for each of their pending shares that was settled without a full
comparison. The share cannot mature until a check, or an admin, decides the dispute
(``Case.is_again``). A share is withheld once at most, and a valid one keeps its pay. After an
invalid result without a strike, which a creator can cause, shares are withheld only while fewer
than AT_ONCE wait for their checks.
"""

from datetime import timedelta
from typing import Any, Final

import attrs

from actors.kernel import Ref
from actors.ledger.effects import DisputeOpen
from actors.ledger.messages import Commit, LedgerUnavailable
from actors.verifier.settings import VerifierPeers
from sql.earnings import UncheckedEarning

AT_ONCE: Final = 256  # shares per query, and limit of shares withheld without a strike
# Interval at which every gateway looks for shares to withhold (query ``earnings_unlooked``): the
# gateway that booked the verdict may have died, and earlier deliveries may be settled later.
LOOK_SECONDS: Final = 60.0
REASON: Final = (
    "the gateway: another result of its operator was invalid, and this one was not fully compared"
)


@attrs.frozen
class ClawbackTag:
    """Tag of a commit that opens a dispute to withhold a share."""

    share: UncheckedEarning


@attrs.define
class Clawback:
    """Search for shares to withhold, in one gateway. ``_due_at``: when to search again."""

    _peers: VerifierPeers
    _due_at: float = float("-inf")

    def again(self) -> None:
        """Look for shares to withhold at the next ``attend``, for example after a verdict."""
        self._due_at = float("-inf")

    def hear(self, outcome: object) -> None:
        """Handle the Ledger's answer: repeat the search if the Ledger was unavailable.

        Any refusal means that the share has changed in the meantime.
        """
        if isinstance(outcome, LedgerUnavailable):
            self.again()

    async def attend(self, observer: Ref[Any]) -> None:
        """Open disputes that withhold shares until they are checked; do nothing before ``_due_at``.

        Raises Unavailable; the next call tries again.
        """
        now = self._peers.ports.clock.monotonic()
        if now < self._due_at:
            return
        found = await self._peers.ports.store.unchecked_earnings(AT_ONCE)
        if len(found) < AT_ONCE:
            self._due_at = now + LOOK_SECONDS
        for share in found:
            name, unit = self._peers.ports.random.uuid(), (share.job, share.unit, share.user)
            opened = DisputeOpen(name, *unit, REASON, timedelta(0), by_gateway=True)
            commit = Commit(effects=(opened,), observer=observer, tag=ClawbackTag(share))
            if not self._peers.ledger.tell(commit):
                self.again()
                return
