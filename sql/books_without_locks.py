"""The rows of a batch read without locks, in one statement, and written in another.

The second statement refuses the batch if another transaction has written one of the rows since.
Then, and for batches with rarer rows, the Ledger uses ``BooksTransaction``, which locks the rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

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


class ReadBooks(Protocol):
    """The rows of a batch, read without locks."""

    @property
    def rows(self) -> Rows:
        """The rows. ``now``: the database's time after they were read."""
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
