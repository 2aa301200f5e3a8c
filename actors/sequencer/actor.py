"""The Sequencer actor: appends posted transfers to the log in batches, and signs checkpoints."""

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import attrs
from prometheus_client import Counter, Gauge

from actors.kernel import Actor, fail_point, handles, handles_batch
from actors.ports import Ports
from actors.sequencer.log_growth import Watermark, grow
from actors.sequencer.messages import (
    ChainAgreement,
    CheckpointLate,
    CheckpointReady,
    Pass,
    RequestCheckpoint,
    Sequencer,
)
from actors.sequencer.policy import SequencerSettings, is_due, is_idle, new_keys, rest_after
from rendertrust.checkpoint import Checkpoint
from rendertrust.leaf import SALTS_BYTES
from rendertrust.log_tiles import HashTile, TreeEdge
from sql.books import TransferRow
from sql.database import Conflict, Unavailable
from sql.halts import SeenHead
from sql.log import Append, CheckpointRow, Head, LeafRow, LogTransaction, LogView

AGAIN_SECONDS: Final = 0.01  # least pause before the next batch, if more transfers wait
CHUNK: Final = 500  # transfers hashed at a time, which takes some 5 ms
BROKEN_SECONDS: Final = 60.0  # pause after BrokenLog
DEFAULT_SETTINGS: Final = SequencerSettings()
LEAVES: Final = Counter(
    "rendertrust_log_leaves", "Transfers that this gateway appended to the log."
)
SIZE: Final = Gauge("rendertrust_log_size", "Leaves of the log.")
LAG: Final = Gauge("rendertrust_log_lag_seconds", "Age of the oldest transfer in the last append.")
log = logging.getLogger("sequencer")


class BrokenLog(Exception):
    """The stored hashes do not lead to the stored root, or a transfer's account is missing.

    ``rendertrust fsck`` locates the error.
    """


