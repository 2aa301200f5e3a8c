"""The ledger actor: writes commits to the database in batches, one transaction for each.

Commits that arrive while a batch is being written form the next batch. A batch is first tried in
two statements: one reads its rows without locks, one writes it if no row has changed since. If that
fails, or the batch needs rarer rows, it is written in a transaction that locks its rows. New jobs
and transfers need no read while their accounts are remembered from earlier batches.

Under load a batch of new jobs and transfers is decided while the batch before it is being written,
on the rows as that batch leaves them. It is written only if that batch was; otherwise it is decided
again.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

import attrs
from prometheus_client import Counter, Histogram

from actors.kernel import Actor, Fatal, fail_point, handles, handles_batch
from actors.ledger.batch_decision import decide
from actors.ledger.effects import Effect
from actors.ledger.lock_set import keys_of
from actors.ledger.messages import (
    Booked,
    Commit,
    DataRefused,
    Decided,
    IsAccepting,
    Ledger,
    LedgerUnavailable,
    Outcome,
    Posted,
    RenewLeases,
    Replayed,
)
from actors.ports import Clock, Random, Store
from rendertrust.money import UNITS_PER_CREDIT
from sql.account_names import REVENUE
from sql.books import (
    AccountRow,
    BatchRow,
    BooksTransaction,
    Changes,
    HoldRow,
    Keys,
    ReadBooks,
    Rows,
    other_key,
)
from sql.database import AnswerLost, Conflict, Mismatch, Refused, Unavailable

# How long a batch is retried while the database is down; most callers wait two seconds.
PATIENCE_SECONDS: Final = 1.8
# Tries of one batch while the database is down; limits the load on a server that resets
# connections at once.
TRIES_MAX: Final = 5
BATCH: Final = Histogram(
    "rendertrust_ledger_batch_size",
    "Commits that shared one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
COMMIT_SECONDS: Final = Histogram(
    "rendertrust_ledger_commit_seconds",
    "From the start of a batch until it is committed or refused, including retries.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
CHARGED: Final = Counter("rendertrust_credits_charged", "Credits charged for work.")
BOUGHT: Final = Counter("rendertrust_credits_bought", "Credits bought with money.")
EVENTS: Final = Counter("rendertrust_stripe_events", "Stripe events, by outcome.", ["outcome"])
CONFLICTS_MAX: Final = 20  # serialization conflicts after which a batch is given up
# Mismatches after which a batch is split: those with another gateway's writes disappear on a retry.
MISMATCHES_MAX: Final = 4
SHARDS: Final = 16  # shards of the busiest platform accounts
TRIED_SECONDS: Final = 1.0  # how long the result of a batch or probe answers ``IsAccepting``
# Commits that must wait so that a batch is decided while the batch before it is being written. Two
# smaller batches would cost more than they gain.
OVERLAP: Final = 64
# Parts of a write that fail if another gateway has changed an account.
_OF_ACCOUNTS: Final = ("books_accounts_unchanged", "books_accounts_write")
log = logging.getLogger("ledger")


@attrs.frozen
class BatchWrite:
    """The changes of a batch, and the outcomes of its commits."""

    changes: Changes
    outcomes: Sequence[Outcome]


@attrs.frozen
class DecidedBatch:
    """A batch that was decided on rows that are not locked."""

    books: ReadBooks
    write: BatchWrite


class Turn:
    """The turn of one batch to use the database; the next batch waits until it is over.

    ``direct``: the batch, as its present try to write it without locks has decided it, or as such a
    try has written it.
    """

    __slots__ = ("_over", "direct", "is_awaited")

    def __init__(self) -> None:
        self.direct: DecidedBatch | None = None
        self.is_awaited = False
        self._over = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def end(self) -> None:
        self._over.set()

    async def wait(self) -> None:
        """Wait until the turn is over."""
        self.is_awaited = True
        await self._over.wait()


@attrs.define
class Batch:
    """Commits, and the state of the tries to write them.

    ``ahead``: the batch as it was decided before its turn. ``lost``: a write that got no answer;
    the next try that gets the locks finds out whether it took effect.
    """

    commits: Sequence[Commit]
    keys: Keys
    turn: Turn = attrs.field(factory=Turn)
    ahead: DecidedBatch | None = None
    lost: BatchWrite | None = None
    is_locking: bool = False
    from_database: bool = False
    tries: int = 0
    conflicts: int = 0
    mismatches: int = 0


class LedgerActor(Actor[Ledger]):
    """Decides batches of commits in memory, and writes them to the database.

    On writing, the database checks its own constraints as well. If a batch would violate an
    invariant of the books, the process stops before anything is written.
    """

    def __init__(self, store: Store, clock: Clock, random: Random) -> None:
        self._store = store
        self._clock = clock
        self._random = random
        self._accepts, self._tried_at = False, float("-inf")
        self._shard = 0  # the shard that this Ledger uses without locks
        self._id, self._batches = random.uuid(), 0
        self._turn = Turn()  # of the newest batch
        self._turn.end()

    @handles_batch(Commit, limit=1000, overlap=OVERLAP)
    async def commit(self, commits: Sequence[Commit]) -> Sequence[Outcome]:
        BATCH.observe(len(commits))
        begun = self._clock.monotonic()
        before, self._turn = self._turn, Turn()
        outcomes: list[Outcome] = [LedgerUnavailable() for _ in commits]
        try:
            outcomes = await self._in_turn(commits, before, self._turn)
        finally:  # observers get an outcome even after a crash; otherwise they would wait for ever
            for commit, outcome in zip(commits, outcomes, strict=True):
                if commit.observer is not None:
                    commit.observer.tell(Decided(commit.tag, outcome))
        COMMIT_SECONDS.observe(self._clock.monotonic() - begun)
        self._note(accepts=not all(isinstance(outcome, LedgerUnavailable) for outcome in outcomes))
        return outcomes

    @handles(IsAccepting)
    async def is_accepting(self, message: IsAccepting) -> bool:
        if self._clock.monotonic() >= self._tried_at + TRIED_SECONDS:
            try:
                async with self._store.transaction() as books:
                    await books.lock(Keys(accounts={REVENUE}))
            except (Unavailable, Conflict):
                self._note(accepts=False)
            else:
                self._note(accepts=True)
        return self._accepts

    def _note(self, *, accepts: bool) -> None:
        self._accepts, self._tried_at = accepts, self._clock.monotonic()

    @handles_batch(RenewLeases, limit=1000)
    async def renew(self, requests: Sequence[RenewLeases]) -> Sequence[int]:
        leases = [lease for request in requests for lease in request.leases]
        try:
            renewed = await self._store.renew_leases(leases)
        except (Unavailable, Conflict) as error:
            log.warning("leases could not be renewed: %s", error)
            return [0] * len(requests)
        return [sum(lease.id in renewed for lease in request.leases) for request in requests]

    async def _in_turn(self, commits: Sequence[Commit], before: Turn, turn: Turn) -> list[Outcome]:
        """Write a batch once the batch before it has had its turn."""
        try:
            batch = Batch(commits, keys_of(commits), turn)
            if not before.is_over:
                written = before.direct
                if written is not None:
                    batch.ahead = await self._decide_ahead(batch, written)
                await before.wait()
                if before.direct is not written:
                    batch.ahead = None
            return await self._write_batch(batch)
        finally:
            turn.end()

    async def _decide_ahead(self, batch: Batch, before: DecidedBatch) -> DecidedBatch | None:
        """Decide a batch while the batch before it is being written; None if that cannot be done.

        A refusal, or the answer of an earlier commit, needs rows that are read.
        """
        try:
            books = await self._store.foresee_books(
                batch.keys, self._shard, before.books, before.write.changes
            )
        except (Unavailable, Conflict):
            return None
        if books is None:
            return None
        write = self._decide(books.rows, batch.commits)
        is_enough = all(isinstance(outcome, Posted) for outcome in write.outcomes)
        return DecidedBatch(books, write) if is_enough else None

    async def _write_batch(self, batch: Batch) -> list[Outcome]:
        """Retry until the batch is decided, or the database has been down for too long.

        The first try takes no locks, if the batch can do without, nor does a second if the rows of
        the first were only remembered; later tries do.
        """
        give_up = self._clock.monotonic() + PATIENCE_SECONDS
        while True:
            books: ReadBooks | None = None
            try:
                if not batch.is_locking:
                    books = await self._books(batch)
                if books is not None:
                    return await self._write(batch, books)
                return await self._write_with_locks(batch)
            except Unavailable:
                batch.tries += 1
                if batch.tries == TRIES_MAX or self._clock.monotonic() >= give_up:
                    return [LedgerUnavailable() for _ in batch.commits]
            except Mismatch as error:
                if not batch.is_locking and error.part in _OF_ACCOUNTS:
                    self._draw_shard(books)
                batch.mismatches += batch.is_locking
                if batch.mismatches > MISMATCHES_MAX:
                    return await self._split(batch.commits, error)
            except Conflict as error:
                if not batch.is_locking:
                    self._draw_shard(books)
                batch.conflicts += batch.is_locking
                if batch.conflicts > CONFLICTS_MAX:
                    size = len(batch.commits)
                    log.error("a batch of %d commits failed after retries: %s", size, error)
                    return [LedgerUnavailable() for _ in batch.commits]
            except Refused as error:
                return await self._split(batch.commits, error)
            batch.ahead = None
            batch.from_database = books is not None and books.is_remembered and batch.lost is None
            batch.is_locking = not batch.from_database

    async def _books(self, batch: Batch) -> ReadBooks | None:
        """Return the rows of a batch without locks; None if it needs them."""
        if batch.ahead is not None:
            return batch.ahead.books
        return await self._store.read_books(
            batch.keys, self._shard, from_database=batch.from_database
        )

    def _draw_shard(self, books: ReadBooks | None) -> None:
        """Choose another shard, as another gateway seems to use the present one, too."""
        if books is None or not books.is_remembered:
            self._shard = self._random.token(16)[-1] % SHARDS

    async def _write(self, batch: Batch, books: ReadBooks) -> list[Outcome]:
        """Write a batch whose rows were read without locks, and decide it if that was not done.

        A refusal, or the answer of an earlier commit, needs rows that are read now.
        """
        turn = batch.turn
        if batch.ahead is not None:
            write = batch.ahead.write
        else:
            write = self._decide(books.rows, batch.commits)
            if books.is_remembered and not all(isinstance(one, Posted) for one in write.outcomes):
                raise Mismatch("remembered rows do not suffice")
        fail_point.reach("before_commit", effects_of(batch.commits))
        turn.direct = DecidedBatch(books, write)
        try:
            numbers = await books.write(write.changes)
        except BaseException as error:
            turn.direct = None
            if isinstance(error, AnswerLost):
                batch.lost = write
            raise
        turn.end()
        if turn.is_awaited:
            await asyncio.sleep(0)  # noqa: TID251 - the next batch is sent before the replies
        return self._done(batch, write, numbers)

    async def _write_with_locks(self, batch: Batch) -> list[Outcome]:
        """Decide and write a batch whose rows are locked, unless an earlier try has written it."""
        found = BatchWrite(Changes(), ())
        try:
            async with self._store.transaction() as books:
                rows = await books.lock(batch.keys)
                if batch.lost is not None and await self._is_written(books, batch.lost):
                    found = batch.lost
                    numbers = await books.numbers(found.changes)
                else:
                    batch.lost = None
                    found = self._decide(rows, batch.commits)
                    numbers = await books.write(found.changes)
                    fail_point.reach("before_commit", effects_of(batch.commits))
        except AnswerLost:
            batch.lost = found
            raise
        return self._done(batch, found, numbers)

    async def _is_written(self, books: BooksTransaction, lost: BatchWrite) -> bool:
        batch = lost.changes.batch
        return batch is not None and await books.last_batch(batch.ledger) == batch.number

    def _decide(self, rows: Rows, commits: Sequence[Commit]) -> BatchWrite:
        """Decide a batch. Raises Fatal if its changes would violate an invariant of the books."""
        batch = BatchRow(self._id, self._batches + 1)
        changes, outcomes = decide(rows, commits, rows.now, self._random.token, batch)
        broken = violation(rows, changes)
        if broken is not None:
            raise Fatal(broken)
        if changes.batch is not None:
            self._batches += 1
        return BatchWrite(changes, outcomes)

    def _done(
        self, batch: Batch, written: BatchWrite, numbers: Mapping[UUID, int]
    ) -> list[Outcome]:
        _count(written.changes)
        fail_point.reach("after_commit", effects_of(batch.commits))
        return [numbered(outcome, numbers) for outcome in written.outcomes]

    async def _split(self, commits: Sequence[Commit], error: Refused | Mismatch) -> list[Outcome]:
        """Split a batch until the one commit that the database refuses fails alone."""
        if len(commits) == 1:
            log.error("a commit was refused: %s", error)
            return [DataRefused(str(error))]
        half = len(commits) // 2
        parts = [Batch(part, keys_of(part)) for part in (commits[:half], commits[half:])]
        return [outcome for part in parts for outcome in await self._write_batch(part)]


def numbered(outcome: Outcome, numbers: Mapping[UUID, int]) -> Outcome:
    """Return the outcome with the numbers of the entries that the batch has written.

    ``numbers``: those of the transfers, by key.
    """
    if not isinstance(outcome, Posted | Replayed) or all(one.entry_id for one in outcome.entries):
        return outcome
    entries = tuple(_numbered(one, numbers) for one in outcome.entries)
    if isinstance(outcome, Posted):
        return Posted(entries, outcome.units)
    return Replayed(entries, outcome.answer, outcome.units)


def _numbered(entry: Booked, numbers: Mapping[UUID, int]) -> Booked:
    if entry.entry_id:
        return entry
    of_debit = numbers.get(entry.id)
    number = 2 * numbers[other_key(entry.id)] if of_debit is None else 2 * of_debit - 1
    # ``attrs.evolve`` would be much slower
    return Booked(
        entry.id,
        number,
        entry.amount,
        entry.kind,
        entry.reference,
        entry.description,
        entry.balance_after,
        entry.created_at,
    )


def _count(changes: Changes) -> None:
    """Update the metrics after a batch was committed."""
    CHARGED.inc(moved(changes, "USAGE") / UNITS_PER_CREDIT)
    BOUGHT.inc(moved(changes, "STRIPE") / UNITS_PER_CREDIT)
    for event in changes.events:
        EVENTS.labels(event.outcome).inc()


def moved(changes: Changes, kind: str) -> int:
    """Return the sum of a batch's transfers of one kind, in 1/10,000 credits."""
    return sum(transfer.amount for transfer in changes.transfers if transfer.kind == kind)


