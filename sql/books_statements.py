"""The books in PostgreSQL: reads of a batch's rows, and the statement that writes it.

The rows are first read without locks, in one statement; the write refuses the batch if another
transaction has written one of the rows since. Then, and for batches with rarer rows, the Ledger
uses ``BooksTransaction``, which locks the rows. A batch that changes accounts alone, or inserts
jobs, needs no read if its accounts are remembered.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter
from typing import Any, Final, Self
from uuid import UUID

import attrs
import orjson

from sql.account_names import DEBT, MADE_WHEN_NEEDED
from sql.books import (
    UNREAD,
    AccountRow,
    Changes,
    HoldRow,
    JobRow,
    KeyRow,
    Keys,
    NewJob,
    Rows,
    TransferKey,
    TransferRow,
    UnitId,
    UnitRow,
    needs_accounts_alone,
    sharded_of,
)
from sql.checks import CheckId, check_parts, check_row, lock_checks
from sql.database import Conflict, Connection, names_of, row_as
from sql.earnings import counted, earners, earning_parts, fine_parts, lock_earnings
from sql.purchases import lock_purchases, purchase_parts, with_owners
from sql.query_loader import QUERIES
from sql.statement_batch import Columns, Part, columns_of, flat, reading, titles, together

# Columns of the types written_job, written_unit and written_hold, but `seen`. Those of a job begin
# with columns of new jobs alone.
_OF_NEW_JOB: Final = 7
_OF_JOB: Final = attrgetter(*(field.name for field in attrs.fields(JobRow)))
_OF_UNIT: Final = attrgetter(
    *("job_id", "number", "price", "place", "frames", "tile", "feeds"),
    *("state", "attempt", "node_id", "assigned_at", "lease_until", "not_before"),
    *("failures", "avoid", "result_key", "result_sha256", "result_size", "verified"),
    *("error_class", "error_code", "error_message", "started_at", "ended_at", "missing"),
    *("copy_attempt", "copy_node_id", "copy_assigned_at", "copy_started_at", "copy_lease_until"),
    *("copy_delivered_at", "unsent", "faults", "needs_memory", "needs_opengl"),
    *("needs_vram", "needs_scripts", "unsendable_to"),
)
_OF_HOLD: Final = attrgetter("reference", "amount", "created_at", "settled", "state", "closed_at")
# Places of a unit's columns that are arrays of nodes.
_LISTS: Final = tuple(map(names_of(UnitRow).index, ("avoid", "unsendable_to")))
# Returns the columns of a unit in the order of UnitRow's fields.
_UNIT: Final = itemgetter(*names_of(UnitRow))
# Columns of the types new_transfer and changed_account, without the accounts of a transfer, which
# have names here and ids there, and without the version that a change of an account replaces.
_OF_TRANSFER: Final = attrgetter(
    *("amount", "kind", "reference", "description", "key"),
    *("debit_version", "credit_version", "debit_after", "credit_after", "receipt"),
)
_OF_ACCOUNT: Final = attrgetter("id", "balance", "held", "version")
_OF_RECEIPT = ("job_id", "unit", "attempt", "document", "hash", "signature", "issued_at")
_OF_ANSWER = ("user_id", "key", "request", "answer", "created_at")
_OF_ACT = ("at", "actor_id", "actor", "act", "target", "reason", "request_id", "details")
NUMBERED = ("books_transfers_insert", "key, id")  # a write, and what it returns
# A database that was replaced by a backup may have the same transaction twice, so that accounts are
# not remembered for long. The clocks of both machines agree well for so long.
REMEMBERED_SECONDS: Final = 60.0
REMEMBERED_MOST: Final = 10_000  # accounts; some 4 MB
NO_ACCOUNTS: Final[Mapping[str, AccountRow]] = {}
STEP: Final = timedelta(seconds=1)  # a clock that goes back further was set


@attrs.define
class Seen:
    """For each row that was read without a lock, the transaction that wrote it; empty with locks.

    A write refuses rows that another transaction has written since.
    """

    accounts: dict[int, int] = attrs.field(factory=dict)  # by id
    holds: dict[str, int] = attrs.field(factory=dict)  # by reference
    jobs: dict[UUID, int] = attrs.field(factory=dict)
    units: dict[UnitId, int] = attrs.field(factory=dict)
    checks: dict[CheckId, int] = attrs.field(factory=dict)

    def accounts_part(self) -> Iterator[tuple[str, Columns]]:
        """Yield the lock of all accounts, which must be as they were read."""
        yield "books_accounts_unchanged", _columns_of_seen(self.accounts, self.accounts.keys())

    def unchanged(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        """Yield locks of other rows that were read and are not written; they must be as read."""
        holds = self.holds.keys() - {hold.reference for hold in changes.holds}
        if holds:
            yield "books_holds_unchanged", _columns_of_seen(self.holds, holds)
        jobs = self.jobs.keys() - {job.id for job in changes.jobs}
        if jobs:
            yield "books_jobs_unchanged", _columns_of_seen(self.jobs, jobs)
        units = self.units.keys() - {(unit.job_id, unit.number) for unit in changes.units}
        if units:
            yield "books_units_unchanged", _columns_of_seen(self.units, units)
        checks = self.checks.keys() - {check.id for check in changes.checks}
        if checks:
            yield "books_checks_unchanged", _columns_of_seen(self.checks, checks)


def _columns_of_seen(seen: Mapping[Any, int], rows: Set[Any]) -> Columns:
    """Return columns of the rows' keys, in order, and of the transactions that wrote the rows."""
    ordered = sorted(rows)
    keys = [key if isinstance(key, tuple) else (key,) for key in ordered]
    return [*map(list, zip(*keys, strict=True)), [seen[key] for key in ordered]]


