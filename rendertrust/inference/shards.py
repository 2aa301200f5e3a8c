"""Files of rows: cut into the units of a job, and joined again from the units' results."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from rendertrust.inference.arrays import (
    BYTES_MAX,
    KINDS,
    NO_NUMBERS,
    SUFFIX,
    ArrayFault,
    Arrays,
    read_arrays,
    require_inputs,
    rows_of,
    write_arrays,
)
from rendertrust.inference.onnx_model import ModelInput
from rendertrust.inference.row_plan import RowFault, RowPlan, shard

UNITS_MAX: Final = 4_999  # a job has at most 5,000 files, one of which is the model


@attrs.frozen
class RowFiles:
    """The rows of a job, one file for each unit; ``files`` maps the paths on nodes to the files."""

    plan: RowPlan
    files: Mapping[str, Path]


def cut(
    rows: Path, inputs: Mapping[str, ModelInput], plan_of_rows: "PlanOfRows", folder: Path
) -> RowFiles:
    """Write the rows of a file (.npz) to one file for each unit in ``folder``.

    ``inputs``: what the model takes. Raises ArrayFault, RowFault.
    """
    try:
        with np.load(rows, allow_pickle=False) as loaded:
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise ArrayFault(f"{rows.name} is no file of arrays (.npz)")
            arrays = {name: loaded[name] for name in loaded.files}
    except (ValueError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError):
        raise ArrayFault(f"{rows.name} is no file of arrays of numbers (.npz)") from None
    for name, array in arrays.items():
        if array.dtype.kind not in KINDS:
            raise ArrayFault(f"the array {name!r} of {rows.name}: {NO_NUMBERS}")
    plan = plan_of_rows.of(rows_of(arrays) if arrays else 0)
    require_inputs(arrays, inputs)
    if plan.units > UNITS_MAX:
        raise RowFault(f"{plan.units} units; a job has {UNITS_MAX} at most: more rows per unit")
    return RowFiles(plan, dict(_written(arrays, plan, folder)))


@attrs.frozen
class PlanOfRows:
    """The terms of a plan, without the number of rows."""

    rows_per_unit: int
    batch: int | None = None

    def of(self, rows: int) -> RowPlan:
        """Return the plan for a number of rows. Raises ArrayFault."""
        if not rows:
            raise ArrayFault("the file has no rows")
        return RowPlan(rows, min(self.rows_per_unit, rows), self.batch)


def _written(arrays: Arrays, plan: RowPlan, folder: Path) -> Iterator[tuple[str, Path]]:
    for unit in range(1, plan.units + 1):
        start = (unit - 1) * plan.rows_per_unit
        some = {name: array[start : start + plan.rows_of(unit)] for name, array in arrays.items()}
        if sum(array.nbytes for array in some.values()) > BYTES_MAX:
            raise ArrayFault(
                f"the rows of a unit have over {BYTES_MAX >> 20} MiB; send fewer rows per unit"
            )
        path = folder / shard(unit)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, some)
        yield shard(unit), path


def join(results: Sequence[Path], plan: RowPlan, out: Path) -> None:
    """Write the results of all units, in their order, to one file. Raises ArrayFault.

    Each result is read once for each array, so that only one is in memory at a time.
    """
    first = read_arrays(results[0])
    with ExitStack() as stack:
        packed = stack.enter_context(zipfile.ZipFile(out, "w", zipfile.ZIP_STORED))
        for name, array in first.items():
            with packed.open(zipfile.ZipInfo(f"{name}{SUFFIX}"), "w", force_zip64=True) as file:
                shape = (plan.rows, *array.shape[1:])
                header: dict[str, Any] = {
                    "descr": np.lib.format.dtype_to_descr(array.dtype),
                    "fortran_order": False,
                    "shape": shape,
                }
                np.lib.format.write_array_header_2_0(file, header)
                for unit, path in enumerate(results, 1):
                    part = read_arrays(path).get(name)
                    wanted = (plan.rows_of(unit), *array.shape[1:])
                    if part is None or part.shape != wanted or part.dtype != array.dtype:
                        raise ArrayFault(f"unit {unit} has another form of the array {name!r}")
                    file.write(np.ascontiguousarray(part).tobytes())
