"""What proofs are made of: leaves, tiles and checkpoints. Only the Sequencer writes them."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from rendertrust import note
from rendertrust.merkle import Range, consistency_ranges, inclusion_ranges
from rendertrust.tiles import (
    LEVELS,
    Place,
    consistency_from,
    inclusion_from,
    needed,
    root_from,
)
from sql.database import Database
from sql.loader import QUERIES
from sql.log import LogEntry
from sql.sql_log import edge_tiles

TILES_KEPT: Final = 1024  # of 8 KiB: complete tiles never change
_ENTRY: Final = tuple(field.name for field in attrs.fields(LogEntry))


@attrs.frozen
class Sequenced:
    """Where an entry is in the log. ``hash`` is what the log has, whatever the entry says today."""

    leaf_index: int
    salt: bytes
    hash: bytes


@attrs.frozen
class OwnEntry:
    """An entry of the one who asks; ``place`` is None until the Sequencer has taken it up."""

    entry: LogEntry
    place: Sequenced | None


@attrs.frozen
class Signed:
    """A checkpoint with its note; ``verifiers`` are the keys that count, the newest last."""

    origin: str
    size: int
    root: bytes
    at: datetime
    note: str
    verifiers: Sequence[str]

    @property
    def verifier(self) -> str:
        """The newest key that signed it."""
        return next(v for v in reversed(self.verifiers) if note.is_signed_by(self.note, v))


class Proofs:
    """Reads; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[Place, bytes] = OrderedDict()

    async def entry(self, user: UUID, key: int | UUID) -> OwnEntry | None:
        """An entry of this user's accounts, by its number or its id."""
        named = (key, None) if isinstance(key, int) else (None, key)
        row = await self._database.one("log_entry_of_user", user, *named)
        if row is None:
            return None
        entry = LogEntry(**{name: row[name] for name in _ENTRY})
        if row["leaf_index"] is None:
            return OwnEntry(entry, None)
        return OwnEntry(entry, Sequenced(row["leaf_index"], row["salt"], row["hash"]))

    async def newest(self) -> Signed | None:
        """The newest checkpoint; None before the log has begun."""
        row = await self._database.one("log_checkpoint_newest")
        return None if row is None else Signed(**row)

    async def inclusion(self, index: int, size: int) -> Sequence[bytes]:
        """The proof that leaf ``index`` is among the first ``size``."""
        tiles = await self._tiles(inclusion_ranges(index, size), size)
        return inclusion_from(tiles, index, size)

    async def consistency(self, m: int, n: int) -> Sequence[bytes]:
        """The proof that the first ``m`` leaves are the beginning of the first ``n``."""
        return consistency_from(await self._tiles(consistency_ranges(m, n), n), m, n)

    async def root(self, size: int) -> bytes:
        """The root of the first ``size`` leaves."""
        return root_from(await self._tiles([(0, size)], size), size)

    async def _tiles(self, ranges: Sequence[Range], size: int) -> Mapping[Place, bytes]:
        """The tiles that these ranges need in a log of so many leaves."""
        wanted = needed(ranges)
        whole = {place for place in wanted if _is_whole(place, size)}
        found = {place: self._kept[place] for place in whole if place in self._kept}
        missing = sorted(whole - found.keys())
        if missing or wanted - whole:
            found |= await self._read(missing, size if wanted - whole else 0)
        for place in whole:
            self._kept[place] = found[place]
            self._kept.move_to_end(place)
        while len(self._kept) > TILES_KEPT:
            self._kept.popitem(last=False)
        return found

    async def _read(self, whole: Sequence[Place], size: int) -> dict[Place, bytes]:
        """Complete tiles, and those that ``size`` leaves do not complete, unless it is 0."""
        found: dict[Place, bytes] = {}
        async with self._database.connection() as connection:
            if whole:
                names = [place.level for place in whole], [place.index for place in whole]
                for row in await connection.fetch(QUERIES["log_tiles_at"], *names):
                    found[Place(row["level"], row["number"])] = row["hashes"]
            if size:
                found |= await edge_tiles(connection, size)
        return found


def _is_whole(place: Place, size: int) -> bool:
    return (place.index + 1) << LEVELS * (place.level + 1) <= size