class SqlBooks:
    """``BooksTransaction`` over a connection that is in a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids: dict[str, int] = {}
        self._versions: dict[int, int] = {}  # of the read accounts, by id
        self._seen = Seen()
        self.xid = 0  # the transaction, once it has written

    @property
    def accounts(self) -> Set[str]:
        """Names of the accounts that were read."""
        return self._ids.keys()

    @classmethod
    def over(cls, connection: Connection, rows: Rows, seen: Seen) -> Self:
        """Return a writer of changes to rows that were read without locks."""
        books = cls(connection)
        books._know(rows)
        books._seen = seen
        return books

    def _know(self, rows: Rows) -> None:
        self._ids = {account.name: account.id for account in rows.accounts.values()}
        self._versions = {account.id: account.version for account in rows.accounts.values()}

    async def lock(self, keys: Keys) -> Rows:
        rows = Rows({}, {}, {}, {}, {}, {}, UNREAD)
        if keys.purchases:
            keys = await with_owners(self._connection, keys)
        concerned = keys.accounts | await earners(self._connection, keys)
        rows.accounts = await self._accounts(attrs.evolve(keys, accounts=concerned))
        self._know(rows)
        if keys.purchases:
            await lock_purchases(self._connection, keys.purchases, rows)
        if any((keys.holds, keys.jobs, keys.units, keys.idempotency, keys.transfers)):
            await self._rows(keys, rows)
        else:
            [found] = await self._fetch("database_time")
            rows.now = found["now"]
        await lock_earnings(self._connection, keys, rows)
        await lock_checks(self._connection, keys, rows)
        return rows

    async def write(self, changes: Changes) -> Mapping[UUID, int]:
        """Write all changes in one statement; every expected row must be found."""
        parts = [part for part in self._parts(changes) if part[1] and part[1][0]]
        if not parts:
            return {}
        # The first part locks the accounts, before rows that they protect are written.
        if self._seen.accounts:
            parts = [*self._seen.accounts_part(), *parts]
        parts += self._seen.unchanged(changes)
        names = tuple((name, len(columns)) for name, columns in parts)
        arguments = flat([columns for _, columns in parts])
        several = counted(changes) if changes.payouts else {}
        wanted = [several.get(name, len(columns[0])) for name, columns in parts]
        statement = together(names, NUMBERED)
        written = await self._connection.fetchrow(statement, *arguments, titles(parts), wanted)
        assert written is not None, "the statement returns one row"
        self.xid = written["xid"]
        return dict(zip(written["key"], written["id"], strict=True)) if changes.transfers else {}

    async def last_batch(self, ledger: UUID) -> int:
        [row] = await self._fetch("books_batch_last", ledger)
        return int(row["batch"])

    async def numbers(self, changes: Changes) -> Mapping[UUID, int]:
        keys = [row.key for row in changes.transfers]
        return {row["key"]: row["id"] for row in await self._fetch("books_transfer_ids", keys)}

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def _fetch(self, name: str, *args: Any) -> Any:
        return await self._connection.fetch(QUERIES[name], *args)

    async def _accounts(self, keys: Keys) -> dict[str, AccountRow]:
        shards = sharded_of(keys)
        names = keys.accounts - shards
        tiled = columns_of_keys(keys.tiled, 2)
        asked = (list(names), list(keys.holds), list(keys.whole), list(shards), *tiled)
        found = await self._fetch("books_accounts_lock", *asked)
        known = {row["name"] for row in found}
        missing = [name for name in names - known if name.startswith(MADE_WHEN_NEEDED)]
        if missing:
            # Sorted, so that two gateways that create the same accounts cannot deadlock.
            missing.sort(key=lambda name: (name.startswith(DEBT), name))
            await self._connection.execute(QUERIES["books_accounts_make"], missing)
            found = await self._fetch("books_accounts_lock", *asked)
        locked = {row["id"] for row in found}
        debts = [row["debt"] for row in found if row["debt"] is not None]
        if not locked.issuperset(debts):
            found += await self._fetch("books_debts_lock", sorted(set(debts) - locked))
        return {row["name"]: AccountRow(**row) for row in found}

    async def _rows(self, keys: Keys, rows: Rows) -> None:
        """Read the rows that the account locks protect."""
        used = columns_of_keys(keys.idempotency, 2)
        units = columns_of_keys(keys.units, 2)
        named = (list(keys.holds), list(keys.whole), list(keys.jobs), *units)
        tiled = columns_of_keys(keys.tiled, 2)
        asked = (*named, *used, *self._subjects(keys), *tiled)
        [found] = await self._fetch("books_rows_lock", *asked)
        names = {number: name for name, number in self._ids.items()}
        for row in found["holds"]:
            if row["account_id"] not in names:
                raise Conflict("a hold was created after its account had been looked up")
            owned = {**row, "account": names[row["account_id"]]}
            rows.holds[row["reference"]] = row_as(HoldRow, owned)
        for row in found["jobs"]:
            rows.jobs[row[0]] = job_row(row)
        for row in found["units"]:
            rows.units[row["job_id"], row["number"]] = unit_row(row)
        for row in found["keys"]:
            rows.idempotency[row["user_id"], row["key"]] = row_as(KeyRow, row)
        rows.now = found["now"]
        rows.transfers = _posted(found)

    def _subjects(self, keys: Keys) -> Columns:
        """Return the transfers to look up; an account that does not exist yet has none."""
        names, kinds, references = columns_of_keys(keys.transfers, 3)
        return [[self._ids.get(name) for name in names], kinds, references]

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def _parts(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        """Yield the writes, each with a column of values per parameter.

        Most batches change few kinds of rows, so that kinds without rows take no time.
        """
        if changes.jobs or changes.units:
            # The order decides the order of events: a job begins before its units and ends after
            # them.
            begun, changed = _jobs(changes, self._seen)
            yield begun
            yield from _units(changes, self._seen)
            yield changed
        if changes.holds:
            yield from self._holds(changes)
        versions = self._versions
        accounts = [(*_OF_ACCOUNT(row), versions[row.id]) for row in changes.accounts]
        yield "books_accounts_write", [accounts]
        if changes.transfers:
            yield "books_transfers_insert", self._transfers(changes.transfers)
        if changes.purchases or changes.reversals or changes.events:
            yield from purchase_parts(changes)
        if any((changes.earnings, changes.payouts, changes.disputes, changes.comparisons)):
            yield from earning_parts(changes)
        if changes.fines:
            yield from fine_parts(changes)
        if changes.checks or changes.words:
            yield from check_parts(changes, self._seen.checks)
        if changes.receipts:
            yield from _receipts(changes)
        yield from self._answers(changes)
        if changes.batch is not None:
            yield "books_batch_write", [[changes.batch.ledger], [changes.batch.number]]

    def _transfers(self, transfers: Sequence[TransferRow]) -> Columns:
        """Return the rows of the transfers, and their time; all of a batch have the same."""
        ids = self._ids
        rows = [
            (ids[row.debit], ids[row.credit], ids[row.subject], *_OF_TRANSFER(row))
            for row in transfers
        ]
        return [rows, [transfers[0].created_at]]

    def _answers(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        """Yield the writes of answers to repeat, and of admins' actions."""
        if changes.idempotency:
            columns = columns_of(changes.idempotency, *_OF_ANSWER)
            columns[3] = [orjson.dumps(answer).decode() for answer in columns[3]]
            yield "books_keys_insert", columns
        if changes.acts:
            columns = columns_of(changes.acts, *_OF_ACT)
            columns[-1] = [orjson.dumps(dict(details)).decode() for details in columns[-1]]
            yield "books_acts_insert", columns

    def _holds(self, changes: Changes) -> Iterator[tuple[str, Columns]]:
        ids, seen = self._ids, self._seen.holds
        new = [hold for hold in changes.holds if hold.reference in changes.new_holds]
        old = [hold for hold in changes.holds if hold.reference not in changes.new_holds]
        old.sort(key=lambda hold: hold.reference)
        yield (
            "books_holds_insert",
            [[(hold.id, ids[hold.account], *_OF_HOLD(hold), None) for hold in new]],
        )
        yield (
            "books_holds_update",
            [[(None, None, *_OF_HOLD(hold), seen.get(hold.reference)) for hold in old]],
        )


