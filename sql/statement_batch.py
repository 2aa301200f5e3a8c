"""Combine writes into one statement, so that a batch takes one round trip."""

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeAlias

import attrs

from sql.query_loader import QUERIES

Columns: TypeAlias = list[list[Any]]
Part: TypeAlias = tuple[str, Columns]  # the name of a write, and its columns of values
_PARAMETER = re.compile(r"\$(\d+)")


@lru_cache(maxsize=256)
def together(parts: tuple[tuple[str, int], ...]) -> str:
    """Combine the named writes, each with its number of parameters.

    The statement returns how many rows each write has written, and the transaction's id. All writes
    see the state before the statement, and their order is undefined: no two may write the same row.
    Foreign keys are checked at the end.
    """
    written: list[str] = []
    before = 0
    for name, width in parts:
        body = QUERIES[name].rstrip().removesuffix(";")
        written.append(f"{name} AS (\n{_shifted(body, before)}\nRETURNING 1)")
        before += width
    # only names of our own queries become part of the text
    counts = [f"(SELECT count(*) FROM {name}) AS {name}" for name, _ in parts]  # noqa: S608
    counts.append("pg_current_xact_id()::text::bigint AS transaction")
    return "WITH " + ",\n".join(written) + "\nSELECT " + ", ".join(counts)


def row_values(kind: type[Any], row: Any) -> dict[str, Any]:
    """Return the row's values for the columns that the class has."""
    return {field.name: row[field.name] for field in attrs.fields(kind)}


def columns_of(rows: Sequence[Any], *names: str) -> Columns:
    """Return, for each named attribute, the column of its values in the rows."""
    return [list(map(attrgetter(name), rows)) for name in names]


def flat(columns: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the parameters of all writes, in order."""
    return [column for part in columns for column in part]


def _shifted(text: str, by: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + by}", text)
