"""How the log grows: entries become leaves, and leaves complete tiles."""

from collections.abc import Sequence

from rendertrust.leaf import SALT_BYTES
from rendertrust.log_tiles import HashTile, TreeEdge
from sql.log import LeafRow, LogEntry


def grow(
    edge: TreeEdge, entries: Sequence[LogEntry], salts: bytes
) -> tuple[list[LeafRow], list[HashTile]]:
    """The entries as the next leaves at the edge, and the tiles that they complete.

    ``salts`` are those of all entries, one after another.
    """
    leaves: list[LeafRow] = []
    tiles: list[HashTile] = []
    for place, entry in enumerate(entries):
        salt = salts[place * SALT_BYTES : (place + 1) * SALT_BYTES]
        found = entry.leaf_hash(salt)
        leaves.append(LeafRow(edge.size, entry.entry_id, salt, found))
        tiles += edge.append(found)
    return leaves, tiles
