"""Clawback after an invalid result: checks of shares that were settled without one.

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
# Until another gateway learns of the strike it may settle shares: ``earnings_unlooked``.
HEARD_SECONDS: Final = 61.0
REASON: Final = "the gateway: another result of its node was invalid, and this one was not compared"


@attrs.frozen
class ClawbackTag:
    """Tag of a commit that withholds a share."""

    share: UncheckedEarning


@attrs.define
class Clawback:
    """Clawback of one gateway. ``_is_due``: there may be shares to withhold.

    ``_due_at``: when to look for shares that were settled after the invalid result was found.
    """

    _peers: VerifierPeers
    _is_due: bool = True
    _due_at: float | None = None

    def again(self) -> None:
        """Record that an invalid result was found."""
        self._is_due = True
        self._due_at = self._peers.clock.monotonic() + HEARD_SECONDS

    def hear(self, outcome: object) -> None:
        """Handle the Ledger's answer; after a refusal the share has changed in the meantime."""
        self._is_due |= isinstance(outcome, LedgerUnavailable)

    async def attend(self, observer: Ref[Any]) -> None:
        """Withhold the shares to be checked. Raises Unavailable; the next call tries again."""
        if self._due_at is not None and self._peers.clock.monotonic() >= self._due_at:
            self._is_due, self._due_at = True, None
        if not self._is_due:
            return
        found = await self._peers.store.unlooked_shares(AT_ONCE)
        self._is_due = len(found) == AT_ONCE
        for share in found:
            name, of = self._peers.random.uuid(), (share.job, share.unit, share.user)
            opened = DisputeOpen(name, *of, REASON, timedelta(0), by_gateway=True)
            commit = Commit(effects=(opened,), observer=observer, tag=ClawbackTag(share))
            if not self._peers.ledger.tell(commit):
                self._is_due = True
                return
