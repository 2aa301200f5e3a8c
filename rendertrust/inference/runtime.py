"""Inference in the sandbox: runs a model on the rows of a unit, checks such rows, measures a model.

ONNX Runtime runs one batch on one thread; several batches run at the same time. So a result does
not depend on the number of threads.
"""

import os
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias

import attrs
import numpy as np
import onnxruntime
import orjson

from rendertrust.inference.arrays import (
    BYTES_MAX,
    ArrayFault,
    Arrays,
    read_arrays,
    require_inputs,
    rows_of,
    write_arrays,
)
from rendertrust.inference.onnx_model import ModelFault, ModelSummary, read_model
from rendertrust.inference.row_plan import (
    BATCH,
    MODEL,
    RowFault,
    RowPlan,
    batches,
    read_unit,
    shard,
)
from rendertrust.job_types import INFERENCE, preflight_of
from rendertrust.node.plugin import (
    CheckVerdict,
    Completed,
    Failed,
    InvalidResult,
    Result,
    Task,
    UnverifiableResult,
    ValidResult,
)

RESULT: Final = "result.npz"
REPORT: Final = "preflight.json"
TOLERANCE: Final = 1e-3  # of a number, or of 1 if the number is less
Array: TypeAlias = np.ndarray[Any, Any]
Likeness: TypeAlias = Literal["equal", "near", "different"]
CHECKED_MAX: Final = 16  # batches of a unit that a check computes again
MEASURE_SECONDS: Final = 20.0
MEASURED_BATCHES_MAX: Final = 200
NUDGE: Final = 1e-6  # relative change of the inputs by which a check tests how stable a model is
STABLE: Final = TOLERANCE / 10
FAULTS: Final = (ModelFault, ArrayFault, RowFault)
UNSTABLE: Final = "small changes of its rows change the model's results, so machines may differ"
NEARLY: Final = "its rows are only nearly those of this device class"
FEWER: Final = "send fewer rows per unit (--rows-per-unit)"
OTHER: Final = "rows that were computed again differ"


@attrs.frozen
class OpenModel:
    """A model that ONNX Runtime has loaded. ``batch``: the rows that it computes together."""

    session: Any
    summary: ModelSummary
    batch: int

    def run(self, arrays: Arrays, rows: slice) -> dict[str, Any]:
        """Return the outputs for the rows of a batch. Raises ModelFault.

        A model that takes a fixed number of rows gets the last one several times, if some are
        missing.
        """
        given = {name: array[rows] for name, array in arrays.items()}
        count = rows.stop - rows.start
        if self.summary.batch is not None and count < self.batch:
            pad = self.batch - count
            given = {name: np.concatenate([a, a[-1:].repeat(pad, axis=0)])
                     for name, a in given.items()}  # fmt: skip
        try:
            values = self.session.run(None, given)
        except Exception as fault:  # ONNX Runtime's exceptions have no common class
            raise ModelFault(f"the model cannot compute the rows: {_line(fault)}") from None
        names = [output.name for output in self.session.get_outputs()]
        of_rows = self.batch if self.summary.batch is not None else count
        return {
            name: _numbers(name, value, of_rows)[:count]
            for name, value in zip(names, values, strict=True)
        }


def open_model(path: Path, batch: int | None) -> OpenModel:
    """Load a model, with ``batch`` rows at once if the model takes any number. Raises ModelFault.

    Only operators of ONNX Runtime itself are there, as no library with others is registered.
    """
    content = path.read_bytes()
    summary = read_model(content)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    # Otherwise ONNX Runtime would load a file of its own format, which `read_model` cannot read.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = onnxruntime.InferenceSession(
            content, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as fault:  # ONNX Runtime's exceptions have no common class
        raise ModelFault(f"ONNX Runtime cannot load the model: {_line(fault)}") from None
    return OpenModel(session, summary, summary.batch or batch or BATCH)


def _line(fault: Exception) -> str:
    return " ".join(str(fault).split())[:300]


def _numbers(name: str, value: Any, count: int) -> Any:
    """Return an output if it is an array of numbers with one element for each row."""
    kind, shape = getattr(getattr(value, "dtype", None), "kind", ""), getattr(value, "shape", ())
    if kind not in ("b", "i", "u", "f"):
        raise ModelFault(f"the output {name!r} is no array of numbers; remove it from the model")
    if not shape or shape[0] != count:
        raise ModelFault(f"the output {name!r} does not have one element for each row")
    return value


