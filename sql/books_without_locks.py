"""The rows of a batch read without locks, in one statement, and written in another.

The second statement refuses the batch if another transaction has written one of the rows since.
Then, and for batches with rarer rows, the Ledger uses ``BooksTransaction``, which locks the rows.
A batch that changes accounts alone, or inserts jobs, needs no read if its accounts are remembered.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import attrs

from sql.books import (
    UNREAD,
    AccountRow,
    Changes,
    HoldRow,
    KeyRow,
    Keys,
    Rows,
    TransferRow,
    with_tills,
)
from sql.books_statements import Seen, columns_of_keys, job_row, unit_row
from sql.checks import check_row
from sql.database import Connection
from sql.statement_batch import Part, flat, reading, row_values

# A database that was replaced by a backup may have the same transaction twice, so that accounts are
# not remembered for long. The clocks of both machines agree well for so long.
REMEMBERED_SECONDS: Final = 60.0
REMEMBERED_MOST: Final = 10_000  # accounts; some 4 MB
STEP: Final = timedelta(seconds=1)  # a clock that goes back further was set


class ReadBooks(Protocol):
    """The rows of a batch, read without locks."""

    @property
    def rows(self) -> Rows:
        """The rows. ``now``: the database's time after they were read."""
        ...

    @property
    def is_remembered(self) -> bool:
        """True if the rows were not read now: only if they are written is it sure that they are
        up to date.
        """
        ...

    async def write(self, changes: Changes) -> Mapping[UUID, int]:
        """Write everything; return the numbers of the transfers, by their keys.

        Raises Mismatch if one of the rows has changed since it was read, Refused or Conflict; then
        nothing is written. Raises AnswerLost if it is unknown whether the changes are written.
        """
        ...


def needs_locks(keys: Keys) -> bool:
    """Return True if the batch needs rows that are read only with locks."""
    rare = (keys.tiled, keys.earnings, keys.payouts, keys.payable, keys.purchases)
    return any((*rare, keys.stakes, keys.fines, keys.withdrawn))


def needs_accounts_alone(keys: Keys) -> bool:
    """Return True if all rows of the batch but accounts are new, unless it is a repetition."""
    return not (needs_locks(keys) or keys.checks) and keys.jobs <= keys.new_jobs


@attrs.frozen
class RememberedAccount:
    """An account, the transaction that wrote it, and when it was up to date.

    ``till``: the number of the shard; None if the account is not sharded.
    """

    row: AccountRow
    seen: int
    till: int | None
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

    def find(self, keys: Keys, till: int) -> "tuple[Rows, Seen] | None":
        """Return the rows of a batch, if only accounts are expected, and all of them are known."""
        now = self._now()
        if now is None or not needs_accounts_alone(keys):
            return None
        rows, seen, tills = Rows({}, {}, {}, {}, {}, {}, now), Seen(), with_tills(keys)
        oldest = self._clock() - REMEMBERED_SECONDS
        for name in keys.accounts:
            known = self._known.get(name)
            wanted = till if name in tills else None
            if known is None or known.till != wanted or known.at < oldest:
                return None
            rows.accounts[name], seen.accounts[known.row.id] = known.row, known.seen
        return rows, seen

    def read(self, rows: Rows, seen: Seen, keys: Keys, till: int) -> None:
        """Note the accounts that were read; ``rows.now`` becomes no less than an earlier time."""
        before, clock = self._now(), self._clock()
        if before is not None and timedelta() < before - rows.now < STEP:
            rows.now = before
        self._time = (rows.now, clock)
        tills = with_tills(keys)
        for name, row in rows.accounts.items():
            wanted = till if name in tills else None
            self._note(name, RememberedAccount(row, seen.accounts[row.id], wanted, clock))

    def wrote(self, accounts: Iterable[AccountRow], xid: int) -> None:
        """Note accounts that transaction ``xid`` has written."""
        clock = self._clock()
        for row in accounts:
            known = self._known.get(row.name)
            if known is not None and known.row.id == row.id:
                self._note(row.name, RememberedAccount(row, xid, known.till, clock))

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

    def __init__(self, keys: Keys, till: int) -> None:
        """Prepare the read. ``till``: the number of the shard that this gateway prefers."""
        self._keys, self._till = keys, till
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
            "books_read_tills": self._accounts,
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
        tills = with_tills(keys)
        yield "books_read_accounts", [list(keys.accounts - tills)]
        till: list[Any] = [list(tills), self._till] if tills else []
        yield "books_read_tills", till
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
            self.rows.idempotency[row["user_id"], row["key"]] = KeyRow(**row_values(KeyRow, row))

    def _transfers(self, found: Sequence[Any]) -> None:
        for row, debit, credit in found:
            subject = debit if row["subject"] == row["debit"] else credit
            names = {"debit": debit, "credit": credit, "subject": subject}
            transfer = TransferRow(**row_values(TransferRow, {**row, **names}))
            self.rows.transfers[subject, transfer.kind, transfer.reference] = transfer