def job_row(columns: Sequence[Any]) -> JobRow:
    """Build a job from its columns, in the order of the fields."""
    values: list[Any] = [*columns[:-1], tuple(columns[-1])]
    return JobRow(*values)


def unit_row(row: Any) -> UnitRow:
    """Build a unit from a row of ``units``."""
    values: list[Any] = list(_UNIT(row))
    for place in _LISTS:
        values[place] = tuple(values[place])
    return UnitRow(*values)


def _jobs(changes: Changes, seen: "Seen") -> tuple[tuple[str, Columns], tuple[str, Columns]]:
    """Return the writes of new jobs and of changed ones."""
    new, ids = changes.new_jobs, {job.id for job in changes.new_jobs}
    rows = {job.id: job for job in changes.jobs}
    # Updated rows are in order, so that two gateways that write the same rows cannot deadlock.
    old = sorted((job for job in changes.jobs if job.id not in ids), key=lambda job: job.id)
    added = [(*_of_new(job), *_OF_JOB(rows[job.id]), None) for job in new]
    nothing = (None,) * _OF_NEW_JOB
    changed = [(*nothing, *_OF_JOB(job), seen.jobs.get(job.id)) for job in old]
    return ("books_jobs_insert", [added]), ("books_jobs_update", [changed])


def _of_new(job: NewJob) -> tuple[Any, ...]:
    plan = orjson.dumps(job.plan).decode()
    fixed = job.payload_ref, job.price, job.created_at, job.price_number, job.retry_of
    return job.name, *fixed, plan


