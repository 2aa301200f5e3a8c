"""The log: its rows, its port, its transactions in PostgreSQL, and its valid keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import attrs

from rendertrust.leaf import SALT_BYTES, Side, commitment, leaf_bytes, private_bytes
from rendertrust.log_tiles import LEVELS, WIDTH, HashTile, TilePlace
from sql.audit_log import Act, record
from sql.books import TransferRow
from sql.database import Connection, Database
from sql.query_loader import QUERIES
from sql.statement_batch import flat, titles, together

LEADER: Final = 0x52656E646571  # advisory lock of the gateway that appends


def private_text(row: TransferRow, side: Side) -> bytes:
    """Return the private part of one side of a transfer, which only that side's owner may see."""
    if side == "debit":
        before = row.debit_after + row.amount
        moved = row.debit, row.debit_version, before, row.debit_after
    else:
        before = row.credit_after - row.amount
        moved = row.credit, row.credit_version, before, row.credit_after
    return private_bytes(*moved, reference=row.reference, description=row.description)


def leaf_text(row: TransferRow, salts: bytes) -> bytes:
    """Return the leaf of a transfer under the salts of its two sides."""
    debit = commitment(salts[:SALT_BYTES], private_text(row, "debit"))
    credit = commitment(salts[SALT_BYTES:], private_text(row, "credit"))
    public = row.id, row.created_at, row.kind, row.amount
    return leaf_bytes(*public, debit=debit, credit=credit, receipt=row.receipt)


@attrs.frozen
class Head:
    """The end of the log.

    Every transfer up to the number ``covered`` has a leaf, and no new transfer can appear below
    that number.
    """

    origin: str
    size: int
    root: bytes
    covered: int


@attrs.frozen
class LogView:
    """The log at one moment.

    ``own``: id of the reading transaction, 0 if the transaction has no id; ``oldest``: id of the
    oldest running transaction; ``newest``: number of the newest transfer. ``waiting``: numbers of
    transfers without a leaf.
    """

    head: Head
    checked: int | None  # size of the newest checkpoint
    checked_at: datetime | None
    verifiers: frozenset[str]
    own: int
    oldest: int
    newest: int
    waiting: Sequence[int]
    halted: bool = False  # writing is halted (``sql.halts``): nothing may be signed


@attrs.frozen
class LeafRow:
    """The leaf of a transfer. ``salts``: the debit's salt, then the credit's."""

    leaf_index: int
    transfer: int
    salts: bytes
    hash: bytes


@attrs.frozen
class CheckpointRow:
    """A checkpoint. ``note``: the signed note as published."""

    size: int
    root: bytes
    at: datetime
    note: str


@attrs.frozen
class Append:
    """The rows to write: the new head, and the leaves, log tiles and checkpoint that lead to it."""

    head: Head
    leaves: Sequence[LeafRow] = ()
    tiles: Sequence[HashTile] = ()
    checkpoint: CheckpointRow | None = None
    # verifier keys, with the times when they were added
    keys: Mapping[str, datetime] = attrs.field(factory=dict[str, datetime])


class LogTransaction(Protocol):
    """One transaction over the log."""

    async def lead(self) -> bool:
        """Become the appending gateway for this transaction; False if another gateway is
        appending.
        """
        ...

    async def look(self, limit: int) -> LogView | None:
        """Lock the head and read the log, with at most ``limit`` waiting transfers.

        None before the log has begun.
        """
        ...

    async def begin(self, origin: str) -> None:
        """Begin the log, unless there is one."""
        ...

    async def transfers(self, numbers: Sequence[int]) -> Sequence[TransferRow]:
        """Return the transfers with these numbers, in order; accounts are named by their shards."""
        ...

    async def edge(self, size: int) -> Mapping[TilePlace, bytes]:
        """Return the incomplete log tiles at the right edge of ``size`` leaves, without empty
        ones.
        """
        ...

    async def write(self, append: Append) -> None:
        """Write all rows of ``append``. Raises Conflict if the leaves already exist."""
        ...


class SqlLog:
    """``LogTransaction`` over a connection that is in a transaction."""

    def __init__(self, connection: Connection, *, halted: bool = False) -> None:
        """Wrap the connection.

        ``halted``: this gateway must sign nothing, whatever the database says.
        """
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

    async def transfers(self, numbers: Sequence[int]) -> Sequence[TransferRow]:
        return await log_transfers(self._connection, numbers)

    async def edge(self, size: int) -> Mapping[TilePlace, bytes]:
        return await edge_tiles(self._connection, size)

    async def write(self, append: Append) -> None:
        if append.checkpoint is None:
            await self._connection.execute(QUERIES["log_unsynced"])
        parts = [part for part in _parts(append) if part[1][0]]
        names = tuple((name, len(columns)) for name, columns in parts)
        wanted = [len(columns[0]) for _, columns in parts]
        await self._connection.fetchrow(
            together(names), *flat([c for _, c in parts]), titles(parts), wanted
        )


async def look(database: Database, limit: int) -> LogView | None:
    """Read the log without a lock, to find out whether there is anything to append."""
    row = await database.one("log_look", limit)
    return None if row is None else look_of(row)


def look_of(row: Any) -> LogView:
    """Build a LogView from the row of the query ``log_look``."""
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


async def log_transfers(connection: Any, numbers: Sequence[int]) -> list[TransferRow]:
    """Return the transfers with these numbers, in order, as ``LogTransaction.transfers`` does."""
    rows = await connection.fetch(QUERIES["log_transfers"], numbers)
    return [TransferRow(*row) for row in rows]  # the columns are the fields, in order


async def edge_tiles(connection: Any, size: int) -> dict[TilePlace, bytes]:
    """Return the incomplete log tiles at the right edge of ``size`` leaves, without empty ones."""
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
    """Return the writes with their parameters; a write with an empty first column is left out.

    Leaves have consecutive indices, and their salts and hashes have a fixed length.
    """
    head, leaves, tiles = append.head, append.leaves, append.tiles
    made = [] if append.checkpoint is None else [append.checkpoint]
    places = [[tile.place.level for tile in tiles], [tile.place.index for tile in tiles]]
    return [
        (
            "log_leaves_append",
            [
                [leaf.transfer for leaf in leaves],
                leaves[0].leaf_index if leaves else 0,
                b"".join([leaf.salts for leaf in leaves]),
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


@attrs.frozen
class LogKeys:
    """The log's name, and its valid verifier keys."""

    origin: str
    verifiers: Sequence[str]


async def read_keys(database: Database) -> LogKeys | None:
    """Return the log's name and valid keys; None before the log has begun. Raises Unavailable."""
    row = await database.one("log_read_head")
    return None if row is None else LogKeys(row["origin"], sorted(row["verifiers"]))


async def adopt_key(database: Database, verifier: str, act: Act) -> None:
    """Accept this key from now on, without a signature by a known key. Raises Unavailable."""
    async with database.transaction() as connection:
        await connection.execute(QUERIES["log_keys_insert"], [verifier], [act.at])
        await record(connection, act)
