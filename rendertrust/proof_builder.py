"""Builder of many Merkle proofs; computes the inner hashes of each tile only once."""

from collections.abc import Callable
from typing import Final

from rendertrust.log_tiles import LEVELS, WIDTH, TilePlace, tile_of
from rendertrust.merkle import HASH_BYTES, consistency_ranges, fold, node_hash, whole_subtrees

_MASK: Final = WIDTH - 1


class TileHashes:
    """Hashes of a complete or incomplete tile, and of the complete subtrees above these hashes."""

    __slots__ = ("_levels",)

    def __init__(self, hashes: bytes) -> None:
        parts = range(0, len(hashes), HASH_BYTES)
        self._levels = [[hashes[at : at + HASH_BYTES] for at in parts]]

    @property
    def levels(self) -> list[list[bytes]]:
        """Return hashes by level.

        ``levels[n][i]`` covers 2**n of the tile's hashes, from i·2**n on.
        """
        found = self._levels
        while len(found) < LEVELS:
            row = found[-1]
            pairs = range(0, len(row) - 1, 2)
            found.append([node_hash(row[at], row[at + 1]) for at in pairs])
        return found

    def beside(self, index: int) -> tuple[bytes, ...]:
        """Return the siblings on the path from hash ``index`` to the root of a complete tile."""
        a, b, c, d, e, f, g, h = self.levels
        return (
            a[index ^ 1],
            b[index >> 1 ^ 1],
            c[index >> 2 ^ 1],
            d[index >> 3 ^ 1],
            e[index >> 4 ^ 1],
            f[index >> 5 ^ 1],
            g[index >> 6 ^ 1],
            h[index >> 7 ^ 1],
        )


class LogTree:
    """A log of ``size`` leaves.

    ``row`` must return the same tile whenever it is called for a place. Raises KeyError or
    IndexError if a tile is missing or too short.
    """

    def __init__(self, size: int, row: Callable[[TilePlace], TileHashes]) -> None:
        self.size = size
        self._row = row
        self._ends: dict[int, bytes] = {}

    def root(self) -> bytes:
        """Return the root of all leaves."""
        return self._end(0) if self.size else fold(())

    def inclusion(self, index: int) -> list[bytes]:
        """Return the inclusion proof of a leaf. Raises ValueError if there is no such leaf."""
        if not 0 <= index < self.size:
            raise ValueError(f"there is no leaf {index} in a tree of {self.size} leaves")
        proof: list[bytes] = []
        at, last, level, above = index, self.size - 1, 0, -1
        levels: list[list[bytes]] = []
        while last:
            if not level % LEVELS and at >> LEVELS < last >> LEVELS:  # the tile is complete
                row = self._row(TilePlace(level // LEVELS, at >> LEVELS))
                proof += row.beside(at & _MASK)
                at, last, level = at >> LEVELS, last >> LEVELS, level + LEVELS
                continue
            sibling = at ^ 1
            if sibling < last:
                if level // LEVELS > above:  # the next tile above the leaf
                    above, within = divmod(level, LEVELS)
                    levels = self._row(TilePlace(above, at >> LEVELS - within)).levels
                proof.append(levels[level % LEVELS][sibling & _MASK >> level % LEVELS])
            elif sibling == last:
                proof.append(self._end(sibling << level))
            at, last, level = at >> 1, last >> 1, level + 1
        return proof

    def consistency(self, m: int) -> list[bytes]:
        """Return the consistency proof for the first ``m`` leaves.

        Raises ValueError if ``m`` is out of range.
        """
        ranges = consistency_ranges(m, self.size)
        return [self._end(a) if b == self.size else self._range(a, b) for a, b in ranges]

    def _end(self, start: int) -> bytes:
        """Return the hash over all leaves from leaf ``start`` to the end."""
        if start not in self._ends:
            self._ends[start] = self._range(start, self.size)
        return self._ends[start]

    def _range(self, start: int, end: int) -> bytes:
        return fold([self._subtree(*part) for part in whole_subtrees(start, end)])

    def _subtree(self, level: int, index: int) -> bytes:
        place, first, count = tile_of(level, index)
        within = count.bit_length() - 1
        return self._row(place).levels[within][first >> within]
