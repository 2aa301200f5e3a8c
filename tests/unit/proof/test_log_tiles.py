"""Log tiles: the root that is computed from them, and the edge at which they grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import log_tiles, merkle
from rendertrust.log_tiles import TilePlace
from tests.support.examples import examples

LEAVES = [n.to_bytes(4, "big") for n in range(70_000)]
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]


def tiled(hashes: list[bytes]) -> dict[TilePlace, bytes]:
    """Return all log tiles over these leaves, including incomplete tiles."""
    made: dict[TilePlace, bytes] = {}
    level, row = 0, hashes
    while row:
        parts = [b"".join(row[at : at + 256]) for at in range(0, len(row), 256)]
        made |= {TilePlace(level, index): part for index, part in enumerate(parts)}
        row = [log_tiles.tile_root(part) for part in parts if len(part) == 256 * 32]
        level += 1
    return made


TILES = tiled(HASHES)
SIZES = st.one_of(
    st.integers(1, len(LEAVES)), st.sampled_from([1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000])
)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 600])
def test_the_root_from_tiles_is_the_root(size: int) -> None:
    assert log_tiles.frontier_from(TILES, size).root() == merkle.root(LEAVES[:size])


def test_a_tile_that_is_too_short_is_not_taken_for_the_whole() -> None:
    cut = {**TILES, TilePlace(0, 0): TILES[TilePlace(0, 0)][: 32 * 100]}
    with pytest.raises(KeyError):
        log_tiles.frontier_from(cut, 200)


@examples(0.3)
@given(SIZES, st.integers(0, 3))
def test_an_edge_grows_the_tiles_and_the_root_wherever_it_begins(size: int, back: int) -> None:
    start = max(size - [1, 300, 3000, 70_000][back], 0)
    below = {
        place: row[: (start >> 8 * place.level) % 256 * 32]
        for place, row in TILES.items()
        if place.index == start >> 8 * (place.level + 1)
    }
    edge = log_tiles.TreeEdge(start, {place: row for place, row in below.items() if row})
    made = [tile for found in HASHES[start:size] for tile in edge.append(found)]
    assert (edge.size, edge.root()) == (size, log_tiles.frontier_from(TILES, size).root())
    assert {tile.place: tile.hashes for tile in made} == {
        place: row
        for place, row in TILES.items()
        if len(row) == 8192 and start < (place.index + 1) * 256 ** (place.level + 1) <= size
    }
    assert all(tile.root == log_tiles.tile_root(tile.hashes) for tile in made)


def test_an_edge_needs_all_rows_that_are_no_tile() -> None:
    with pytest.raises(KeyError):
        log_tiles.TreeEdge(257, {TilePlace(0, 1): TILES[TilePlace(0, 1)][:32]})
