"""The log in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from rendertrust.log_tiles import LEVELS, WIDTH, TilePlace
from sql.database import Connection, Database
from sql.log import Append, Head, LogEntry, LogView
from sql.query_loader import QUERIES
from sql.statement_batch import flat, together

LEADER: Final = 0x52656E646571  # the advisory lock of the gateway that appends


class SqlLog:
    """One transaction over the log."""

    def __init__(self, connection: Connection, *, halted: bool = False) -> None:
        """``halted``: this gateway may sign nothing, whatever the database says."""
        self._connection, self._halted = connection, halted

    async def lead(self) -> bool:
        row = await self._connection.fetchrow(QUERIES["log_lead"], LEADER)
        return row is not None and bool(row["leads"])

    async def look(self, limit: int) -> LogView | None:
        if await self._connection.fetchrow(QUERIES["log_head_lock"]) is None:
            return None
        row = await self._connection.fetchrow(QUERIES["log_look"], limit)
        found = None if row is None else look_of(row)
        return attrs.evolve(found, halted=True) if found is not None and self._halted else found

    async def begin(self, origin: str) -> None:
        await self._connection.execute(QUERIES["log_head_make"], origin)

    async def entries(self, numbers: Sequence[int]) -> Sequence[LogEntry]:
        rows = await self._connection.fetch(QUERIES["log_entries"], numbers)
        return [LogEntry(*row) for row in rows]  # the columns are its fields, in order

    async def edge(self, size: int) -> Mapping[TilePlace, bytes]:
        return await edge_tiles(self._connection, size)

    async def write(self, append: Append) -> None:
        if append.checkpoint is None:
            await self._connection.execute(QUERIES["log_unsynced"])
        parts = [part for part in _parts(append) if part[1][0]]
        names = tuple((name, len(columns)) for name, columns in parts)
        await self._connection.fetchrow(together(names), *flat([c for _, c in parts]))


async def look(database: Database, limit: int) -> LogView | None:
    """Read the log without a lock, to see whether there is anything to do."""
    row = await database.one("log_look", limit)
    return None if row is None else look_of(row)


def look_of(row: Any) -> LogView:
    """Build a view from the row of ``log_look``."""
    return LogView(
        head=Head(row["origin"], row["size"], row["root"], row["covered"]),
        checked=row["checked"],
        checked_at=row["checked_at"],
        verifiers=frozenset(row["verifiers"]),
        own=row["own"],
        oldest=row["oldest"],
        newest=row["newest"],
        waiting=row["waiting"],
        halted=row["halted"],
    )


async def edge_tiles(connection: Any, size: int) -> dict[TilePlace, bytes]:
    """Return the incomplete tiles at the right edge of ``size`` leaves, without empty ones."""
    tiles: dict[TilePlace, bytes] = {}
    first = size - size % WIDTH
    hashes = await connection.fetch(QUERIES["log_leaf_hashes"], first)
    if size > first:
        tiles[TilePlace(0, first // WIDTH)] = b"".join(
            row["hash"] for row in hashes[: size - first]
        )
    levels = [level for level in range(1, 8) if size >> LEVELS * level]
    below = {level: size >> LEVELS * level for level in levels}
    starts = [below[level] - below[level] % WIDTH for level in levels]
    rows = await connection.fetch(QUERIES["log_tile_roots"], levels, starts)
    for level, start in zip(levels, starts, strict=True):
        roots = [row["root"] for row in rows if row["level"] == level][: below[level] - start]
        if roots:
            tiles[TilePlace(level, start // WIDTH)] = b"".join(roots)
    return tiles


def _parts(append: Append) -> list[tuple[str, list[Any]]]:
    """Return the writes with their parameters; one with an empty first column is skipped.

    Leaves have consecutive indices, and their salts and hashes have a fixed length.
    """
    head, leaves, tiles = append.head, append.leaves, append.tiles
    made = [] if append.checkpoint is None else [append.checkpoint]
    places = [[tile.place.level for tile in tiles], [tile.place.index for tile in tiles]]
    return [
        (
            "log_leaves_append",
            [
                [leaf.entry_id for leaf in leaves],
                leaves[0].leaf_index if leaves else 0,
                b"".join([leaf.salt for leaf in leaves]),
                b"".join([leaf.hash for leaf in leaves]),
            ],
        ),
        ("log_tiles_insert", [*places, [t.root for t in tiles], [t.hashes for t in tiles]]),
        ("log_head_write", [[head.size], [head.root], [head.covered], [len(made)]]),
        (
            "log_checkpoint_insert",
            [
                [c.size for c in made],
                [c.root for c in made],
                [c.at for c in made],
                [c.note for c in made],
            ],
        ),
        ("log_keys_insert", [list(append.keys), list(append.keys.values())]),
    ]
