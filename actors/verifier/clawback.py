"""Clawback after an invalid result: other results of its node that were settled unchecked are
checked.

The gateway opens a dispute for each pending share that was settled without a check. The share
cannot mature until a check decides the dispute (``Case.is_again``).
"""

from datetime import timedelta
from typing import Any, Final

import attrs

from actors.kernel import Ref
from actors.ledger.messages import Commit, LedgerUnavailable
from actors.paymaster.messages import DisputeOpen
from actors.verifier.settings import VerifierPeers
from sql.earnings import UncheckedEarning

AT_ONCE: Final = 256
# Each gateway looks, as the one that booked the verdict may have died, and as others may settle
# shares until they learn of the strike: ``earnings_unlooked``.
LOOK_SECONDS: Final = 60.0
REASON: Final = "the gateway: another result of its node was invalid, and this one was not compared"


@attrs.frozen
class ClawbackTag:
    """Tag of a commit that withholds a share."""

    share: UncheckedEarning


@attrs.define
class Clawback:
    """Clawback by one gateway. ``_due_at``: when to look for shares to withhold."""

    _peers: VerifierPeers
    _due_at: float = float("-inf")

    def again(self) -> None:
        """Record that an invalid result was found."""
        self._due_at = float("-inf")

    def hear(self, outcome: object) -> None:
        """Handle the Ledger's answer; after a refusal the share has changed in the meantime."""
        if isinstance(outcome, LedgerUnavailable):
            self.again()

    async def attend(self, observer: Ref[Any]) -> None:
        """Withhold the shares that must be checked.

        Raises Unavailable; the next call tries again.
        """
        now = self._peers.clock.monotonic()
        if now < self._due_at:
            return
        found = await self._peers.store.unlooked_shares(AT_ONCE)
        if len(found) < AT_ONCE:
            self._due_at = now + LOOK_SECONDS
        for share in found:
            name, of = self._peers.random.uuid(), (share.job, share.unit, share.user)
            opened = DisputeOpen(name, *of, REASON, timedelta(0), by_gateway=True)
            commit = Commit(effects=(opened,), observer=observer, tag=ClawbackTag(share))
            if not self._peers.ledger.tell(commit):
                self.again()
                return
