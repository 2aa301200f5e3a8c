"""The log as the Sequencer handles it: what it locks, what it finds, what it writes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from rendertrust.leaf import Leaf, PrivatePart, leaf_bytes, private_bytes, private_hash
from rendertrust.log_tiles import HashTile, TilePlace
from rendertrust.merkle import leaf_hash


@attrs.frozen
class LogEntry:
    """An entry of the books, as much of it as its leaf says."""

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
        """What its owner alone sees."""
        return PrivatePart(
            self.account, self.version, self.before, self.after, self.reference, self.description
        )

    def leaf(self, salt: bytes) -> Leaf:
        """The leaf that it is under this salt."""
        private = self.private.digest(salt)
        return Leaf(self.entry_id, self.created_at, self.kind, self.amount, private, self.receipt)

    def leaf_hash(self, salt: bytes) -> bytes:
        """The hash of that leaf."""
        hidden = private_hash(salt, private_bytes(self))
        number, at, receipt = self.entry_id, self.created_at, self.receipt
        return leaf_hash(
            leaf_bytes(number, at, self.kind, self.amount, private=hidden, receipt=receipt)
        )


@attrs.frozen
class Head:
    """Where the log ends. Every entry up to ``covered`` has its leaf, and none will come below."""

    origin: str
    size: int
    root: bytes
    covered: int


@attrs.frozen
class LogView:
    """What was seen of the log in one moment.

    ``own``: the number of the transaction that looked, 0 if it has none; ``oldest``: of the oldest
    one that was under way; ``newest``: of the newest entry. ``waiting`` are numbers of entries.
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
    """``note``: as strangers get it."""

    size: int
    root: bytes
    at: datetime
    note: str


@attrs.frozen
class Append:
    """What to write: the head as it is from now on, and what led to it."""

    head: Head
    leaves: Sequence[LeafRow] = ()
    tiles: Sequence[HashTile] = ()
    checkpoint: CheckpointRow | None = None
    keys: Mapping[str, datetime] = attrs.field(factory=dict[str, datetime])  # verifiers, since when


class LogTransaction(Protocol):
    """One transaction over the log."""

    async def lead(self) -> bool:
        """Whether nobody else is appending. It may be waited for all the same."""
        ...

    async def look(self, limit: int) -> LogView | None:
        """Lock the head; what is there then, with ``limit`` waiting entries. None: no log yet."""
        ...

    async def begin(self, origin: str) -> None:
        """Let the log begin, unless it has."""
        ...

    async def entries(self, numbers: Sequence[int]) -> Sequence[LogEntry]:
        """These entries, in order of their numbers."""
        ...

    async def edge(self, size: int) -> Mapping[TilePlace, bytes]:
        """The tiles that ``size`` leaves do not complete, at the right edge, but for empty ones."""
        ...

    async def write(self, append: Append) -> None:
        """Write everything. Raises Conflict where leaves are there already."""
        ...