def _receipts(changes: Changes) -> Iterator[tuple[str, Columns]]:
    free = [row for row in changes.receipts if row.paid_by is None]
    paid = [row for row in changes.receipts if row.paid_by is not None]
    yield "books_receipts_insert", columns_of(free, *_OF_RECEIPT)
    yield "books_paid_receipts_insert", columns_of(paid, *_OF_RECEIPT, "paid_by")


def _units(changes: Changes, seen: "Seen") -> Iterator[tuple[str, Columns]]:
    jobs = {job.id for job in changes.new_jobs}
    new = [unit for unit in changes.units if unit.job_id in jobs]
    old = [unit for unit in changes.units if unit.job_id not in jobs]
    old.sort(key=lambda unit: (unit.job_id, unit.number))
    waiting = [unit for unit in new if is_untouched(unit)]
    moved = [unit for unit in new if not is_untouched(unit)]
    names = ("job_id", "number", "price", "place", "frames", "tile", "feeds", "missing")
    yield "books_units_queue", columns_of(waiting, *names)
    yield "books_units_insert", [[(*_OF_UNIT(unit), None) for unit in moved]]
    rows = [(*_OF_UNIT(unit), seen.units.get((unit.job_id, unit.number))) for unit in old]
    yield "books_units_update", [rows]


