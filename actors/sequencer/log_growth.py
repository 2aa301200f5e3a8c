"""Turn entries into leaves, and leaves into complete tiles."""

from collections.abc import Sequence

from rendertrust.leaf import SALT_BYTES
from rendertrust.log_tiles import HashTile, TreeEdge
from sql.log import LeafRow, LogEntry


def grow(
    edge: TreeEdge, entries: Sequence[LogEntry], salts: bytes
) -> tuple[list[LeafRow], list[HashTile]]:
    """Append the entries at the edge; return the leaves and the tiles that became complete.

    ``salts``: those of all entries, concatenated.
    """
    leaves: list[LeafRow] = []
    tiles: list[HashTile] = []
    for place, entry in enumerate(entries):
        salt = salts[place * SALT_BYTES : (place + 1) * SALT_BYTES]
        found = entry.leaf_hash(salt)
        leaves.append(LeafRow(edge.size, entry.entry_id, salt, found))
        tiles += edge.append(found)
    return leaves, tiles
