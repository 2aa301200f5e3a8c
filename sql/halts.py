"""Halts: writing stops because the chain, or a gateway, has more of the log than the database."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import attrs

from sql.audit_log import Act, record
from sql.batched_reads import BatchedReads
from sql.database import Database, Unavailable, row_as
from sql.proofs import Proofs
from sql.query_loader import QUERIES

RESTORED: Final = "RESTORED"
BEHIND: Final = "BEHIND"
AHEAD: Final = "AHEAD"
OTHER: Final = "OTHER"
STRANGE: Final = "STRANGE"
UNREADABLE: Final = "UNREADABLE"
OF_ONE_GATEWAY: Final = frozenset({STRANGE, UNREADABLE})  # only one gateway is affected
FRESH_SECONDS: Final = 1.0
WHAT_TO_DO: Final = (
    "nothing is written until somebody has examined this and begun a new epoch "
    "of the log with `rendertrust chain reopen`"
)
MOVE_IT: Final = (
    "move `gateway/log-seen` on this machine to another folder; the gateway resumes within seconds"
)


@attrs.frozen
class SeenHead:
    """The newest checkpoint that a gateway signed or saw, as it remembers it outside the
    database.
    """

    origin: str
    size: int
    root: bytes
    at: datetime


@attrs.frozen
class UnreadableHead:
    """A gateway cannot read its file about the log, so its content is unknown.

    ``why``: the error.
    """

    why: str


Kept: TypeAlias = SeenHead | UnreadableHead | None


@attrs.frozen
class Halt:
    """A reason to stop writing.

    ``reason``: RESTORED, BEHIND, AHEAD or OTHER; STRANGE or UNREADABLE stop one gateway only. The
    other fields describe the log ``origin`` as the chain has it (with BEHIND and STRANGE: as a
    gateway has it) since ``seen_at``. ``here``: with STRANGE, the name of the database's log.
    """

    reason: str
    found_at: datetime
    chain_id: int | None = None
    contract: str | None = None
    size: int | None = None
    root: bytes | None = None
    origin: str | None = None
    seen_at: datetime | None = None
    here: str | None = None

    @property
    def found(self) -> str:
        """A description of the contradiction."""
        if self.reason == RESTORED:
            return (
                "a backup was restored, and the chain has not confirmed yet that it has no newer"
                " anchor"
            )
        if self.reason == BEHIND:
            return (
                f"a gateway has seen a checkpoint of {self.size} leaves of {self.origin} that "
                "the database lacks: an older or another database was put in its place"
            )
        if self.reason == STRANGE:
            which = "no log yet" if self.here is None else f"the log {self.here}"
            return (
                f"this gateway has seen a checkpoint of {self.size} leaves of {self.origin}, "
                f"and the database has {which}: it is another database, or the file "
                "`gateway/log-seen` belongs to another gateway"
            )
        if self.reason == UNREADABLE:
            return (
                "this gateway's memory of the log, the file `gateway/log-seen` in its data "
                "folder, cannot be read"
            )
        if self.reason == AHEAD:
            return (
                f"contract {self.contract} on chain {self.chain_id} has {self.size} leaves of "
                "the log, the database has fewer: an older backup was restored"
            )
        return (
            f"contract {self.contract} on chain {self.chain_id} has another root at {self.size}"
            " leaves than the database"
        )

    @property
    def text(self) -> str:
        """A description of the contradiction, and what the person who runs the gateway shall do."""
        if self.reason == RESTORED:
            return f"{self.found}: nothing is written until then"
        if self.reason == STRANGE:
            return (
                f"{self.found}; this gateway writes nothing until somebody has examined it. "
                f"If the database is the right one, {MOVE_IT}"
            )
        if self.reason == UNREADABLE:
            return (
                f"{self.found}; this gateway writes nothing until the file is replaced by a copy."
                f" If the database is known to be the newest one, {MOVE_IT}"
            )
        return f"{self.found}; {WHAT_TO_DO}"


class Halted(Unavailable):
    """Writing is stopped. The message says why."""


class Halts:
    """The reasons not to write.

    Callers query the reasons before every write; the database is queried at most once a second.

    ``chain``: the gateway has a chain. ``seen`` returns this gateway's memory of the log, by which
    the gateway notices an older database before the chain does. A memory of another log, or an
    unreadable memory, halts only this gateway. Raises Unavailable while the database is down.
    """

    def __init__(
        self, database: Database, *, chain: bool, seen: Callable[[], Kept] = lambda: None
    ) -> None:
        self.chain = chain
        self._database, self._seen = database, seen
        self._stale_at = 0.0
        self._last: Halt | None = None
        # When a second is over, all requests of the moment wait for one query.
        self._reads: BatchedReads[None, Halt | None] = BatchedReads(self._read)

    async def now(self) -> Halt | None:
        """Return the reason to stop writing, or None."""
        if asyncio.get_running_loop().time() < self._stale_at:
            return self._last
        return await self._reads.get(None)

    async def _read(self, asked: Sequence[None]) -> Sequence[Halt | None]:
        """Query the halt for many callers, unless an earlier query is still fresh."""
        now = asyncio.get_running_loop().time()
        if now >= self._stale_at:
            self._last = await self._ask()
            self._stale_at = now + FRESH_SECONDS
        return [self._last] * len(asked)

    async def only_here(self) -> bool:
        """Return True if only this gateway must not write."""
        halt = await self.now()
        return halt is not None and halt.reason in OF_ONE_GATEWAY

    async def _ask(self) -> Halt | None:
        """Query the halt."""
        seen = self._seen()
        known: tuple[Any, ...] = (None,) * 4
        if isinstance(seen, SeenHead):
            known = seen.origin, seen.size, seen.root, seen.at
        broken = isinstance(seen, UnreadableHead)
        row = await self._database.one("halts_now", self.chain, *known, broken)
        if row is None:
            return None
        halt = row_as(Halt, row)
        if not row["told"]:  # store the halt, so that other gateways and the signer learn of it
            kept = (halt.size, halt.root, halt.origin, halt.seen_at)
            await self._database.execute("halts_behind", halt.found_at, *kept)
        return halt

    async def refuse(self) -> None:
        """Raise Halted if writing is stopped."""
        halt = await self.now()
        if halt is not None:
            raise Halted(halt.text)


@attrs.frozen
class Backlog:
    """Size of the log, the number of anchored leaves, and since when a checkpoint or transfer
    waits.
    """

    size: int
    anchored: int
    since: datetime | None


async def read_backlog(database: Database) -> Backlog | None:
    """Return the log's backlog; None before the log has begun. Raises Unavailable."""
    row = await database.one("halts_backlog")
    return None if row is None else Backlog(**row)