class SequencerActor(Actor[Sequencer]):
    """Appends transfers to the log, and signs checkpoints.

    Several gateways may run a Sequencer at once, as the lock of the log's head serialises their
    transactions. Nothing is lost when a Sequencer dies: the next run finds all transfers without
    a leaf.
    """

    def __init__(self, ports: Ports, settings: SequencerSettings = DEFAULT_SETTINGS) -> None:
        """Prepare the actor.

        If there is a chain, the actor signs nothing until the Anchor reports that the chain agrees
        with the log. New checkpoints are recorded in ``ports.memory``.
        """
        self._store, self._signer = ports.log, ports.signer
        self._clock, self._random = ports.clock, ports.random
        self._settings = settings
        self._coverage = Watermark()
        self._edge: TreeEdge | None = None  # right edge of the committed tree, if known
        self._lag = 0.0  # age of the last appended transfer, in seconds
        self._may_sign = ports.chain is None
        self._memory = ports.memory

    async def started(self) -> None:
        self.after(0.0, Pass())

    @handles(Pass)
    async def run(self, _: Pass) -> None:
        try:
            wait = await self._turn()
        except (Unavailable, Conflict) as error:
            log.warning("transfers cannot be appended to the log: %s", error)
            wait = self._settings.every_seconds
        except BrokenLog as error:
            log.error("transfers cannot be appended to the log: %s", error)
            wait = BROKEN_SECONDS
        self.after(wait, Pass(), jitter=0.1)

    @handles(ChainAgreement)
    async def chain_agreement(self, message: ChainAgreement) -> None:
        self._may_sign = message.holds

    @handles_batch(RequestCheckpoint, limit=1000)
    async def catch_up(
        self, asked: Sequence[RequestCheckpoint]
    ) -> Sequence[CheckpointReady | CheckpointLate]:
        answer: CheckpointReady | CheckpointLate
        try:
            answer = await self._caught_up()
        except (Unavailable, Conflict) as error:
            answer = CheckpointLate(f"the database does not answer: {error}")
        except BrokenLog as error:
            answer = CheckpointLate(str(error))
        return [answer] * len(asked)

    async def _caught_up(self) -> CheckpointReady | CheckpointLate:
        """Append one batch of transfers, with a checkpoint that covers them.

        Return CheckpointLate if more transfers wait, or the checkpoint cannot be signed.
        """
        with self._edge_forgotten_on_error():
            async with self._store.log() as books:
                look = await books.look(self._settings.batch)
                if look is None:
                    return CheckpointLate("the log has not begun")
                done = await self._advance(books, look, checked=True)
        await self._committed(done, look)
        if done.checkpoint is None and look.checked != done.head.size:
            return CheckpointLate(self._unsigned(look))
        left = len(look.waiting) == self._settings.batch
        return (
            CheckpointLate("many transfers are waiting")
            if left
            else CheckpointReady(done.head.size)
        )

    async def _turn(self) -> float:
        """Append one batch of transfers, if any wait; return the seconds until the next time."""
        begun = self._clock.monotonic()
        seen = await self._store.log_look(1)
        if seen is not None and is_idle(seen, self._clock.now(), self._settings):
            SIZE.set(seen.head.size)
            await self._note(head_of(seen))
            return self._settings.every_seconds
        with self._edge_forgotten_on_error():
            async with self._store.log() as books:
                if not await books.lead():
                    return self._settings.every_seconds
                look = await books.look(self._settings.batch)
                if look is None:
                    await books.begin(self._settings.proof.origin or self._name())
                    return AGAIN_SECONDS
                done = await self._advance(books, look)
        await self._committed(done, look)
        more = len(look.waiting) == self._settings.batch
        rest = rest_after(self._clock.monotonic() - begun, self._lag)
        return max(rest, AGAIN_SECONDS if more else self._settings.every_seconds)

    async def _advance(
        self, books: LogTransaction, look: LogView, *, checked: bool = False
    ) -> Append:
        """Append the waiting transfers, with a checkpoint if it is due or requested."""
        edge = await self._edge_of(books, look.head)
        leaves, tiles = list[LeafRow](), list[HashTile]()
        now = self._clock.now()
        for first in range(0, len(look.waiting), CHUNK):
            wanted = look.waiting[first : first + CHUNK]
            transfers = await books.transfers(wanted)
            if len(transfers) < len(wanted):
                raise BrokenLog("the account of a transfer is missing")
            salts = self._random.token(SALTS_BYTES * len(transfers))
            grown = grow(edge, transfers, salts)
            leaves += grown[0]
            tiles += grown[1]
            if first == 0:
                LAG.set(age(transfers[0], now))
            self._lag = age(transfers[-1], now)
        all_taken = len(look.waiting) < self._settings.batch
        covered = self._coverage.covered(look, all_taken=all_taken)
        head = Head(look.head.origin, edge.size, edge.root(), covered)
        checked = checked and look.checked != head.size
        append = Append(head, leaves, tiles)
        if checked or is_due(look, head.size, now, self._settings):
            append = self._with_checkpoint(append, look, now)
        if leaves or append.checkpoint is not None or head != look.head:
            await books.write(append)
        fail_point.reach("before_log", _steps(append))
        return append

    def _unsigned(self, look: LogView) -> str:
        """Return the reason why no checkpoint can be signed."""
        if look.halted:
            return "the log is halted"
        return "the log's key is not valid" if self._may_sign else "the chain has not answered yet"

    def _with_checkpoint(self, append: Append, look: LogView, now: datetime) -> Append:
        if look.halted or not self._may_sign:
            return append  # a checkpoint after a restore could contradict published ones
        head = append.head
        ours = [str(verifier) for verifier in self._signer.verifiers(head.origin)]
        keys = new_keys(look.verifiers, ours)
        if keys is None:
            log.error("no checkpoint: the log has another key; see `rendertrust admin keys log`")
            return append
        at = max(now, look.checked_at or now).astimezone(UTC).replace(microsecond=0)
        checkpoint = Checkpoint(head.origin, head.size, head.root, at)
        row = CheckpointRow(head.size, head.root, at, self._signer.sign(checkpoint))
        return attrs.evolve(append, checkpoint=row, keys=dict.fromkeys(keys, now))

    async def _edge_of(self, books: LogTransaction, head: Head) -> TreeEdge:
        """Return the tree's right edge at this head; read it if another gateway has appended."""
        if self._edge is None or self._edge.size != head.size or self._edge.root() != head.root:
            try:
                self._edge = TreeEdge(head.size, await books.edge(head.size))
            except KeyError as error:
                raise BrokenLog(f"hashes are missing in log tile {error}") from error
        if self._edge.root() != head.root:
            raise BrokenLog(f"the root of {head.size} leaves does not match")
        return self._edge

    async def _committed(self, done: Append, look: LogView) -> None:
        fail_point.reach("after_log", _steps(done))
        LEAVES.inc(len(done.leaves))
        SIZE.set(done.head.size)
        if not look.halted:
            await self._note(signed_of(done))

    async def _note(self, head: SeenHead | None) -> None:
        if head is not None:
            await self._memory.note(head)

    @contextmanager
    def _edge_forgotten_on_error(self) -> Generator[None]:
        """Forget the tree's edge if an error leaves unknown whether the append was committed."""
        try:
            yield
        except BaseException:
            self._edge = None
            raise

    def _name(self) -> str:
        return f"rendertrust-{self._random.token(6).hex()}"


def age(transfer: TransferRow, now: datetime) -> float:
    """Return the seconds since a transfer was posted, at least 0 as gateways' clocks differ."""
    return max((now - transfer.created_at).total_seconds(), 0.0)


def head_of(seen: LogView) -> SeenHead | None:
    """Return the newest checkpoint of any gateway if it covers the whole log."""
    head, at = seen.head, seen.checked_at
    if seen.halted or at is None or seen.checked != head.size:
        return None
    return SeenHead(head.origin, head.size, head.root, at)


def signed_of(done: Append) -> SeenHead | None:
    """Return the checkpoint that was just signed, if any."""
    made = done.checkpoint
    return None if made is None else SeenHead(done.head.origin, made.size, made.root, made.at)


def _steps(done: Append) -> list[object]:
    """Return the parts of a commit at which tests may set fail points."""
    steps: list[object] = [done] if done.leaves else []
    return [*steps, done.checkpoint] if done.checkpoint is not None else steps
