"""Checks in PostgreSQL: written with the books, and read by the Verifier."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import attrs

from sql.books import Changes, Keys, Rows
from sql.checks import CheckRow, Pending, WordRow
from sql.database import Connection
from sql.query_loader import QUERIES
from sql.scheduler_rows import parts_of
from sql.statement_batch import Columns, columns_of

Part: TypeAlias = tuple[str, Columns]
_NAMES: Final = tuple(field.name for field in attrs.fields(CheckRow))
_OF_WORD: Final = tuple(field.name for field in attrs.fields(WordRow))
_DECIDED: Final = (
    *("job_id", "unit", "attempt", "verdict", "said", "verifier_id"),
    *("decided_at", "strike", "withdrawn", "compared", "remade", "distance", "verifier_class"),
)


async def lock_checks(connection: Connection, keys: Keys, rows: Rows) -> None:
    """Read the checks of the units' attempts into ``rows``.

    With two attempts, a verdict on one may end the other.
    """
    both = {key for key, unit in rows.units.items() if unit.is_delivered_beside}
    concerned = sorted(keys.checks | both)
    if not concerned:
        return
    named = [list(column) for column in zip(*concerned, strict=True)]
    for row in await connection.fetch(QUERIES["books_checks_lock"], *named):
        check = _row(row)
        rows.checks[check.id] = check


def check_parts(changes: Changes) -> Iterator[Part]:
    """Yield the writes: inserts of deliveries and updates of decided checks."""
    new = [row for row in changes.checks if row.id in changes.new_checks]
    decided = [row for row in changes.checks if row.id not in changes.new_checks]
    yield "books_checks_insert", columns_of(new, *_NAMES)
    yield "books_checks_decide", columns_of(decided, *_DECIDED)
    yield "books_words_insert", columns_of(changes.words, *_OF_WORD)


def pending(rows: Sequence[Any]) -> list[Pending]:
    """Convert rows for the Verifier."""
    return [_pending(row) for row in rows]


def _pending(row: Any) -> Pending:
    return Pending(
        row=attrs.evolve(_row(row), opened_at=row["since"]),
        job_type=row["job_type"],
        payload_ref=row["payload_ref"],
        params=row["params"],
        user=row["user_id"],
        frames=row["frames"],
        price=row["price"],
        failures=row["failures"],
        faults=row["faults"],
        unsent=row["unsent"],
        owner=row["owner"],
        blamed=frozenset(row["blamed"]),
        tile=row["tile"],
        parts=parts_of(row["parts"]),
        took=max(row["took"], 0.0),
        is_uncut=row["is_uncut"],
        is_again=row["is_again"],
        disputed=_places(row["places"]),
        waited=row["waited"],
    )


def _places(flat: list[float] | None) -> tuple[tuple[float, float], ...] | None:
    return None if flat is None else tuple(zip(flat[::2], flat[1::2], strict=True))


def _row(row: Any) -> CheckRow:
    return CheckRow(**{name: row[name] for name in _NAMES})