async def own_root(database: Database, size: int) -> tuple[int, bytes | None]:
    """Return the log's size, and its root at ``size``; the root is None if the log has fewer
    leaves.
    """
    row = await database.one("halts_own", size)
    if row is None or size > row["size"]:
        return (0 if row is None else row["size"]), None
    root: bytes | None = row["root"]
    return row["size"], root or await Proofs(database).root(size)


@attrs.frozen
class ChainHead:
    """The log's newest anchor in a contract on a chain."""

    chain_id: int
    contract: str
    size: int
    root: bytes


def halt_over(found: ChainHead, own: tuple[int, bytes | None], at: datetime) -> Halt | None:
    """Compare the chain's anchor with the log's own size and root; return None if they agree."""
    have, root = own
    if found.size == 0 or root == found.root:
        return None
    reason = AHEAD if found.size > have else OTHER
    return Halt(reason, at, found.chain_id, found.contract, found.size, found.root)


async def write_halt(database: Database, halt: Halt) -> None:
    """Stop all writing by storing the halt. Raises Unavailable."""
    found = (halt.chain_id, halt.contract, halt.size, halt.root)
    await database.execute("halts_set", halt.reason, halt.found_at, *found)


async def end_halt(database: Database, act: Act) -> None:
    """End a halt; the person who runs the gateway has confirmed that the chain agrees.

    Raises Unavailable.
    """
    async with database.transaction() as connection:
        await connection.execute(QUERIES["halts_end"])
        await record(connection, act)
