"""Checks in PostgreSQL: part of the transaction of the books, and what the Verifier reads."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import attrs

from sql.books import Changes, Keys, Rows
from sql.checks import CheckRow, Pending
from sql.database import Connection
from sql.loader import QUERIES
from sql.together import Columns, columns_of

Part: TypeAlias = tuple[str, Columns]
_NAMES: Final = tuple(field.name for field in attrs.fields(CheckRow))
_DECIDED: Final = (
    *("job_id", "unit", "attempt", "verdict", "said", "verifier_id"),
    "decided_at",
)


async def lock_checks(connection: Connection, keys: Keys, rows: Rows) -> None:
    """Read those of the units' attempts into ``rows``."""
    if not keys.checks:
        return
    named = [list(column) for column in zip(*sorted(keys.checks), strict=True)]
    for row in await connection.fetch(QUERIES["books_checks_lock"], *named):
        check = _row(row)
        rows.checks[check.id] = check


def check_parts(changes: Changes) -> Iterator[Part]:
    """The writes: what was delivered is new, what was decided was there."""
    new = [row for row in changes.checks if row.id in changes.new_checks]
    decided = [row for row in changes.checks if row.id not in changes.new_checks]
    yield "books_checks_insert", columns_of(new, *_NAMES)
    yield "books_checks_decide", columns_of(decided, *_DECIDED)


def pending(rows: Sequence[Any]) -> list[Pending]:
    """As the Verifier reads them."""
    return [
        Pending(
            row=_row(row),
            job_type=row["job_type"],
            payload_ref=row["payload_ref"],
            params=row["params"],
            user=row["user_id"],
            frames=row["frames"],
            price=row["price"],
            failures=row["failures"],
            owner=row["owner"],
            tile=row["tile"],
        )
        for row in rows
    ]


def _row(row: Any) -> CheckRow:
    return CheckRow(**{name: row[name] for name in _NAMES})
