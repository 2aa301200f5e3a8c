"""Checks in PostgreSQL: part of the transaction of the books, and what the Verifier reads."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import attrs

from sql.books import Changes, Keys, Rows
from sql.checks import (
    CheckRow,
    Pending,
    Suspicion,
    TrialGiven,
    TrialNote,
    TrialRow,
    VerifierTest,
    WordRow,
)
from sql.database import Connection, Database
from sql.loader import QUERIES
from sql.together import Columns, columns_of

Part: TypeAlias = tuple[str, Columns]
_NAMES: Final = tuple(field.name for field in attrs.fields(CheckRow))
_OF_WORD: Final = tuple(field.name for field in attrs.fields(WordRow))
_OF_SUSPICION: Final = tuple(field.name for field in attrs.fields(Suspicion))[3:]
_DECIDED: Final = (
    *("job_id", "unit", "attempt", "verdict", "said", "verifier_id"),
    *("decided_at", "withdrawn"),
)


async def lock_checks(connection: Connection, keys: Keys, rows: Rows) -> None:
    """Read those of the units' attempts into ``rows``; of two attempts one may end the other."""
    both = {key for key, unit in rows.units.items() if unit.is_delivered_beside}
    concerned = sorted(keys.checks | both)
    if not concerned:
        return
    named = [list(column) for column in zip(*concerned, strict=True)]
    for row in await connection.fetch(QUERIES["books_checks_lock"], *named):
        check = _row(row)
        rows.checks[check.id] = check


def check_parts(changes: Changes) -> Iterator[Part]:
    """The writes: what was delivered is new, what was decided was there."""
    new = [row for row in changes.checks if row.id in changes.new_checks]
    decided = [row for row in changes.checks if row.id not in changes.new_checks]
    yield "books_checks_insert", columns_of(new, *_NAMES)
    yield "books_checks_decide", columns_of(decided, *_DECIDED)
    yield "books_words_insert", columns_of(changes.words, *_OF_WORD)


def pending(rows: Sequence[Any]) -> list[Pending]:
    """As the Verifier reads them."""
    return [attrs.evolve(_pending(row), suspicion=_suspicion(row)) for row in rows]


def _suspicion(row: Any) -> Suspicion | None:
    of = (row["job_id"], row["unit"], row["attempt"])
    told = [row[f"suspicion_{name}"] for name in _OF_SUSPICION]
    return None if row["suspicion_at"] is None else Suspicion(*of, *told)


def _pending(row: Any) -> Pending:
    return Pending(
        row=_row(row),
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
        friends=frozenset(row["friends"]),
    )


def trials(rows: Sequence[Any]) -> list[TrialRow]:
    """Those of ``trials_known``, oldest first."""
    return [
        TrialRow(
            id=row["trial"],
            of=_pending(row),
            samples=row["samples"],
            draws=tuple(zip(*[iter(row["draws"])] * 3, strict=True)),
            wrong=frozenset(row["wrong"]),
            owners=frozenset(row["owners"]),
        )
        for row in reversed(rows)
    ]


async def note(database: Database, noted: TrialNote) -> None:
    """Keep it; once."""
    if isinstance(noted, VerifierTest):
        await database.execute("verifier_test_note", *attrs.astuple(noted))
    elif isinstance(noted, TrialGiven):
        await database.execute("trial_given_note", *attrs.astuple(noted))
    else:
        trial = noted.trial
        flat = [number for drawn in trial.draws for number in drawn]
        values = (trial.id, *trial.of.row.id, trial.samples, flat, sorted(trial.wrong), noted.at)
        await database.execute("trial_note", *values)


def _row(row: Any) -> CheckRow:
    return CheckRow(**{name: row[name] for name in _NAMES})
