"""Rows of transactions that the gateway sent to a chain. Besides the Anchor, only `chain deploy`
writes these rows.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from sql.database import Table
from sql.halts import Halt, own_root, write_halt
from sql.proofs import SignedCheckpoint

PENDING: Final = "PENDING"
CONFIRMED: Final = "CONFIRMED"
FAILED: Final = "FAILED"


@attrs.frozen
class SentRow:
    """A transaction. ``size`` and ``root`` are None for the deployment of the contract.

    A transaction is signed again with a higher fee if it stays pending. ``raw``: the newest version
    of the transaction; ``hashes``: the hashes of all versions, newest last; ``mined_hash``: the
    hash of the confirmed version.
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
    bid_at: datetime  # when the newest version was signed
    mined_hash: str | None = None
    block_hash: str | None = None  # None if it was not recorded
    origin: str | None = None  # the checkpoint's log


@attrs.frozen
class TransactionOutcome:
    """The outcome of a transaction: the block and version that were mined, or the error."""

    block: int | None = None
    hash: str | None = None
    error: str | None = None
    block_hash: str | None = None
    note: str | None = None  # the signed anchor note


@attrs.frozen
class ConfirmedRow:
    """An anchor that the chain must have."""

    chain_id: int
    contract: str
    size: int
    root: bytes


@attrs.frozen
class AnchorRow:
    """An anchor in a list."""

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
    block_hash: str | None  # None if it was not recorded
    anchor: str | None  # the signed anchor note, if one was signed
    signed: SignedCheckpoint

    @property
    def block(self) -> tuple[int, str | None]:
        """The number and hash of the block."""
        return self.block_number, self.block_hash


class Anchors(Table):
    async def sent(self, chain_id: int, sender: str, nonce: int) -> Sequence[SentRow]:
        """Return the sender's pending transactions, those numbered from ``nonce`` on, and the
        newest confirmed contract and anchor of this epoch, in order of numbers.
        """
        rows = await self._database.all("anchors_of_sender", chain_id, sender, nonce)
        return [_sent(dict(row)) for row in rows]

    async def failed(self, chain_id: int, sender: str, nonce: int, limit: int) -> Sequence[SentRow]:
        """Return the newest failed transactions of this epoch with numbers below ``nonce``."""
        rows = await self._database.all("anchors_failed", chain_id, sender, nonce, limit)
        return [_sent(dict(row)) for row in rows]

    async def due(self) -> tuple[int, bytes] | None:
        """Return the size and root of the newest checkpoint that is not empty."""
        row = await self._database.one("anchors_due")
        return None if row is None else (row["size"], row["root"])

    async def keep(self, row: SentRow) -> bool:
        """Store a transaction before it is sent; False if its number is taken."""
        kept = (row.chain_id, row.sender, row.nonce, row.contract, row.size, row.root)
        form = (row.raw, row.hashes[-1], row.bid_at)
        return await self._database.one("anchors_insert", *kept, *form) is not None

    async def rebid(self, row: SentRow, raw: bytes, name: str, at: datetime) -> bool:
        """Store a new version of the transaction before it is sent.

        False if another gateway was faster.
        """
        named = (row.chain_id, row.sender, row.nonce, row.hashes[-1])
        return await self._database.one("anchors_bid", *named, raw, name, at) is not None

    async def become(
        self, row: SentRow, state: str, at: datetime, became: TransactionOutcome
    ) -> None:
        """Record a transaction's new state."""
        named = (row.chain_id, row.sender, row.nonce)
        told = (state, became.block, became.error, at, became.hash, became.block_hash)
        await self._database.execute("anchors_state", *named, *told, became.note)

    async def unknown(self, chain_id: int, sender: str, nonce: int) -> Sequence[int]:
        """Return numbers that the sender used in this epoch, outside the range that has rows.

        At most 256 below the range; above it, the first 256 and the last 1,024 below ``nonce``.
        """
        rows = await self._database.all("anchors_unknown", chain_id, sender, nonce)
        return [row["nonce"] for row in rows]

    async def first(self, chain_id: int, sender: str) -> int | None:
        """Return the sender's lowest known transaction number."""
        row = await self._database.one("anchors_first", chain_id, sender)
        return None if row is None else row["nonce"]

    async def holes(self, chain_id: int, sender: str) -> Sequence[int]:
        """Return the sender's first 256 numbers in this epoch that have no row, and lie between
        numbers with rows.
        """
        return [r["nonce"] for r in await self._database.all("anchors_holes", chain_id, sender)]

    async def unmade(self, chain_id: int, sender: str) -> Sequence[str]:
        """Return contracts that have anchors in this epoch, but no row for their deployment."""
        return [r["contract"] for r in await self._database.all("anchors_unmade", chain_id, sender)]

    async def contracts(self, chain_id: int, sender: str) -> dict[str, int]:
        """Return the sender's contracts of this epoch, each with the largest size of its anchors
        that have not failed.
        """
        rows = await self._database.all("anchors_contracts", chain_id, sender)
        return {row["contract"]: row["size"] for row in rows}

    async def confirmed(self, limit: int) -> Sequence["ConfirmedRow"]:
        """Return the newest confirmed anchors."""
        return await self._database.rows(ConfirmedRow, "anchors_confirmed", limit)

    async def own(self, size: int) -> tuple[int, bytes | None]:
        """Return the log's size, and its root at ``size``.

        The root is None if the log has fewer leaves.
        """
        return await own_root(self._database, size)

    async def halt(self, halt: Halt) -> None:
        """Stop all writing to the books."""
        await write_halt(self._database, halt)

    async def resume(self) -> None:
        """End the halt that follows a restore, as the chain has no anchor newer than the backup.

        Halts with other causes stay.
        """
        await self._database.execute("halts_asked")

    async def page(self, since: datetime | None, limit: int, offset: int) -> Sequence[AnchorRow]:
        """Return a page of anchors, newest first."""
        return await self._database.rows(AnchorRow, "anchors_page", since, limit, offset)

    async def count(self, since: datetime | None) -> int:
        return await self._database.number("anchors_count", since)

    async def noted(self) -> str | None:
        """Return the newest confirmed anchor's signed note."""
        row = await self._database.one("anchors_noted")
        return None if row is None else str(row["note"])

    async def covering(self, leaf_index: int) -> CoveringAnchor | None:
        """Return the newest confirmed anchor of a checkpoint that covers the leaf."""
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
