"""Checks in PostgreSQL: part of the transaction of the books, and what the Verifier reads."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import attrs

from sql.books import Changes, Keys, Rows
from sql.checks import (
    CheckRow,
    Draws,
    Pending,
    Suspicion,
    TrialGiven,
    TrialNote,
    TrialRow,
    VerifierTest,
    Voucher,
    WordRow,
)
from sql.database import Connection, Database
from sql.loader import QUERIES
from sql.together import Columns, columns_of
from sql.work import parts_of

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
    return [_waiting(row) for row in rows]


def _waiting(row: Any) -> Pending:
    found, more = _pending(row), {name: row[name] for name in ("is_uncut", "is_again", "waited")}
    more |= {"parts": parts_of(row["parts"]), "voucher": _voucher(row)}
    since = attrs.evolve(found.row, opened_at=row["since"])
    return attrs.evolve(found, row=since, suspicion=_suspicion(row), **more)


def _suspicion(row: Any) -> Suspicion | None:
    if row["suspicion_at"] is None:
        return None
    of = (row["job_id"], row["unit"], row["attempt"])
    told: dict[str, Any] = {name: row[f"suspicion_{name}"] for name in _OF_SUSPICION}
    told |= {"draws": _draws(told["draws"]), "shown": tuple(told["shown"] or ())}
    return Suspicion(*of, **told)


def _voucher(row: Any) -> Voucher | None:
    if row["voucher_at"] is None:
        return None
    of = (row["job_id"], row["unit"], row["attempt"])
    who = (row["voucher_verifier_id"], row["voucher_device_class"], row["voucher_at"])
    return Voucher(*of, *who, _draws(row["voucher_draws"]), tuple(row["voucher_shown"]))


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
        took=max(row["took"], 0.0),
    )


def trials(rows: Sequence[Any]) -> list[TrialRow]:
    """Those of ``trials_known``, oldest first."""
    return [
        TrialRow(
            id=row["trial"],
            of=_pending(row),
            samples=row["samples"],
            draws=_draws(row["draws"]),
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
        flat, wrong = _flat(trial.draws), sorted(trial.wrong)
        values = (trial.id, *trial.of.row.id, trial.samples, flat, wrong, noted.at)
        await database.execute("trial_note", *values)


async def note_suspicion(database: Database, noted: Suspicion) -> None:
    """Keep it; once."""
    *values, drawn, shown = attrs.astuple(noted, recurse=False)
    await database.execute("suspicion_note", *values, _flat(drawn), [*shown])


async def note_voucher(database: Database, noted: Voucher) -> None:
    """Keep it; once."""
    *values, drawn, shown = attrs.astuple(noted, recurse=False)
    await database.execute("voucher_note", *values, _flat(drawn), [*shown])


def _flat(drawn: Draws) -> list[float | None]:
    return [number for one in drawn for number in one]


def _draws(flat: Sequence[Any] | None) -> Draws:
    return tuple(zip(*[iter(flat or ())] * 3, strict=True))


def _row(row: Any) -> CheckRow:
    return CheckRow(**{name: row[name] for name in _NAMES})
