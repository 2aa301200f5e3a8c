"""Up to which number every entry is in the log, and none can come to be any more."""

import attrs

from sql.log import LogView


@attrs.frozen
class TransactionBound:
    """Whatever is numbered up to ``entry`` began before transaction ``before``."""

    entry: int
    before: int


class Watermark:
    """Watches looks at the log, each made in a transaction of its own.

    Numbers of entries are given in advance, to transactions that commit in any order or never.
    Whoever was given one up to ``newest`` had begun when ``newest`` was seen. So he has a number
    below that of a transaction that begins after that look; and when all transactions below that
    one are over, what of such entries can still be seen is all that there will be.
    """

    def __init__(self) -> None:
        self._newest: int | None = None  # of the look before
        self._bound: TransactionBound | None = None

    def covered(self, look: LogView, *, all_taken: bool) -> int:
        """The bound after a look whose waiting entries are taken up now, all of them or not."""
        bound = self._bound
        if bound is not None and look.own <= bound.before:  # numbers went back: another database
            self._newest = bound = None
        covered = look.head.covered
        if bound is not None and look.oldest >= bound.before:
            # Of many that wait, those up to the last one that is taken now are in already.
            reached = bound.entry if all_taken else min(bound.entry, look.waiting[-1])
            covered = max(covered, reached)
            bound = None if covered >= bound.entry else bound
        if bound is None and self._newest is not None and self._newest > covered:
            bound = TransactionBound(self._newest, look.own)
        self._newest, self._bound = look.newest, bound
        return covered
