"""Writes that belong together as one statement: a batch is written in one round trip."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sql.loader import QUERIES

_PARAMETER = re.compile(r"\$(\d+)")


@lru_cache(maxsize=256)
def together(parts: tuple[tuple[str, int], ...]) -> str:
    """The named writes, each with so many parameters, as one; it answers how many rows each wrote.

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
    return "WITH " + ",\n".join(written) + "\nSELECT " + ", ".join(counts)


def flat(columns: Sequence[Sequence[Any]]) -> list[Any]:
    """The parameters of all parts, in their order."""
    return [column for part in columns for column in part]


def _shifted(text: str, by: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + by}", text)