def is_untouched(unit: UnitRow) -> bool:
    """Return True if the unit is new and waits; a batch may have thousands of these."""
    return unit.state == "QUEUED" and unit.attempt == 0 and unit.error_class is None


def columns_of_keys(keys: Set[tuple[Any, ...]], width: int) -> Columns:
    """Return the keys in order, as one column per position."""
    rows = sorted(keys)
    return [[row[position] for row in rows] for position in range(width)]


def _posted(found: Any) -> dict[TransferKey, TransferRow]:
    """Return earlier transfers."""
    names = {row["id"]: _account_of(row) for row in found["posted_accounts"]}
    posted: dict[TransferKey, TransferRow] = {}
    for row in found["posted"]:
        sides = {side: names[row[side]] for side in ("debit", "credit", "subject")}
        transfer = row_as(TransferRow, {**row, **sides})
        posted[transfer.subject, transfer.kind, transfer.reference] = transfer
    return posted


def _account_of(row: Any) -> str:
    """Return the account's name; for a shard, that of its account."""
    name: str = row["name"]
    return name if row["shard_of"] is None else name.partition(":")[0]


@attrs.frozen
class RememberedAccount:
    """An account, the transaction that wrote it, and when it was up to date.

    ``shard``: the number of the shard; None if the account is not sharded.
    """

    row: AccountRow
    seen: int
    shard: int | None
    at: float


