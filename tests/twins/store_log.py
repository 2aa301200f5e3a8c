"""Transparency log in the in-memory database; the changes of a transaction apply on commit."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from rendertrust.log_tiles import LEVELS, WIDTH, HashTile, TilePlace
from rendertrust.merkle import Frontier, leaf_hash
from sql.books import TransferRow
from sql.database import Conflict
from sql.fsck import Finding
from sql.log import Append, CheckpointRow, Head, LeafRow, LogView, leaf_text

if TYPE_CHECKING:
    from tests.twins.store import StoreTwin


@attrs.define
class LogTables:
    """The rows of the log's tables."""

    head: Head | None = None
    leaves: dict[int, LeafRow] = attrs.field(factory=dict[int, LeafRow])
    tiles: dict[TilePlace, HashTile] = attrs.field(factory=dict[TilePlace, HashTile])
    checkpoints: dict[int, CheckpointRow] = attrs.field(factory=dict[int, CheckpointRow])
    keys: set[str] = attrs.field(factory=set[str])


class LogTwin:
    """A transaction of the log; ``own`` is its number."""

    def __init__(self, store: "StoreTwin", own: int) -> None:
        self._store, self._own = store, own
        self._append: Append | None = None
        self._origin: str | None = None

    async def lead(self) -> bool:
        await self._store.round_trip()
        return True

    async def look(self, limit: int) -> LogView | None:
        await self._store.round_trip()
        return log_view(self._store, limit, self._own)

    async def begin(self, origin: str) -> None:
        await self._store.round_trip()
        self._origin = origin

    async def transfers(self, numbers: Sequence[int]) -> Sequence[TransferRow]:
        await self._store.round_trip()
        found = transfers_by_number(self._store)
        return [found[number] for number in sorted(numbers) if number in found]

    async def edge(self, size: int) -> Mapping[TilePlace, bytes]:
        await self._store.round_trip()
        tables, tiles = self._store.log_tables, dict[TilePlace, bytes]()
        for level in range(8):
            count = size >> LEVELS * level
            first = count - count % WIDTH
            row = [_hash(tables, level, number) for number in range(first, count)]
            if row:
                tiles[TilePlace(level, first // WIDTH)] = b"".join(row)
        return tiles

    async def write(self, append: Append) -> None:
        await self._store.round_trip()
        tables = self._store.log_tables
        places = [tile.place for tile in append.tiles]
        numbers = [leaf.transfer for leaf in append.leaves]
        known = {leaf.transfer for leaf in tables.leaves.values()}
        size = {append.checkpoint.size} if append.checkpoint else set[int]()
        if (
            known & set(numbers)
            or size & tables.checkpoints.keys()
            or set(places) & set(tables.tiles)
        ):
            raise Conflict("the rows exist already")
        self._append = append

    def commit(self) -> None:
        tables = self._store.log_tables
        if self._origin is not None and tables.head is None:
            tables.head = Head(self._origin, 0, Frontier().root(), 0)
        if self._append is None:
            return
        tables.head = self._append.head
        tables.leaves.update({leaf.leaf_index: leaf for leaf in self._append.leaves})
        tables.tiles.update({tile.place: tile for tile in self._append.tiles})
        tables.keys.update(self._append.keys)
        if self._append.checkpoint is not None:
            tables.checkpoints[self._append.checkpoint.size] = self._append.checkpoint


def log_view(store: "StoreTwin", limit: int, own: int = 0) -> LogView | None:
    """Return the current state of the log, with at most ``limit`` waiting transfers."""
    tables = store.log_tables
    if tables.head is None:
        return None
    taken = {leaf.transfer for leaf in tables.leaves.values()}
    numbers = sorted(transfers_by_number(store))
    above = [number for number in numbers if number > tables.head.covered]
    newest = max(tables.checkpoints, default=None)
    return LogView(
        head=tables.head,
        checked=newest,
        checked_at=None if newest is None else tables.checkpoints[newest].at,
        verifiers=frozenset(tables.keys),
        own=own,
        oldest=min(store.under_way, default=store.next_transaction),
        newest=numbers[-1] if numbers else 0,
        waiting=[number for number in above if number not in taken][:limit],
    )


def transfers_by_number(store: "StoreTwin") -> dict[int, TransferRow]:
    """Return all transfers by number."""
    return {row.id: row for row in store.transfers.values()}


def audit_log(store: "StoreTwin") -> list[Finding]:
    """Return violations of I7 and I8, found by rebuilding the whole tree."""
    tables, found = store.log_tables, list[Finding]()
    if tables.head is None:
        return found
    transfers = transfers_by_number(store)
    frontier, roots = Frontier(), {0: Frontier().root()}
    for number in range(tables.head.size):
        leaf = tables.leaves.get(number)
        row = transfers.pop(leaf.transfer, None) if leaf else None
        if leaf is None or row is None or leaf_hash(leaf_text(row, leaf.salts)) != leaf.hash:
            found.append(Finding("I7", f"leaf {number}", "is not its transfer's, or not there"))
            return found
        frontier.append(leaf.hash)
        roots[frontier.size] = frontier.root()
    if roots[tables.head.size] != tables.head.root or len(tables.leaves) != tables.head.size:
        found.append(Finding("I7", "the head", "is not that of the leaves"))
    if any(number <= tables.head.covered for number in transfers):
        found.append(Finding("I7", f"transfers {sorted(transfers)}", "have no leaf"))
    for size, checkpoint in tables.checkpoints.items():
        if roots.get(size) != checkpoint.root:
            found.append(Finding("I8", f"checkpoint {size}", "has another root"))
    return found


def _hash(tables: LogTables, level: int, number: int) -> bytes:
    return tables.tiles[TilePlace(level - 1, number)].root if level else tables.leaves[number].hash
