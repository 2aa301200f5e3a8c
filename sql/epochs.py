"""Epochs of the log: the person who runs the gateway begins a new epoch after restoring a
backup.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from rendertrust import epoch, note
from rendertrust.epoch import EpochLeaf
from rendertrust.log_tiles import TreeEdge
from rendertrust.merkle import leaf_hash
from rendertrust.note import Verifier
from sql.audit_log import Act, record
from sql.database import Connection, Database
from sql.log import edge_tiles
from sql.query_loader import QUERIES

WITHIN_SECONDS: Final = 20.0


class NoLog(Exception):
    """There is no log in this database."""


class BrokenLogEnd(Exception):
    """The stored end of the log is inconsistent; ``rendertrust fsck`` says where."""


@attrs.frozen
class EpochRow:
    """An epoch after the first.

    ``leaf_index``: the epoch's first leaf; the leaves before it were kept.
    """

    number: int
    leaf_index: int
    leaf: str
    origin: str
    chain_id: int
    contract: str
    size: int
    root: bytes
    at: datetime


@attrs.frozen
class ChainPosition:
    """The newest anchor of a contract on a chain, and the sender's transaction count."""

    chain_id: int
    contract: str
    size: int
    root: bytes
    sender: str
    nonce: int


@attrs.frozen
class LeavesGivenUp:
    """Leaves ``first`` to ``last`` of the previous log, which epoch ``number`` does not contain."""

    number: int
    at: datetime
    origin: str
    first: int
    last: int

    @property
    def text(self) -> str:
        """A description for people."""
        one = self.first == self.last
        which = f"leaf {self.first}" if one else f"leaves {self.first} to {self.last}"
        when = f"{self.at:%Y-%m-%d} (epoch {self.number})"
        return f"{which} of the log, given up at the reopening of {when}"


async def read_given_up(database: Database) -> Sequence[LeavesGivenUp]:
    """Return the leaves that were given up at each reopening. Raises Unavailable."""
    return await database.rows(LeavesGivenUp, "epochs_given_up")


async def read_epochs(database: Database) -> Sequence[EpochRow]:
    """Return all epochs in order. Raises Unavailable."""
    return await database.rows(EpochRow, "epochs_all")


async def reopen(
    database: Database, chain: ChainPosition, at: datetime, act: Callable[[EpochRow], Act]
) -> EpochRow:
    """Begin the next epoch: append a leaf that commits to the chain's state, and resume writing.

    ``act`` becomes the audit record. Raises NoLog, BrokenLogEnd, Unavailable.
    """
    at = at.astimezone(UTC).replace(microsecond=0)
    async with database.transaction(within=WITHIN_SECONDS) as connection:
        head = await connection.fetchrow(QUERIES["epochs_head"])
        if head is None:
            raise NoLog
        number = head["next"]
        leaf = EpochLeaf(
            number, at, head["origin"], chain.chain_id, chain.contract, chain.size, chain.root
        )
        origin = epoch.origin_of(leaf)
        await _append(connection, head, leaf)
        await _renamed(connection, origin, at)
        row = EpochRow(
            number=number,
            leaf_index=head["size"],
            leaf=leaf.canonical.decode(),
            origin=origin,
            chain_id=chain.chain_id,
            contract=chain.contract,
            size=chain.size,
            root=chain.root,
            at=at,
        )
        await _insert(connection, row, chain)
        await connection.execute(QUERIES["halts_end"])
        await record(connection, act(row))
    return row


async def _append(connection: Connection, head: Any, leaf: EpochLeaf) -> None:
    """Append the epoch's leaf and the log tiles that it completes."""
    try:
        edge = TreeEdge(head["size"], await edge_tiles(connection, head["size"]))
    except KeyError as error:
        raise BrokenLogEnd(f"hashes are missing in log tile {error}") from error
    if edge.root() != head["root"]:
        raise BrokenLogEnd(f"the root of {head['size']} leaves does not match")
    found = leaf_hash(leaf.canonical)
    tiles = edge.append(found)
    index = [head["size"]]
    await connection.execute(QUERIES["log_leaves_insert"], index, [None], [None], [found])
    for tile in tiles:
        place, hashes = tile.place, [tile.hashes]
        values = [place.level], [place.index], [tile.root], hashes
        await connection.execute(QUERIES["log_tiles_insert"], *values)
    end = [edge.size], [edge.root()], [head["covered"]], [0]
    await connection.execute(QUERIES["log_head_write"], *end)


async def _renamed(connection: Connection, origin: str, at: datetime) -> None:
    """Rename the log; its keys remain valid under the new name."""
    await connection.execute(QUERIES["epochs_rename"], origin)
    known = [
        note.read_verifier(r["verifier"]) for r in await connection.fetch(QUERIES["epochs_known"])
    ]
    keys = [Verifier(origin, key.public_key) for key in known if isinstance(key, Verifier)]
    named = list(dict.fromkeys(map(str, keys)))
    await connection.execute(QUERIES["epochs_keys"], named, at)


async def _insert(connection: Connection, row: EpochRow, chain: ChainPosition) -> None:
    known = await connection.fetchrow(QUERIES["epochs_next_nonce"], chain.chain_id, chain.sender)
    assert known is not None
    nonce = max(chain.nonce, int(known["next"]))
    await connection.execute(
        QUERIES["epochs_insert"],
        *(row.number, row.leaf_index, row.leaf, row.origin, row.chain_id, row.contract),
        *(row.size, row.root, chain.sender, nonce, row.at),
    )