@attrs.frozen
class UnitRows:
    """A unit: its rows, and the model that computes them."""

    model: OpenModel
    arrays: Arrays
    batches: Sequence[slice]

    @property
    def count(self) -> int:
        """The number of rows."""
        return int(self.batches[-1].stop)

    @classmethod
    def opened(cls, task: Task) -> "UnitRows":
        """Open the inputs of a unit. Raises ModelFault, ArrayFault, RowFault."""
        plan, number = read_unit(task.params)
        if MODEL not in task.inputs or shard(number) not in task.inputs:
            raise RowFault(f"the job's files must include {MODEL} and {shard(number)}")
        model = open_model(task.inputs[MODEL], plan.batch)
        arrays = _rows_for(model, task.inputs[shard(number)], plan, number)
        return cls(model, arrays, batches(plan.rows_of(number), model.batch))

    def computed(self, which: Sequence[slice], task: Task) -> Iterator[dict[str, Any]]:
        """Yield the outputs of these batches in their order, with the task's number of threads."""
        with ThreadPoolExecutor(max(task.threads, 1)) as pool:
            for done, found in enumerate(pool.map(partial(self.model.run, self.arrays), which), 1):
                task.report(done / (len(which) + 1))
                yield found


def _rows_for(model: OpenModel, path: Path, plan: RowPlan, number: int) -> Arrays:
    arrays = read_arrays(path)
    require_inputs(arrays, model.summary.inputs)
    if (count := rows_of(arrays)) != plan.rows_of(number):
        raise RowFault(f"unit {number} has {count} rows instead of {plan.rows_of(number)}")
    return arrays


class InferenceProgram:
    """Runs the model on the rows of a unit, measures it, and checks the rows of other nodes."""

    job_type: ClassVar[str] = INFERENCE

    async def run(self, task: Task) -> Result:
        """Write the outputs of all rows to RESULT. A preflight only measures the model."""
        if task.job_type == preflight_of(INFERENCE):
            return Completed(file=measured(task))
        try:
            unit = UnitRows.opened(task)
            write_arrays(task.folder / RESULT, joined(unit, task))
        except FAULTS as fault:
            return Failed(failure="scene", error=str(fault)[:500])
        work = {"rows": unit.count, "runtime": f"onnxruntime {onnxruntime.__version__}"}
        return Completed(file=task.folder / RESULT, work=work)

    async def check(self, task: Task, delivered: Path) -> CheckVerdict:
        """Compute some batches again, which are chosen at random, and compare them."""
        try:
            unit = UnitRows.opened(task)
            which = random.SystemRandom().sample(
                list(unit.batches), min(CHECKED_MAX, len(unit.batches))
            )
            expected = list(unit.computed(which, task))
        except FAULTS as fault:
            return UnverifiableResult(str(fault))
        try:
            found = read_arrays(delivered)
        except ArrayFault as fault:
            return InvalidResult(f"its result cannot be read: {fault}")
        if (fault_of_form := _form_fault(found, expected[0], unit.count)) is not None:
            return InvalidResult(fault_of_form)
        wrong, near = list[slice](), False
        for rows, batch in zip(which, expected, strict=True):
            likeness = _likeness(found, batch, rows)
            near |= likeness == "near"
            wrong += [rows] if likeness == "different" else []
        if wrong:
            return _of_different(unit, wrong, task)
        if not near:
            return ValidResult(exact=True)
        if task.same_class and not unit.model.summary.is_quantised:
            return UnverifiableResult(NEARLY)
        return ValidResult(f"all numbers are within {TOLERANCE:g}")


def compare(
    found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any], tolerance: float = TOLERANCE
) -> Likeness:
    """Compare two arrays: ``equal`` to the last bit, ``near`` within the tolerance, or neither.

    Whole numbers and truth values are never near. Not-a-numbers equal each other.
    """
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return "different"
    if found.tobytes() == expected.tobytes():
        return "equal"
    if expected.dtype.kind != "f":
        return "different"
    one, other = found.astype(np.float64), expected.astype(np.float64)
    off = tolerance * np.maximum(np.abs(other), 1.0)
    with np.errstate(invalid="ignore"):
        is_near = np.isfinite(other) & (np.abs(one - other) <= off)
    is_near |= (one == other) | (np.isnan(one) & np.isnan(other))
    return "near" if bool(is_near.all()) else "different"


