"""Check the log: leaves, log tiles, checkpoints and anchor notes (I7, I8, I12)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from rendertrust import anchor_note, checkpoint, note
from rendertrust.anchor_note import AnchorNote
from rendertrust.checkpoint import Checkpoint
from rendertrust.log_tiles import HashTile, TilePlace, TreeEdge
from rendertrust.merkle import SIZE_MAX, leaf_hash
from rendertrust.note import Verifier
from sql.books import TransferRow
from sql.log import edge_tiles, leaf_text, log_transfers
from sql.query_loader import QUERIES

CHUNK: Final = 256  # leaves hashed at a time: some 5 ms
NOTES_AT_ONCE: Final = 64  # notes checked at a time: some 5 ms


@attrs.frozen
class LogFault:
    """A fault in the log. ``invariant``: I7 or I8."""

    invariant: str
    subject: str
    found: str


@attrs.frozen
class LogAuditResult:
    """The number of correct leaves, and the faults after them."""

    verified: int
    faults: Sequence[LogFault] = ()


async def audit_log(
    connection: Any, *, since: int = 0, most: int = SIZE_MAX, faults_max: int = 1000
) -> LogAuditResult:
    """Check up to ``most`` leaves after the first ``since`` leaves.

    The connection must be in a transaction that sees one snapshot.
    """
    head = await connection.fetchrow(QUERIES["log_read_head"])
    if head is None:
        return LogAuditResult(0)
    since = since if since <= head["size"] else 0
    try:
        edge = TreeEdge(since, await edge_tiles(connection, since))
    except KeyError as error:
        return LogAuditResult(0, [LogFault("I7", f"tile {error}", "is not complete")])
    verifiers = [note.read_verifier(text) for text in head["verifiers"]]
    known = [verifier for verifier in verifiers if isinstance(verifier, Verifier)]
    audit = _Audit(connection, edge, known, faults_max)
    await audit.run(min(head["size"], since + most))
    if edge.size == head["size"] and edge.root() != head["root"]:
        audit.faults.append(LogFault("I7", "the log's head", "its root is not that of the leaves"))
    return LogAuditResult(audit.verified, audit.faults)


class _Audit:
    """An audit from some leaf on.

    The audit continues with the stored hashes, so that a wrong leaf counts as one fault.
    """

    def __init__(
        self, connection: Any, edge: TreeEdge, verifiers: Sequence[Verifier], faults_max: int
    ) -> None:
        self._connection, self._edge, self._verifiers = connection, edge, verifiers
        self._faults_max = faults_max
        self._epochs: dict[int, str] = {}  # leaves without a transfer, by index
        self.faults: list[LogFault] = []
        self.verified = edge.size

    async def run(self, end: int) -> None:
        """Check leaves up to ``end``, a gap, or the limit of faults."""
        await self._checkpoints(self._edge.size - 1, {self._edge.size: self._edge.root()})
        while self._edge.size < end and len(self.faults) < self._faults_max:
            first = self._edge.size
            await self._chunk(min(CHUNK, end - first))
            if self._edge.size == first:
                return
            if not self.faults:
                self.verified = self._edge.size

    async def _chunk(self, count: int) -> None:
        first = self._edge.size
        rows = await self._connection.fetch(QUERIES["log_read_leaves"], first, count)
        numbers = [row["transfer"] for row in rows]
        transfers = {one.id: one for one in await log_transfers(self._connection, numbers)}
        if None in numbers:
            epochs = await self._connection.fetch(QUERIES["epochs_all"])
            self._epochs = {row["leaf_index"]: str(row["leaf"]) for row in epochs}
        roots, tiles = dict[int, bytes](), list[HashTile]()
        for row in rows:
            if row["leaf_index"] != self._edge.size:
                break
            self._leaf(row, transfers.get(row["transfer"]))
            tiles += self._edge.append(row["hash"])
            roots[self._edge.size] = self._edge.root()
        if self._edge.size < first + count:
            self._fault("I7", f"leaf {self._edge.size}", "is missing, and the log ends later")
        await self._tiles(tiles)
        await self._checkpoints(first, roots)

    def _leaf(self, row: Any, transfer: TransferRow | None) -> None:
        subject = f"transfer {row['transfer']}"
        if row["transfer"] is None:
            leaf = self._epochs.get(row["leaf_index"])
            if leaf is None or leaf_hash(leaf.encode()) != row["hash"]:
                said = "belongs to no transfer and no epoch"
                self._fault("I7", f"leaf {row['leaf_index']}", said)
            return
        if transfer is None:
            self._fault("I7", subject, f"is missing: it was leaf {row['leaf_index']} of the log")
            return
        if leaf_hash(leaf_text(transfer, row["salts"])) != row["hash"]:
            found = f"does not match leaf {row['leaf_index']} of the log"
            self._fault("I7", subject, found)

    async def _tiles(self, made: Sequence[HashTile]) -> None:
        places = [tile.place for tile in made]
        names = [place.level for place in places], [place.index for place in places]
        rows = await self._connection.fetch(QUERIES["log_tiles_at"], *names) if made else []
        kept = {TilePlace(row["level"], row["number"]): row for row in rows}
        for tile in made:
            row = kept.get(tile.place)
            if row is None or (row["root"], row["hashes"]) != (tile.root, tile.hashes):
                what = "is missing" if row is None else "is not that of its leaves"
                self._fault("I7", f"tile {tile.place.level}/{tile.place.index}", what)

    async def _checkpoints(self, after: int, roots: Mapping[int, bytes]) -> None:
        """Check that each checkpoint has the root of its leaves."""
        until = max(roots, default=after)
        for row in await self._connection.fetch(QUERIES["log_read_checkpoints"], after, until):
            subject = f"checkpoint {row['size']}"
            if row["root"] != roots[row["size"]]:
                self._fault("I8", subject, "its root is not that of its leaves")
            elif not any(self._signed(row, verifier) for verifier in self._verifiers):
                self._fault("I8", subject, "was not signed by a key of the log")

    def _signed(self, row: Any, verifier: Verifier) -> bool:
        read = checkpoint.read(row["note"], verifier)
        return isinstance(read, Checkpoint) and (read.size, read.root) == (row["size"], row["root"])

    def _fault(self, invariant: str, subject: str, found: str) -> None:
        self.faults.append(LogFault(invariant, subject, found))


async def audit_notes(connection: Any, most: int) -> Sequence[tuple[str, str]]:
    """Return anchors whose note has no valid signature of the log for the row's data, and why."""
    texts = [row["verifier"] for row in await connection.fetch(QUERIES["fsck_log_keys"])]
    read = [note.read_verifier(text) for text in texts]
    known = [verifier for verifier in read if isinstance(verifier, Verifier)]
    found: list[tuple[str, str]] = []
    for place, row in enumerate(await connection.fetch(QUERIES["fsck_anchor_notes"])):
        if place % NOTES_AT_ONCE == 0:
            await asyncio.sleep(0)  # let other tasks run
        if not _says(row, known):
            found.append((f"anchor {row['size']}", "its signed note does not match its row"))
    return found[:most]


def _says(row: Mapping[str, Any], known: Sequence[Verifier]) -> bool:
    """Return True if one of the keys signed the anchor that the row describes."""
    expected = AnchorNote(
        origin=row["origin"],
        chain_id=row["chain_id"],
        contract=row["contract"],
        size=row["size"],
        root=row["root"],
        transaction=row["hash"],
        block=row["block_number"],
    )
    return any(anchor_note.read(row["note"], verifier) == expected for verifier in known)
