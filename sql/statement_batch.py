"""Writes that belong together as one statement: a batch is written in one round trip."""

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeAlias

from sql.query_loader import QUERIES

Columns: TypeAlias = list[list[Any]]
_PARAMETER = re.compile(r"\$(\d+)")


@lru_cache(maxsize=256)
def together(parts: tuple[tuple[str, int], ...]) -> str:
    """The named writes, each with so many parameters, as one.

    It answers how many rows each wrote, and the number of the transaction.

    They all see what was there before, and their order is not defined: no two of them may write the
    same row. Foreign keys are checked at the end.
    """
    written: list[str] = []
    before = 0
    for name, width in parts:
        body = QUERIES[name].rstrip().removesuffix(";")
        written.append(f"{name} AS (\n{_shifted(body, before)}\nRETURNING 1)")
        before += width
    # Names of our own queries: no word of anybody else's gets into the text.
    counts = [f"(SELECT count(*) FROM {name}) AS {name}" for name, _ in parts]  # noqa: S608
    counts.append("pg_current_xact_id()::text::bigint AS transaction")
    return "WITH " + ",\n".join(written) + "\nSELECT " + ", ".join(counts)


def columns_of(rows: Sequence[Any], *names: str) -> Columns:
    """A column of values for each of these attributes."""
    return [list(map(attrgetter(name), rows)) for name in names]


def flat(columns: Sequence[Sequence[Any]]) -> list[Any]:
    """The parameters of all parts, in their order."""
    return [column for part in columns for column in part]


def _shifted(text: str, by: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + by}", text)
