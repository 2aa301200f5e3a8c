"""Combine writes into one statement, so that a batch takes one round trip."""

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeAlias

from sql.query_loader import QUERIES

Columns: TypeAlias = list[list[Any]]
Part: TypeAlias = tuple[str, Columns]  # the name of a write, and its columns of values
UNCHANGED: Final = "_unchanged"  # such a part locks rows instead of writing them
TITLE: Final = "a combined write"
ROWS_MISSING: Final = "RT001"  # raised by must_write
_PARAMETER = re.compile(r"\$(\d+)")


@lru_cache(maxsize=256)
def together(parts: tuple[tuple[str, int], ...], returning: tuple[str, str] | None = None) -> str:
    """Combine the named writes, each with its number of parameters.

    The last two parameters are ``titles(parts)`` and the number of rows that each write must write,
    in order; otherwise the statement fails with the SQLSTATE ``ROWS_MISSING``, and nothing is
    written. All writes see the state before the statement, so no two may write the same row. The
    final SELECT counts their rows in the order of ``parts``; PostgreSQL runs each when its rows are
    counted.
    ``returning``: the name of a write, and columns of its rows. The statement returns these
    columns, each as an array, and the transaction's id as ``xid``.
    """
    written: list[str] = []
    before, columns = 0, "1"
    for name, width in parts:
        body = QUERIES[name].rstrip().removesuffix(";")
        columns = returning[1] if returning is not None and returning[0] == name else "1"
        tail = "" if name.endswith(UNCHANGED) else f"\nRETURNING {columns}"
        written.append(f"{name} AS (\n{_shifted(body, before)}{tail})")
        before += width
    # only names of our own queries become part of the text
    shown = [
        f"must_write((${before + 1}::text[])[{place + 1}], (SELECT count(*) FROM {name}),"  # noqa: S608
        f" (${before + 2}::bigint[])[{place}])"
        for place, (name, _) in enumerate(parts, 1)
    ]
    shown.append("pg_current_xact_id()::xid AS xid")
    if returning is not None and any(name == returning[0] for name, _ in parts):
        shown += [
            f"ARRAY(SELECT {column} FROM {returning[0]}) AS {column}"  # noqa: S608
            for column in returning[1].split(", ")
        ]
    return "WITH " + ",\n".join(written) + "\nSELECT " + ", ".join(shown)


def titles(parts: Sequence[Part]) -> list[str]:
    """Return the title of a combined write, by which tests recognise it, and the names of the
    parts.
    """
    return [TITLE, *(name for name, _ in parts)]


@lru_cache(maxsize=256)
def reading(parts: tuple[tuple[str, int], ...]) -> str:
    """Combine the named reads, each with its number of parameters.

    The statement returns one row: for each read an array of its rows, and the time as ``now``.
    """
    read: list[str] = []
    before = 0
    for name, width in parts:
        body = QUERIES[name].rstrip().removesuffix(";")
        read.append(f"ARRAY(\n{_shifted(body, before)}) AS {name}")
        before += width
    return "SELECT " + ",\n".join([*read, "clock_timestamp() AS now"])


def columns_of(rows: Sequence[Any], *names: str) -> Columns:
    """Return, for each named attribute, the column of its values in the rows."""
    if not rows:  # of most kinds a batch has no rows
        return [[]] * len(names)
    return [list(map(attrgetter(name), rows)) for name in names]


def flat(columns: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the parameters of all writes, in order."""
    return [column for part in columns for column in part]


def _shifted(text: str, by: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + by}", text)