def effects_of(commits: Sequence[Commit]) -> Iterator[Effect]:
    """Yield the effects of a batch, in order."""
    return (effect for commit in commits for effect in commit.effects)


# -- the last check of a batch: transfers are sound (I1), accounts match them and the holds (I2)


def violation(rows: Rows, changes: Changes) -> str | None:
    """Return a description of an invariant that the changes would violate; None if they are sound.

    The check only compares the rows before and after, independently of the decision's code.
    """
    return (
        _unsound(changes)
        or _wrong_balance(rows, changes)
        or _wrong_held(rows, changes)
        or _overdrawn(changes.accounts)
    )


def _unsound(changes: Changes) -> str | None:
    for transfer in changes.transfers:
        if transfer.amount < 1 or transfer.debit == transfer.credit:
            return f"I1: the transfer {transfer.reference} moves nothing"
    return None


def _wrong_balance(rows: Rows, changes: Changes) -> str | None:
    ends = {name: (account.version, account.balance) for name, account in rows.accounts.items()}
    for row in changes.transfers:
        for name, version, after, amount in (
            (row.debit, row.debit_version, row.debit_after, -row.amount),
            (row.credit, row.credit_version, row.credit_after, row.amount),
        ):
            number, balance = ends[name]
            if (version, after) != (number + 1, balance + amount):
                return f"I2: the transfer {row.reference} does not follow the last entry of {name}"
            ends[name] = version, after
    written = {account.name: (account.version, account.balance) for account in changes.accounts}
    for name, end in ends.items():
        account = rows.accounts[name]
        if written.get(name, (account.version, account.balance)) != end:
            return f"I2: the balance of {name} does not match its entries"
    return None


def _wrong_held(rows: Rows, changes: Changes) -> str | None:
    moved: defaultdict[str, int] = defaultdict(int)
    for hold in changes.holds:
        moved[hold.account] += _open(hold) - _open(rows.holds.get(hold.reference))
    for account in changes.accounts:
        if account.held != rows.accounts[account.name].held + moved.pop(account.name, 0):
            return f"I2: the held amount of {account.name} is not the sum of its holds"
    stray = sorted(name for name, amount in moved.items() if amount)
    return f"I2: holds of accounts that are not changed: {stray}" if stray else None


def _overdrawn(accounts: Sequence[AccountRow]) -> str | None:
    for account in accounts:
        if account.held < 0 or not (account.may_overdraw or account.available >= 0):
            return f"I2: {account.name} is overdrawn"
    return None


def _open(hold: HoldRow | None) -> int:
    return hold.amount if hold is not None and hold.state == "OPEN" else 0
