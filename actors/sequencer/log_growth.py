"""Growth of the log: leaves and log tiles for new transfers, and how far it is complete."""

from collections.abc import Sequence

import attrs

from rendertrust.leaf import SALTS_BYTES
from rendertrust.log_tiles import HashTile, TreeEdge
from rendertrust.merkle import leaf_hash
from sql.books import TransferRow
from sql.log import LeafRow, LogView, leaf_text


def grow(
    edge: TreeEdge, transfers: Sequence[TransferRow], salts: bytes
) -> tuple[list[LeafRow], list[HashTile]]:
    """Append transfers to the tree with this right edge; return their leaves, and the log tiles
    that became complete.

    ``salts``: the salts of all transfers, concatenated.
    """
    leaves: list[LeafRow] = []
    tiles: list[HashTile] = []
    for place, transfer in enumerate(transfers):
        both = salts[place * SALTS_BYTES : (place + 1) * SALTS_BYTES]
        found = leaf_hash(leaf_text(transfer, both))
        leaves.append(LeafRow(edge.size, transfer.id, both, found))
        tiles += edge.append(found)
    return leaves, tiles


@attrs.frozen
class TransactionBound:
    """Every number up to ``transfer`` was assigned to a transaction older than ``before``."""

    transfer: int
    before: int


class Watermark:
    """The transfer up to which the log is complete, from views in separate transactions.

    Numbers of transfers are assigned in advance, to transactions that commit in any order or never.
    A transaction with a number up to ``newest`` had begun when ``newest`` was read, so its id is
    below that of any transaction that begins later. Once all transactions below that id have ended,
    no further transfers up to ``newest`` can become visible.
    """

    def __init__(self) -> None:
        self._newest: int | None = None  # the newest transfer in the previous view
        self._bound: TransactionBound | None = None

    def covered(self, look: LogView, *, all_taken: bool) -> int:
        """Return the transfer up to which the log is complete after this view's append.

        ``all_taken``: all waiting transfers of the view are appended.
        """
        bound = self._bound
        # transaction ids went backwards: this is another database
        if bound is not None and look.own <= bound.before:
            self._newest = bound = None
        covered = look.head.covered
        if bound is not None and look.oldest >= bound.before:
            # If many transfers wait, the log is complete up to the last one appended now.
            reached = bound.transfer if all_taken else min(bound.transfer, look.waiting[-1])
            covered = max(covered, reached)
            bound = None if covered >= bound.transfer else bound
        if bound is None and self._newest is not None and self._newest > covered:
            bound = TransactionBound(self._newest, look.own)
        self._newest, self._bound = look.newest, bound
        return covered