class RecentAccounts:
    """Accounts as this gateway has last read or written them, and the database's time.

    ``clock`` returns seconds, and is as fast as the database's.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, RememberedAccount] = {}  # the last used is last
        # The newest time by the database's clock, and when it was, by ours.
        self._time: tuple[datetime, float] | None = None

    def find(
        self, keys: Keys, shard: int, written: Mapping[str, AccountRow] = NO_ACCOUNTS
    ) -> "tuple[Rows, Seen] | None":
        """Return the rows of a batch, if only accounts are expected, and all of them are known.

        ``written``: accounts, by name, as a transaction that has not ended leaves them.
        """
        now = self._now()
        if now is None or not needs_accounts_alone(keys):
            return None
        rows, seen, shards = Rows({}, {}, {}, {}, {}, {}, now), Seen(), sharded_of(keys)
        oldest = self._clock() - REMEMBERED_SECONDS
        for name in keys.accounts:
            known = self._known.get(name)
            wanted = shard if name in shards else None
            if known is None or known.shard != wanted or known.at < oldest:
                return None
            row = written.get(name, known.row)
            if row.id != known.row.id:
                return None
            rows.accounts[name], seen.accounts[row.id] = row, known.seen
        return rows, seen

    def read(self, rows: Rows, seen: Seen, keys: Keys, shard: int) -> None:
        """Note the accounts that were read; ``rows.now`` becomes no less than an earlier time."""
        before, clock = self._now(), self._clock()
        if before is not None and timedelta() < before - rows.now < STEP:
            rows.now = before
        self._time = (rows.now, clock)
        shards = sharded_of(keys)
        for name, row in rows.accounts.items():
            wanted = shard if name in shards else None
            self._note(name, RememberedAccount(row, seen.accounts[row.id], wanted, clock))

    def wrote(self, accounts: Iterable[AccountRow], xid: int) -> None:
        """Note accounts that transaction ``xid`` has written."""
        clock = self._clock()
        for row in accounts:
            known = self._known.get(row.name)
            if known is not None and known.row.id == row.id:
                self._note(row.name, RememberedAccount(row, xid, known.shard, clock))

    def forget(self, names: Iterable[str]) -> None:
        """Forget accounts that may have changed."""
        for name in names:
            self._known.pop(name, None)

    def _note(self, name: str, account: RememberedAccount) -> None:
        self._known.pop(name, None)
        self._known[name] = account
        if len(self._known) > REMEMBERED_MOST:
            del self._known[next(iter(self._known))]

    def _now(self) -> datetime | None:
        if self._time is None:
            return None
        time, at = self._time
        passed = self._clock() - at
        return time + timedelta(seconds=passed) if passed < REMEMBERED_SECONDS else None


class Reading:
    """The read of one batch."""

    def __init__(self, keys: Keys, shard: int) -> None:
        """Prepare the read. ``shard``: the number of the shard that this gateway prefers."""
        self._keys, self._shard = keys, shard
        self.rows, self.seen = Rows({}, {}, {}, {}, {}, {}, UNREAD), Seen()

    async def read(self, connection: Connection) -> bool:
        """Read the rows.

        Return False if the batch needs locks after all: an account is missing or has debts, or a
        unit has two attempts of which one waits for its verdict.
        """
        parts = [part for part in self._parts() if any(part[1])]
        names = tuple((name, len(columns)) for name, columns in parts)
        found = await connection.fetchrow(reading(names), *flat([each for _, each in parts]))
        assert found is not None, "it returns one row"
        take = {
            "books_read_accounts": self._accounts,
            "books_read_shards": self._accounts,
            "books_read_owners": self._accounts,
            "books_read_holds": self._holds,
            "books_read_jobs": self._jobs,
            "books_read_units": self._units,
            "books_read_checks": self._checks,
            "books_read_keys": self._answers,
            "books_read_transfers": self._transfers,
        }
        for name, _ in parts:
            take[name](found[name])
        self.rows.now = found["now"]
        accounts = self.rows.accounts
        is_free = all(account.debt is None for account in accounts.values())
        is_single = not any(unit.is_delivered_beside for unit in self.rows.units.values())
        return is_free and is_single and self._keys.accounts <= accounts.keys()

    def _parts(self) -> Iterator[Part]:
        """Yield the reads with their parameters; accounts come first."""
        keys, whole = self._keys, list(self._keys.whole)
        shards = sharded_of(keys)
        yield "books_read_accounts", [list(keys.accounts - shards)]
        shard: list[Any] = [list(shards), self._shard] if shards else []
        yield "books_read_shards", shard
        yield "books_read_owners", [list(keys.holds), whole]
        yield "books_read_holds", [list(keys.holds), whole]
        yield "books_read_jobs", [list(keys.jobs)]
        yield "books_read_units", [*columns_of_keys(keys.units, 2), whole]
        yield "books_read_checks", columns_of_keys(keys.checks, 2)
        yield "books_read_keys", columns_of_keys(keys.idempotency, 2)
        yield "books_read_transfers", columns_of_keys(keys.transfers, 3)

    def _accounts(self, found: Sequence[Any]) -> None:
        for *columns, seen in found:
            account = AccountRow(*columns)
            self.rows.accounts[account.name] = account
            self.seen.accounts[account.id] = seen

    def _holds(self, found: Sequence[Any]) -> None:
        names = {account.id: account.name for account in self.rows.accounts.values()}
        for number, account, *columns, seen in found:
            hold = HoldRow(number, names[account], *columns)
            self.rows.holds[hold.reference] = hold
            self.seen.holds[hold.reference] = seen

    def _jobs(self, found: Sequence[Any]) -> None:
        for *columns, seen in found:
            job = job_row(columns)
            self.rows.jobs[job.id] = job
            self.seen.jobs[job.id] = seen

    def _units(self, found: Sequence[Any]) -> None:
        for row, seen in found:
            unit = unit_row(row)
            self.rows.units[unit.job_id, unit.number] = unit
            self.seen.units[unit.job_id, unit.number] = seen

    def _checks(self, found: Sequence[Any]) -> None:
        for row, seen in found:
            check = check_row(row)
            self.rows.checks[check.id] = check
            self.seen.checks[check.id] = seen

    def _answers(self, found: Sequence[Any]) -> None:
        for row in found:
            self.rows.idempotency[row["user_id"], row["key"]] = row_as(KeyRow, row)

    def _transfers(self, found: Sequence[Any]) -> None:
        for row, debit, credit in found:
            subject = debit if row["subject"] == row["debit"] else credit
            names = {"debit": debit, "credit": credit, "subject": subject}
            transfer = row_as(TransferRow, {**row, **names})
            self.rows.transfers[subject, transfer.kind, transfer.reference] = transfer
