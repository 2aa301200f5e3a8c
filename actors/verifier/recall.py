"""Clawback after an invalid result: fines, and checks of what was settled without one.

The gateway opens a dispute for each pending share that was settled without a check. The share
cannot mature until a check decides the dispute (``Case.is_again``).
"""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.ledger.messages import BooksAway, Commit
from actors.paymaster.messages import DisputeDecide, DisputeOpen, ShareForfeit
from actors.verifier.case import Case
from actors.verifier.settings import Peers
from sql.earnings import FineDue, Unlooked
from sql.sampling import fine_of

AT_ONCE: Final = 256
SAID_MOST: Final = 500
REASON: Final = "the gateway: another result of its node was invalid, and this one was not compared"


@attrs.frozen
class Recalled:
    """Tag of a commit that withholds a share."""

    share: Unlooked


@attrs.frozen
class Fined:
    """Tag of a commit that takes shares as a fine."""

    due: FineDue


@attrs.define
class Recall:
    """Clawback of one gateway. ``_is_due``: there may be open consequences."""

    _peers: Peers
    _is_due: bool = True

    def again(self) -> None:
        """Record that an invalid result was found."""
        self._is_due = True

    def hear(self, outcome: object) -> None:
        """Handle the Ledger's answer. A refusal means that the share moved on in the meantime."""
        self._is_due |= isinstance(outcome, BooksAway)

    async def attend(self, observer: Ref[Any]) -> None:
        """Take the fines that are due and withhold the shares to be checked.

        Raises Unavailable; the next call tries again.
        """
        if not self._is_due:
            return
        for due in await self._peers.store.fines_due(AT_ONCE):
            effects = forfeits(due)
            if effects:
                commit = Commit(effects=effects, observer=observer, tag=Fined(due))
                if not self._peers.ledger.tell(commit):
                    return
        found = await self._peers.store.unlooked_shares(AT_ONCE)
        self._is_due = len(found) == AT_ONCE
        for share in found:
            name, of = self._peers.random.uuid(), (share.job, share.unit, share.user)
            opened = DisputeOpen(name, *of, REASON, timedelta(0), by_gateway=True)
            commit = Commit(effects=(opened,), observer=observer, tag=Recalled(share))
            if not self._peers.ledger.tell(commit):
                self._is_due = True
                return


def forfeits(due: FineDue) -> tuple[ShareForfeit, ...]:
    """Return the shares that pay the fine: the newest ones that fit into the rest of it, and where
    that leaves some of it unpaid the smallest of the others.
    """
    left, taken = fine_of(due.share, due.odds) - due.fined, list[ShareForfeit]()
    others = list[tuple[int, UUID, int]]()
    for job, unit, amount in due.pending:
        if amount <= left and (job, unit) != due.invalid[:2]:
            taken.append(ShareForfeit(job, unit, due.invalid))
            left -= amount
        elif (job, unit) != due.invalid[:2]:
            others.append((amount, job, unit))
    if left > 0 and others:
        _, job, unit = min(others)
        taken.append(ShareForfeit(job, unit, due.invalid))
    return tuple(taken)


def finding_of(case: Case) -> str:
    """Return what a check found, for the people in a dispute."""
    assert case.verdict is not None, "there is something to conclude"
    outcome, said = case.verdict.outcome, case.verdict.said
    return f"{outcome}: {said}"[:SAID_MOST] if said else outcome


def decision_on(case: Case) -> DisputeDecide:
    """Return the decision: invalid and unverifiable results are refunded."""
    row, verdict = case.pending.row, case.verdict
    assert verdict is not None, "there is something to conclude"
    upheld = verdict.outcome in ("invalid", "unverifiable")
    said = f"a check found: {verdict.outcome}{'; ' if verdict.said else ''}{verdict.said}"
    return DisputeDecide(row.job_id, row.unit, case.pending.user, upheld, said[:SAID_MOST])
