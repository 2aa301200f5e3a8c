"""Log tiles: 256 adjacent hashes of every eighth level of a tree (C2SP tlog-tiles).

A complete tile never changes. Every hash of a proof is in a tile, or is computed from adjacent
hashes of one tile.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from rendertrust.merkle import (
    HASH_BYTES,
    Frontier,
    node_hash,
    whole_subtrees,
)

LEVELS: Final = 8
WIDTH: Final = 1 << LEVELS


@attrs.frozen(order=True)
class TilePlace:
    """Position of a tile.

    Level 0 has hashes of leaves, level 1 the roots of complete tiles of level 0.
    """

    level: int
    index: int


# For each tile its hashes, concatenated: at most 256 hashes of 32 bytes.
Tiles: TypeAlias = Mapping[TilePlace, bytes]
NO_TILES: Final[Tiles] = {}


@attrs.frozen
class HashTile:
    """A complete tile; ``root`` is the hash of the tile's hashes, as the tile above contains it."""

    place: TilePlace
    root: bytes
    hashes: bytes


def tile_of(level: int, index: int) -> tuple[TilePlace, int, int]:
    """Return where the hashes of subtree ``index`` with 2**level leaves are.

    The result is a tile, the index of the first hash in the tile, and the number of hashes.
    """
    row, within = divmod(level, LEVELS)
    first = index << within
    return TilePlace(row, first >> LEVELS), first & WIDTH - 1, 1 << within


def needed(ranges: Sequence[tuple[int, int]]) -> set[TilePlace]:
    """Return the tiles from which the hashes of these ranges are computed."""
    return {tile_of(*part)[0] for start, end in ranges for part in whole_subtrees(start, end)}


def frontier_from(tiles: Tiles, size: int) -> Frontier:
    """Return the frontier of a tree of ``size`` leaves.

    ``tiles`` must have the hashes from which the tree's root is computed.
    """
    subtree = _subtrees(tiles)
    return Frontier(size, [subtree(*part) for part in whole_subtrees(0, size)])


class TreeEdge:
    """The right edge of a growing tree: its frontier, and the incomplete tile of each level.

    ``tiles``: the incomplete tiles at ``size`` leaves. Raises KeyError if a tile is missing.
    """

    def __init__(self, size: int = 0, tiles: Tiles = NO_TILES) -> None:
        self._frontier = frontier_from(tiles, size)
        self._rows: defaultdict[int, list[bytes]] = defaultdict(list)
        for place, hashes in tiles.items():
            parts = range(0, len(hashes), HASH_BYTES)
            self._rows[place.level] = [hashes[at : at + HASH_BYTES] for at in parts]

    @property
    def size(self) -> int:
        """Return the number of leaves."""
        return self._frontier.size

    def root(self) -> bytes:
        """Return the root of all leaves so far."""
        return self._frontier.root()

    def append(self, leaf_hash: bytes) -> list[HashTile]:
        """Add a leaf and return the tiles that the leaf completes, the lowest first."""
        self._frontier.append(leaf_hash)
        tiles: list[HashTile] = []
        found, width = leaf_hash, WIDTH
        while True:
            row = self._rows[len(tiles)]
            row.append(found)
            if len(row) < WIDTH:
                return tiles
            hashes, found = b"".join(row), tile_root(b"".join(row))
            row.clear()
            place = TilePlace(len(tiles), self.size // width - 1)
            tiles.append(HashTile(place, found, hashes))
            width *= WIDTH


def tile_root(tile: bytes) -> bytes:
    """Return a complete tile's hash, which is an element of the tile above."""
    row = [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def _subtrees(tiles: Tiles) -> Callable[[int, int], bytes]:
    def subtree(level: int, index: int) -> bytes:
        place, first, count = tile_of(level, index)
        found = tiles[place][first * HASH_BYTES : (first + count) * HASH_BYTES]
        if len(found) != count * HASH_BYTES:
            raise KeyError(place)
        return tile_root(found)

    return subtree
