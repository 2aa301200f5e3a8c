"""Why nothing may be written: the chain, or a gateway, has of the log what the database has not."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeAlias

import attrs

from sql.audit import Act, record
from sql.database import Database, Unavailable
from sql.proofs import Proofs
from sql.query_loader import QUERIES

RESTORED: Final = "RESTORED"
BEHIND: Final = "BEHIND"
AHEAD: Final = "AHEAD"
OTHER: Final = "OTHER"
STRANGE: Final = "STRANGE"
UNREADABLE: Final = "UNREADABLE"
OF_ONE_GATEWAY: Final = frozenset({STRANGE, UNREADABLE})  # the others know nothing of it
FRESH_SECONDS: Final = 1.0
WHAT_TO_DO: Final = (
    "nothing is written until the operator has looked, and has begun a new epoch of the log with"
    " `rendertrust chain reopen`"
)
MOVE_IT: Final = "move `gateway/log-seen` away on this machine; the gateway goes on within seconds"


@attrs.frozen
class SeenHead:
    """The newest checkpoint that a gateway signed or saw, as it keeps it beside the database."""

    origin: str
    size: int
    root: bytes
    at: datetime


@attrs.frozen
class UnreadableHead:
    """A gateway keeps something that cannot be read: nobody knows what it saw. ``why``: a text."""

    why: str


Kept: TypeAlias = SeenHead | UnreadableHead | None


@attrs.frozen
class Halt:
    """``reason``: RESTORED, BEHIND, AHEAD or OTHER; of this gateway alone STRANGE or UNREADABLE.

    The rest is what the chain has, or with BEHIND and STRANGE a gateway, of the log ``origin``,
    since ``seen_at``; ``here``: the log that the database has, if any, with STRANGE.
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
        """What is wrong."""
        if self.reason == RESTORED:
            return "a backup was restored, and the chain has not said yet whether it has more"
        if self.reason == BEHIND:
            return (
                f"a gateway keeps a checkpoint of {self.size} leaves of {self.origin} that the"
                " database has not: an older database was put back, or another one"
            )
        if self.reason == STRANGE:
            which = "no log yet" if self.here is None else f"the log {self.here}"
            return (
                f"this gateway keeps a checkpoint of {self.size} leaves of {self.origin}, and the"
                f" database has {which}: it is another database, or the file"
                " `gateway/log-seen` is another gateway's"
            )
        if self.reason == UNREADABLE:
            return (
                "what this gateway keeps of the log, `gateway/log-seen` in its data folder, cannot"
                " be read"
            )
        if self.reason == AHEAD:
            return (
                f"contract {self.contract} on chain {self.chain_id} has {self.size} leaves of the"
                " log, the database fewer: an older backup was restored"
            )
        return (
            f"contract {self.contract} on chain {self.chain_id} has another root at {self.size}"
            " leaves than the database"
        )

    @property
    def text(self) -> str:
        """The same, and what is to be done."""
        if self.reason == RESTORED:
            return f"{self.found}: nothing is written until it has"
        if self.reason == STRANGE:
            return (
                f"{self.found}; this gateway writes nothing until the operator has looked. If the"
                f" database is the right one, {MOVE_IT}"
            )
        if self.reason == UNREADABLE:
            return (
                f"{self.found}; this gateway writes nothing until it is mended from a copy. If the"
                f" database is known to be the newest one, {MOVE_IT}"
            )
        return f"{self.found}; {WHAT_TO_DO}"


_HALT: Final = tuple(field.name for field in attrs.fields(Halt))


class Halted(Unavailable):
    """Nothing is written now. The text says why."""


class Halts:
    """Asked before anything is written; the database is asked once a second at most.

    ``chain``: whether the gateway can ask one. ``seen``: what it keeps of the log itself, with
    which a database that was put back by hand is found before a chain has said anything. Each time
    the database is asked it is held against that; what is of another log, or cannot be read, halts
    this gateway alone. Raises Unavailable while the database is away.
    """

    def __init__(
        self, database: Database, *, chain: bool, seen: Callable[[], Kept] = lambda: None
    ) -> None:
        self.chain = chain
        self._database, self._seen = database, seen
        self._stale_at = 0.0
        self._last: Halt | None = None

    async def now(self) -> Halt | None:
        """Why nothing may be written; None: it may."""
        now = asyncio.get_running_loop().time()
        if now >= self._stale_at:
            self._last = await self._ask()
            self._stale_at = now + FRESH_SECONDS
        return self._last

    async def only_here(self) -> bool:
        """Return whether this gateway may write nothing, and the others may."""
        halt = await self.now()
        return halt is not None and halt.reason in OF_ONE_GATEWAY

    async def _ask(self) -> Halt | None:
        """Without a chain nobody could begin an epoch, which names an anchor."""
        seen = self._seen() if self.chain else None
        known: tuple[Any, ...] = (None,) * 4
        if isinstance(seen, SeenHead):
            known = seen.origin, seen.size, seen.root, seen.at
        broken = isinstance(seen, UnreadableHead)
        row = await self._database.one("halts_now", self.chain, *known, broken)
        if row is None:
            return None
        told, values = row["told"], {name: row[name] for name in _HALT}
        halt = Halt(**values)
        if not told:  # the other gateways must know, and whoever signs
            kept = (halt.size, halt.root, halt.origin, halt.seen_at)
            await self._database.execute("halts_behind", halt.found_at, *kept)
        return halt

    async def refuse(self) -> None:
        """Raise Halted where nothing may be written."""
        halt = await self.now()
        if halt is not None:
            raise Halted(halt.text)


@attrs.frozen
class Backlog:
    """Leaves of the log, how many are anchored, and since when a checkpoint or an entry waits."""

    size: int
    anchored: int
    since: datetime | None


async def read_backlog(database: Database) -> Backlog | None:
    """None before the log has begun. Raises Unavailable."""
    row = await database.one("halts_backlog")
    return None if row is None else Backlog(**row)


async def own_root(database: Database, size: int) -> tuple[int, bytes | None]:
    """How many leaves there are, and the root of ``size`` of them; None: there are fewer."""
    row = await database.one("halts_own", size)
    if row is None or size > row["size"]:
        return (0 if row is None else row["size"]), None
    root: bytes | None = row["root"]
    return row["size"], root or await Proofs(database).root(size)


@attrs.frozen
class ChainHead:
    """What a contract on a chain has of the log."""

    chain_id: int
    contract: str
    size: int
    root: bytes


def halt_over(found: ChainHead, own: tuple[int, bytes | None], at: datetime) -> Halt | None:
    """What is found on the chain, held against our own size and root; None: it agrees."""
    have, root = own
    if found.size == 0 or root == found.root:
        return None
    reason = AHEAD if found.size > have else OTHER
    return Halt(reason, at, found.chain_id, found.contract, found.size, found.root)


async def write_halt(database: Database, halt: Halt) -> None:
    """Nothing is written from now on. Raises Unavailable."""
    found = (halt.chain_id, halt.contract, halt.size, halt.root)
    await database.execute("halts_set", halt.reason, halt.found_at, *found)


async def end_halt(database: Database, act: Act) -> None:
    """By an operator's word, who has seen that the chain agrees. Raises Unavailable."""
    async with database.transaction() as connection:
        await connection.execute(QUERIES["halts_end"])
        await record(connection, act)
