"""What a node that was caught has pending of what nobody had looked at, or a stranger alone, who
may be a friend: it waits for a check again.

A dispute of the gateway's keeps the share from ripening, and its charge from being anybody's, until
the Verifier decides it by a check of its own (``Case``, ``is_again``).
"""

from datetime import timedelta
from typing import Any, Final

import attrs

from actors.kernel import Ref
from actors.ledger.messages import BooksAway, Commit
from actors.paymaster.messages import DisputeDecide, DisputeOpen, Misjudged
from actors.verifier.case import VALID, Case
from actors.verifier.settings import Peers, VerifierSettings
from sql.earnings import Unlooked

AT_ONCE: Final = 256
REASON: Final = "the gateway: its node was caught in a lie, and none of its own had looked at this"
STANDS: Final = (*VALID, "unchecked")  # of chunks and tiles, that one of the own saw they are such


@attrs.frozen
class Recalled:
    """The tag of a commit that holds a share back."""

    share: Unlooked


@attrs.frozen
class Doubted:
    """The tag of one that holds back what a second look saw wrong."""

    case: Case


@attrs.define
class Recall:
    """``_is_due``: somebody was caught since shares were looked for; at a start, perhaps."""

    _peers: Peers
    _is_due: bool = True

    def again(self) -> None:
        """Somebody was caught."""
        self._is_due = True

    def hear(self, outcome: object) -> None:
        """Of a commit that was to hold a share back; who is refused was faster."""
        self._is_due |= isinstance(outcome, BooksAway)

    async def attend(self, observer: Ref[Any]) -> None:
        """Hold back what there is to be held back. Raises Unavailable: then again."""
        if not self._is_due:
            return
        found = await self._peers.store.unlooked_shares(AT_ONCE)
        self._is_due = len(found) == AT_ONCE
        for share in found:
            commit = holding(self._peers, share, REASON, observer, Recalled(share))
            if not self._peers.ledger.tell(commit):
                self._is_due = True
                return


def holding(
    peers: Peers, share: Unlooked, reason: str, observer: Ref[Any], tag: Recalled | Doubted
) -> Commit:
    """What holds a share back; ``observer`` hears of it, by the ``tag``."""
    name, of = peers.random.uuid(), (share.job, share.unit, share.user)
    opened = DisputeOpen(name, *of, reason, timedelta(0), by_gateway=True)
    return Commit(effects=(opened,), observer=observer, tag=tag)


def decision_on(case: Case, _peers: Peers, _settings: VerifierSettings) -> DisputeDecide:
    """As ``verdict_on``. What nobody could look at is, of a node that lied, neither charged nor
    paid. Whose word was shown wrong is not paid for it.
    """
    assert case.verdict is not None, "there is something to conclude"
    row, upheld = case.pending.row, case.verdict not in STANDS
    said = f"a check found: {case.verdict}{'; ' if case.said else ''}{case.said}"
    told = case.misjudged
    wrong = None if told is None else Misjudged(told.attempt, told.verifier_id)
    return DisputeDecide(row.job_id, row.unit, case.pending.user, upheld, said[:500], wrong)
