"""Data for proofs: leaves, log tiles and checkpoints."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from rendertrust import note
from rendertrust.leaf import Side, side_of
from rendertrust.log_tiles import LEVELS, TilePlace, needed
from rendertrust.merkle import Range, consistency_ranges, inclusion_ranges
from rendertrust.proof_builder import LogTree, TileHashes
from sql.books import TransferRow
from sql.database import Database, row_as
from sql.log import edge_tiles
from sql.query_loader import QUERIES

TILES_KEPT: Final = 1024  # log tiles of some 40 KiB each
EDGES_KEPT: Final = 8  # right edges of the newest sizes
Rows: TypeAlias = Mapping[TilePlace, TileHashes]


@attrs.frozen
class LeafPosition:
    """The position of a transfer in the log.

    ``salts`` as in ``LeafRow``. ``hash``: the leaf's hash in the log, even if the transfer was
    altered.
    """

    leaf_index: int
    salts: bytes
    hash: bytes


@attrs.frozen
class OwnEntry:
    """An entry of the caller, as one side of its transfer.

    ``place`` is None until the Sequencer has appended the transfer's leaf.
    """

    entry_id: int
    transfer: TransferRow
    place: LeafPosition | None

    @property
    def side(self) -> Side:
        """The side of the transfer that the entry is."""
        return side_of(self.entry_id)[1]


@attrs.frozen
class SignedCheckpoint:
    """A checkpoint with its note; ``verifiers``: the valid keys, newest last."""

    origin: str
    size: int
    root: bytes
    at: datetime
    note: str
    verifiers: Sequence[str]

    @property
    def verifier(self) -> str:
        """The newest key that signed the checkpoint."""
        return next(v for v in reversed(self.verifiers) if note.is_signed_by(self.note, v))


class Proofs:
    """Queries for proofs. Methods raise ``sql.database.Unavailable`` while the database is down.

    Parts of the tree are cached: a complete log tile never changes, nor does the right edge of a
    log of a given size.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._whole: OrderedDict[TilePlace, TileHashes] = OrderedDict()
        self._edges: OrderedDict[int, Rows] = OrderedDict()

    def forget(self) -> None:
        """Clear the cache."""
        self._whole.clear()
        self._edges.clear()

    async def entry(self, user: UUID | None, key: int | UUID) -> OwnEntry | None:
        """Return an entry of this user's accounts, or of any account if ``user`` is None, by number
        or id.
        """
        named = (key, None) if isinstance(key, int) else (None, key)
        row = await self._database.one("log_entry_of_user", user, *named)
        if row is None:
            return None
        place = None
        if row["leaf_index"] is not None:
            place = LeafPosition(row["leaf_index"], row["salts"], row["hash"])
        return OwnEntry(row["entry_id"], row_as(TransferRow, row), place)

    async def orphan(self, entry_id: int) -> int | None:
        """Return the leaf of an entry whose transfer was removed from the books, or None."""
        row = await self._database.one("log_orphan", side_of(entry_id)[0])
        return None if row is None else int(row["leaf_index"])

    async def newest(self) -> SignedCheckpoint | None:
        """Return the newest checkpoint; None if there is none."""
        return await self._database.row(SignedCheckpoint, "log_checkpoint_newest")

    async def inclusion(self, index: int, size: int) -> Sequence[bytes]:
        """Return the proof that leaf ``index`` is among the first ``size``."""
        return (await self._tree(inclusion_ranges(index, size), size)).inclusion(index)

    async def consistency(self, m: int, n: int) -> Sequence[bytes]:
        """Return the proof that the first ``m`` leaves are the beginning of the first ``n``."""
        return (await self._tree(consistency_ranges(m, n), n)).consistency(m)

    async def root(self, size: int) -> bytes:
        """Return the root of the first ``size`` leaves."""
        return (await self._tree([(0, size)], size)).root()

    async def _tree(self, ranges: Sequence[Range], size: int) -> LogTree:
        """Return a log of ``size`` leaves with all rows in memory that these ranges need.

        The returned log has its own rows, as the cache may drop rows during the read.
        """
        wanted = {place for place in needed(ranges) if _is_whole(place, size)}
        whole = {place: row for place in wanted if (row := self._whole.get(place)) is not None}
        edge = self._edges.get(size)
        missing = sorted(wanted - whole.keys())
        if missing or edge is None:
            read, edge = await self._read(missing, size, edge)
            whole |= read
        _keep(self._whole, whole, TILES_KEPT)
        _keep(self._edges, {size: edge}, EDGES_KEPT)
        return LogTree(size, lambda place: edge[place] if place in edge else whole[place])

    async def _read(
        self, places: Sequence[TilePlace], size: int, edge: Rows | None
    ) -> tuple[Rows, Rows]:
        """Read complete log tiles and, if ``edge`` is None, the incomplete log tiles at the right
        edge.
        """
        names = [place.level for place in places], [place.index for place in places]
        async with self._database.connection() as connection:
            rows = await connection.fetch(QUERIES["log_tiles_at"], *names) if places else []
            if edge is None:
                at_edge = await edge_tiles(connection, size)
                edge = {place: TileHashes(hashes) for place, hashes in at_edge.items()}
        return {
            TilePlace(row["level"], row["number"]): TileHashes(row["hashes"]) for row in rows
        }, edge


def _keep(kept: "OrderedDict[Any, Any]", used: Mapping[Any, Any], most: int) -> None:
    """Add rows to the cache, and drop the least recently used rows."""
    for key, value in used.items():
        kept[key] = value
        kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


def _is_whole(place: TilePlace, size: int) -> bool:
    return (place.index + 1) << LEVELS * (place.level + 1) <= size
