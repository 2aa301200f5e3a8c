"""The units of a job of rows: which rows a unit computes, in which batches.

The rows of a batch are computed together. Another machine that computes the same batch therefore
gets the same result, also if the model mixes the rows of a batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

MODEL: Final = "model.onnx"  # path of the model among a job's inputs
ROWS_MAX: Final = 1_000_000_000
ROWS_PER_UNIT_MAX: Final = 1_000_000
BATCH_MAX: Final = 4096
BATCH: Final = 16  # rows of a batch, if neither the job nor the model says
ROWS_PER_UNIT: Final = 1000
KNOWN: Final = frozenset({"rows", "rows_per_unit", "batch", "frame"})


class RowFault(ValueError):
    """The rows or parameters of a job are invalid; the text says why."""


def shard(number: int) -> str:
    """Return the path of a unit's rows among the job's inputs; the first unit has the number 1."""
    return f"rows/{number:06}.npz"


def is_needed(params: Mapping[str, Any], path: str) -> bool:
    """Return True if a unit with these parameters needs the job's input ``path``."""
    frame = params.get("frame")
    return path == MODEL or (type(frame) is int and path == shard(frame))


@attrs.frozen
class RowPlan:
    """All rows of a job, the rows of each unit (the last may have fewer), and the rows of a batch.

    ``batch`` None: as many as the model takes, or BATCH.
    """

    rows: int
    rows_per_unit: int
    batch: int | None = None

    @property
    def units(self) -> int:
        """The number of units."""
        return -(-self.rows // self.rows_per_unit)

    @property
    def frames(self) -> str:
        """The numbers of the units, as the job's ``frames``."""
        return "1" if self.units == 1 else f"1-{self.units}"

    def rows_of(self, unit: int) -> int:
        """Return the number of rows of a unit, from 1."""
        return min(self.rows_per_unit, self.rows - (unit - 1) * self.rows_per_unit)

    def params(self) -> dict[str, int]:
        """Return the parameters of the job."""
        given = {"rows": self.rows, "rows_per_unit": self.rows_per_unit, "batch": self.batch}
        return {name: value for name, value in given.items() if value is not None}


def read_plan(params: Mapping[str, Any]) -> RowPlan:
    """Return the plan in a job's or unit's parameters. Raises RowFault."""
    if unknown := sorted(set(params) - KNOWN):
        raise RowFault(f"inference does not know the parameter {unknown[0]!r}")
    rows = _whole(params, "rows", ROWS_MAX)
    each = _whole(params, "rows_per_unit", ROWS_PER_UNIT_MAX)
    batch = _whole(params, "batch", BATCH_MAX) if params.get("batch") is not None else None
    return RowPlan(rows, each, batch)


def read_unit(params: Mapping[str, Any]) -> tuple[RowPlan, int]:
    """Return the plan in a unit's parameters, and the unit's number. Raises RowFault."""
    plan = read_plan(params)
    frame = params.get("frame")
    if type(frame) is not int or not 1 <= frame <= plan.units:
        raise RowFault(f"frame must be a unit of the job, from 1 to {plan.units}")
    return plan, frame


def _whole(params: Mapping[str, Any], name: str, most: int) -> int:
    value = params.get(name)
    if type(value) is not int or not 1 <= value <= most:
        raise RowFault(f"{name} must be a whole number from 1 to {most}")
    return value


def batches(rows: int, batch: int) -> Sequence[slice]:
    """Return the batches of a unit's rows; the last may have fewer rows."""
    return [slice(start, min(start + batch, rows)) for start in range(0, rows, batch)]