def worst(likenesses: list[Likeness]) -> Likeness:
    """Return the worst of several likenesses."""
    if "different" in likenesses:
        return "different"
    return "near" if "near" in likenesses else "equal"


def _form_fault(found: Arrays, batch: Mapping[str, Any], rows: int) -> str | None:
    """Return what is wrong with the arrays of a result, without looking at their numbers."""
    if set(found) != set(batch):
        return "its result has other arrays than the model's outputs"
    for name, array in batch.items():
        wanted = (rows, *array.shape[1:])
        if (found[name].shape, found[name].dtype) != (wanted, array.dtype):
            return f"the array {name!r} of its result has another form than the model's output"
    return None


def _likeness(found: Arrays, batch: Mapping[str, Any], rows: slice) -> Likeness:
    return worst([compare(found[name][rows], array) for name, array in batch.items()])


def _of_different(unit: UnitRows, wrong: Sequence[slice], task: Task) -> CheckVerdict:
    """Return the verdict on a result with wrong batches.

    Honest machines may differ if the model itself is unstable: then its own results change, too,
    if it computes nearly the same rows.
    """
    some = wrong[:CHECKED_MAX]
    nudged = attrs.evolve(unit, arrays=_nudged(unit.arrays))
    try:
        for one, other in zip(unit.computed(some, task), nudged.computed(some, task), strict=True):
            if any(compare(other[name], one[name], STABLE) == "different" for name in one):
                return UnverifiableResult(UNSTABLE)
    except ModelFault:
        return UnverifiableResult(UNSTABLE)
    return InvalidResult(f"{OTHER}: {len(wrong)} of the batches that were checked")


def _nudged(arrays: Arrays) -> dict[str, Any]:
    return {
        name: (array * (1 + NUDGE)).astype(array.dtype) if array.dtype.kind == "f" else array
        for name, array in arrays.items()
    }


def joined(unit: UnitRows, task: Task) -> dict[str, Any]:
    """Return the outputs of all rows of a unit. Raises ModelFault."""
    whole: dict[str, Any] = {}
    for rows, found in zip(unit.batches, unit.computed(unit.batches, task), strict=True):
        if not whole:
            of_row = sum(array.nbytes for array in found.values()) / (rows.stop - rows.start)
            if of_row * unit.count > BYTES_MAX:
                raise ModelFault(f"results of a unit over {BYTES_MAX >> 20} MiB: {FEWER}")
            whole = {
                name: np.empty((unit.count, *array.shape[1:]), array.dtype)
                for name, array in found.items()
            }
        for name, array in found.items():
            if (array.shape[1:], array.dtype) != (whole[name].shape[1:], whole[name].dtype):
                raise ModelFault(f"the output {name!r} has another form for some rows")
            whole[name][rows] = array
    return whole


def measured(task: Task) -> Path:
    """Write the facts of a model, or what is wrong with it or its rows, to REPORT."""
    try:
        unit = UnitRows.opened(attrs.evolve(task, params={**task.params, "frame": 1}))
        facts = _measured(unit)
    except FAULTS as fault:
        facts = {"error": str(fault)[:500]}
    path = task.folder / REPORT
    path.write_bytes(orjson.dumps({"model": {**facts, "params": dict(task.params)}}))
    return path


def _measured(unit: UnitRows) -> dict[str, Any]:
    """Compute batches one after the other, and return the seconds of a row."""
    base, began = sum(os.times()[:2]), time.monotonic()
    seconds: list[float] = []
    for rows in unit.batches[:MEASURED_BATCHES_MAX]:
        before = time.thread_time()  # other load does not count; the model runs on this thread
        unit.model.run(unit.arrays, rows)
        seconds.append((time.thread_time() - before) / (rows.stop - rows.start))
        if time.monotonic() - began > MEASURE_SECONDS:
            break
    # The first batch also prepares the model's memory.
    each = statistics.median(seconds[1:] or seconds)
    return {"start": round(base, 6), "row": max(round(each, 9), 1e-9), "batches": len(seconds)}
