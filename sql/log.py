"""The log as the Sequencer handles it: rows to lock, rows found, rows to write."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from rendertrust.leaf import Leaf, PrivatePart, leaf_bytes, private_bytes, private_hash
from rendertrust.log_tiles import HashTile, TilePlace
from rendertrust.merkle import leaf_hash


@attrs.frozen
class LogEntry:
    """An entry of the books, with the fields of its leaf."""

    entry_id: int
    created_at: datetime
    kind: str
    amount: int
    receipt: bytes | None
    account: str
    version: int
    before: int
    after: int
    reference: str
    description: str

    @property
    def private(self) -> PrivatePart:
        """The part that only the entry's owner sees."""
        return PrivatePart(
            self.account, self.version, self.before, self.after, self.reference, self.description
        )

    def leaf(self, salt: bytes) -> Leaf:
        """Return the entry's leaf under this salt."""
        private = self.private.digest(salt)
        return Leaf(self.entry_id, self.created_at, self.kind, self.amount, private, self.receipt)

    def leaf_hash(self, salt: bytes) -> bytes:
        """Return the hash of that leaf."""
        hidden = private_hash(salt, private_bytes(self))
        number, at, receipt = self.entry_id, self.created_at, self.receipt
        return leaf_hash(
            leaf_bytes(number, at, self.kind, self.amount, private=hidden, receipt=receipt)
        )


@attrs.frozen
class Head:
    """The end of the log.

    Every entry up to ``covered`` has a leaf, and no further one can appear there.
    """

    origin: str
    size: int
    root: bytes
    covered: int


@attrs.frozen
class LogView:
    """A view of the log at one moment.

    ``own``: the id of the reading transaction, 0 if it has none; ``oldest``: of the oldest running
    transaction; ``newest``: the number of the newest entry. ``waiting``: numbers of entries without
    a leaf.
    """

    head: Head
    checked: int | None  # size of the newest checkpoint
    checked_at: datetime | None
    verifiers: frozenset[str]
    own: int
    oldest: int
    newest: int
    waiting: Sequence[int]
    halted: bool = False  # the chain has another log: nothing may be signed


@attrs.frozen
class LeafRow:
    leaf_index: int
    entry_id: int
    salt: bytes
    hash: bytes


@attrs.frozen
class CheckpointRow:
    """``note``: the signed note as published."""

    size: int
    root: bytes
    at: datetime
    note: str


@attrs.frozen
class Append:
    """The rows to write: the new head and everything that leads to it."""

    head: Head
    leaves: Sequence[LeafRow] = ()
    tiles: Sequence[HashTile] = ()
    checkpoint: CheckpointRow | None = None
    keys: Mapping[str, datetime] = attrs.field(factory=dict[str, datetime])  # verifiers, with times


class LogTransaction(Protocol):
    """One transaction over the log."""

    async def lead(self) -> bool:
        """Return False if another gateway is appending, for which one may still wait."""
        ...

    async def look(self, limit: int) -> LogView | None:
        """Lock the head and read the log, with ``limit`` waiting entries. None: no log yet."""
        ...

    async def begin(self, origin: str) -> None:
        """Begin the log, unless it has begun."""
        ...

    async def entries(self, numbers: Sequence[int]) -> Sequence[LogEntry]:
        """Return these entries, in order of their numbers."""
        ...

    async def edge(self, size: int) -> Mapping[TilePlace, bytes]:
        """Return the incomplete tiles at the right edge of ``size`` leaves, without empty ones."""
        ...

    async def write(self, append: Append) -> None:
        """Write everything. Raises Conflict if the leaves already exist."""
        ...
