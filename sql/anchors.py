"""Rows of what was sent to a chain. Only the Anchor writes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from sql.database import Database
from sql.halts import Halt, own_root, write_halt
from sql.proofs import SignedCheckpoint

PENDING: Final = "PENDING"
CONFIRMED: Final = "CONFIRMED"
FAILED: Final = "FAILED"


@attrs.frozen
class SentRow:
    """A transaction. ``size`` and ``root`` are None where it makes the contract.

    ``hashes`` are of all its forms, the newest last, which ``raw`` is. ``mined_hash``: the one in
    the block, where it is confirmed.
    """

    chain_id: int
    sender: str
    nonce: int
    contract: str
    size: int | None
    root: bytes | None
    raw: bytes = attrs.field(repr=False)
    hashes: Sequence[str]
    state: str
    block_number: int | None
    bid_at: datetime
    mined_hash: str | None = None
    block_hash: str | None = None  # None: confirmed before these were kept
    origin: str | None = None  # of the checkpoint


@attrs.frozen
class TransactionOutcome:
    """Of a transaction: the block and its form there, or what went wrong."""

    block: int | None = None
    hash: str | None = None
    error: str | None = None
    block_hash: str | None = None
    note: str | None = None  # what the gateway signed of it


@attrs.frozen
class ConfirmedRow:
    """What a chain must have."""

    chain_id: int
    contract: str
    size: int
    root: bytes


@attrs.frozen
class AnchorRow:
    """An anchor as lists show it."""

    chain_id: int
    contract: str
    size: int
    root: bytes
    hash: str
    state: str
    block_number: int | None
    error: str | None
    created_at: datetime
    confirmed_at: datetime | None


@attrs.frozen
class CoveringAnchor:
    """The anchor that covers a leaf, and the checkpoint that it anchors."""

    chain_id: int
    contract: str
    hash: str
    block_number: int
    block_hash: str | None  # None: confirmed before these were kept
    anchor: str | None  # the signed note about it
    signed: SignedCheckpoint

    @property
    def block(self) -> tuple[int, str | None]:
        """Its number and hash."""
        return self.block_number, self.block_hash


class Anchors:
    """Each method raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sent(self, chain_id: int, sender: str, nonce: int) -> Sequence[SentRow]:
        """What is pending, what the chain has lost, the newest contract and the newest anchor."""
        rows = await self._database.all("anchors_of_sender", chain_id, sender, nonce)
        return [_sent(dict(row)) for row in rows]

    async def failed(self, chain_id: int, sender: str, nonce: int, limit: int) -> Sequence[SentRow]:
        """The newest failed transactions of this epoch numbered below ``nonce``."""
        rows = await self._database.all("anchors_failed", chain_id, sender, nonce, limit)
        return [_sent(dict(row)) for row in rows]

    async def due(self) -> tuple[int, bytes] | None:
        """The newest checkpoint that has any leaf: size and root."""
        row = await self._database.one("anchors_due")
        return None if row is None else (row["size"], row["root"])

    async def keep(self, row: SentRow) -> bool:
        """Keep a transaction before it is sent; False: another has its number."""
        kept = (row.chain_id, row.sender, row.nonce, row.contract, row.size, row.root)
        form = (row.raw, row.hashes[-1], row.bid_at)
        return await self._database.one("anchors_insert", *kept, *form) is not None

    async def rebid(self, row: SentRow, raw: bytes, name: str, at: datetime) -> bool:
        """Keep another form of it before it is sent; False: somebody else was faster."""
        named = (row.chain_id, row.sender, row.nonce, row.hashes[-1])
        return await self._database.one("anchors_bid", *named, raw, name, at) is not None

    async def become(
        self, row: SentRow, state: str, at: datetime, became: TransactionOutcome
    ) -> None:
        """What became of it."""
        named = (row.chain_id, row.sender, row.nonce)
        told = (state, became.block, became.error, at, became.hash, became.block_hash)
        await self._database.execute("anchors_state", *named, *told, became.note)

    async def unknown(self, chain_id: int, sender: str, nonce: int) -> Sequence[int]:
        """Numbers below ``nonce`` of the sender in this epoch, above and below all known ones."""
        rows = await self._database.all("anchors_unknown", chain_id, sender, nonce)
        return [row["nonce"] for row in rows]

    async def first(self, chain_id: int, sender: str) -> int | None:
        """The lowest number of a sender that is known here."""
        row = await self._database.one("anchors_first", chain_id, sender)
        return None if row is None else row["nonce"]

    async def holes(self, chain_id: int, sender: str) -> Sequence[int]:
        """Numbers of the sender, between others of this epoch, that no row has."""
        return [r["nonce"] for r in await self._database.all("anchors_holes", chain_id, sender)]

    async def unmade(self, chain_id: int, sender: str) -> Sequence[str]:
        """Contracts of anchors of this epoch of which no row says that they were made."""
        return [r["contract"] for r in await self._database.all("anchors_unmade", chain_id, sender)]

    async def contracts(self, chain_id: int, sender: str) -> dict[str, int]:
        """The sender's contracts of this epoch, and how far anchors that did not fail go."""
        rows = await self._database.all("anchors_contracts", chain_id, sender)
        return {row["contract"]: row["size"] for row in rows}

    async def confirmed(self, limit: int) -> Sequence["ConfirmedRow"]:
        """The newest confirmed anchors."""
        return [ConfirmedRow(**row) for row in await self._database.all("anchors_confirmed", limit)]

    async def own(self, size: int) -> tuple[int, bytes | None]:
        """How many leaves the log has, and the root of ``size`` of them; None: it has fewer."""
        return await own_root(self._database, size)

    async def halt(self, halt: Halt) -> None:
        """Nothing is written from now on."""
        await write_halt(self._database, halt)

    async def resume(self) -> None:
        """The chain agrees: of a backup that was restored it has no more. Other halts stay."""
        await self._database.execute("halts_asked")

    async def page(self, since: datetime | None, limit: int, offset: int) -> Sequence[AnchorRow]:
        """Anchors, newest first."""
        rows = await self._database.all("anchors_page", since, limit, offset)
        return [AnchorRow(**row) for row in rows]

    async def count(self, since: datetime | None) -> int:
        row = await self._database.one("anchors_count", since)
        return 0 if row is None else int(row["count"])

    async def noted(self) -> str | None:
        """What was signed about the newest confirmed anchor."""
        row = await self._database.one("anchors_noted")
        return None if row is None else str(row["note"])

    async def covering(self, leaf_index: int) -> CoveringAnchor | None:
        """The newest confirmed anchor of a checkpoint that covers the leaf."""
        row = await self._database.one("anchors_covering", leaf_index)
        if row is None:
            return None
        values: dict[str, Any] = dict(row)
        names = ("chain_id", "contract", "hash", "block_number", "block_hash", "anchor")
        placed = {name: values.pop(name) for name in names}
        return CoveringAnchor(**placed, signed=SignedCheckpoint(**values))


def _sent(row: dict[str, Any]) -> SentRow:
    row["hashes"] = tuple(row["hashes"])
    return SentRow(**row)
