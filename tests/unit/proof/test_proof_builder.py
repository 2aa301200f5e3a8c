"""Proofs that are built from log tiles are valid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import log_tiles, merkle
from rendertrust.log_tiles import TilePlace
from rendertrust.proof_builder import LogTree, TileHashes
from tests.support.examples import examples
from tests.support.merkle_proofs import consistency_proof, inclusion_proof
from tests.unit.proof.test_log_tiles import HASHES, SIZES, TILES

ROWS = {place: TileHashes(hashes) for place, hashes in TILES.items()}


def cut(size: int) -> dict[TilePlace, TileHashes]:
    """Return the incomplete log tiles at the right edge of a tree of ``size`` leaves."""
    edge = {
        TilePlace(level, size >> 8 * (level + 1)): (size >> 8 * level) % 256 for level in range(3)
    }
    return {place: TileHashes(TILES[place][: 32 * count]) for place, count in edge.items() if count}


@examples(3)
@given(st.data())
def test_a_proof_that_is_looked_up_holds(data: st.DataObject) -> None:
    size = data.draw(SIZES)
    rows = ROWS | cut(size)
    tree = LogTree(size, rows.__getitem__)
    index, m = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    older, root = (log_tiles.frontier_from(TILES, n).root() for n in (m, size))
    assert tree.root() == root
    assert merkle.verify_inclusion(HASHES[index], index, size, tree.inclusion(index), root)
    assert merkle.verify_consistency(m, size, tree.consistency(m), older, root)


@pytest.mark.parametrize("size", range(1, 80))
def test_all_leaves_of_small_trees(size: int) -> None:
    leaves = [b"%d" % number for number in range(size)]
    row = TileHashes(b"".join(map(merkle.leaf_hash, leaves)))
    tree = LogTree(size, {TilePlace(0, 0): row}.__getitem__)
    for index in range(size):
        assert tree.inclusion(index) == inclusion_proof(leaves, index)
        assert tree.consistency(index + 1) == consistency_proof(leaves, index + 1, size)


@pytest.mark.parametrize("size", [257, 513, 65_537, 65_793, 70_000])
def test_no_tile_is_asked_for_that_is_not_needed(size: int) -> None:
    for index in (0, 255, size // 2, size - 2, size - 1):
        few = log_tiles.needed(merkle.inclusion_ranges(index, size))
        assert len(few) < 8
        rows = {place: (ROWS | cut(size))[place] for place in few}
        found = LogTree(size, rows.__getitem__).inclusion(index)
        root = log_tiles.frontier_from(TILES, size).root()
        assert merkle.verify_inclusion(HASHES[index], index, size, found, root)


def test_nothing_and_what_is_not_there() -> None:
    empty = LogTree(0, ROWS.__getitem__)
    assert empty.root() == merkle.root([])
    with pytest.raises(ValueError, match="no leaf 0 in a tree of 0 leaves"):
        empty.inclusion(0)
    short = LogTree(300, {TilePlace(0, 0): ROWS[TilePlace(0, 0)]}.__getitem__)
    with pytest.raises(KeyError):
        short.inclusion(1)
    with pytest.raises(IndexError):
        LogTree(
            256, {TilePlace(0, 0): TileHashes(TILES[TilePlace(0, 0)][:320])}.__getitem__
        ).inclusion(1)
