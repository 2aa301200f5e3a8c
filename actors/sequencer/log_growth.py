"""Growth of the log: leaves and log tiles for new entries, and up to which entry it is complete."""

from collections.abc import Sequence

import attrs

from rendertrust.leaf import SALT_BYTES
from rendertrust.log_tiles import HashTile, TreeEdge
from sql.log import LeafRow, LogEntry, LogView


def grow(
    edge: TreeEdge, entries: Sequence[LogEntry], salts: bytes
) -> tuple[list[LeafRow], list[HashTile]]:
    """Append entries to the tree with this right edge; return their leaves, and the log tiles that
    became complete.

    ``salts``: the salts of all entries, concatenated.
    """
    leaves: list[LeafRow] = []
    tiles: list[HashTile] = []
    for place, entry in enumerate(entries):
        salt = salts[place * SALT_BYTES : (place + 1) * SALT_BYTES]
        found = entry.leaf_hash(salt)
        leaves.append(LeafRow(edge.size, entry.entry_id, salt, found))
        tiles += edge.append(found)
    return leaves, tiles


@attrs.frozen
class TransactionBound:
    """Every entry number up to ``entry`` was assigned to a transaction older than ``before``."""

    entry: int
    before: int


class Watermark:
    """The entry number up to which the log is complete, from views in separate transactions.

    Numbers of entries are assigned in advance, to transactions that commit in any order or never. A
    transaction with a number up to ``newest`` had begun when ``newest`` was read, so its id is
    below that of any transaction that begins later. Once all transactions below that id have ended,
    no further entries up to ``newest`` can become visible.
    """

    def __init__(self) -> None:
        self._newest: int | None = None  # number of the newest entry in the previous view
        self._bound: TransactionBound | None = None

    def covered(self, look: LogView, *, all_taken: bool) -> int:
        """Return the entry number up to which the log is complete after this view's append.

        ``all_taken``: all waiting entries of the view are appended.
        """
        bound = self._bound
        # transaction ids went backwards: this is another database
        if bound is not None and look.own <= bound.before:
            self._newest = bound = None
        covered = look.head.covered
        if bound is not None and look.oldest >= bound.before:
            # If many entries wait, the log has the entries up to the last entry appended now.
            reached = bound.entry if all_taken else min(bound.entry, look.waiting[-1])
            covered = max(covered, reached)
            bound = None if covered >= bound.entry else bound
        if bound is None and self._newest is not None and self._newest > covered:
            bound = TransactionBound(self._newest, look.own)
        self._newest, self._bound = look.newest, bound
        return covered
