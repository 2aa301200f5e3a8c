"""A model on the rows of a unit: its results, what is refused, and checks of other nodes' rows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import onnxruntime
import orjson
import pytest

from rendertrust.inference.arrays import read_arrays, write_arrays
from rendertrust.inference.row_plan import MODEL, shard
from rendertrust.inference.runtime import InferenceProgram
from rendertrust.node.plugin import (
    CheckVerdict,
    Completed,
    Failed,
    InvalidResult,
    Task,
    UnverifiableResult,
    ValidResult,
)
from tests.support.onnx_models import (
    INT64,
    declared,
    message,
    model,
    node,
    number,
    perceptron,
    tensor,
    whole_attribute,
)

WIDTH = 8
X, Y = declared("x", ["n", WIDTH]), declared("y", ["n", WIDTH])
UNTYPED = message(1, "y")
Arrays = Mapping[str, Any]


def rows(count: int = 100, seed: int = 1) -> Arrays:
    return {"x": np.random.default_rng(seed).normal(size=(count, WIDTH)).astype("f4")}


@attrs.frozen
class Unit:
    """A unit of all rows, in a folder."""

    folder: Path
    content: bytes
    arrays: Arrays
    params: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    def task(self, *, threads: int = 1, same_class: bool = True) -> Task:
        inputs = {MODEL: self.folder / "model.onnx", shard(1): self.folder / "rows.npz"}
        inputs[MODEL].write_bytes(self.content)
        write_arrays(inputs[shard(1)], self.arrays)
        count = len(next(iter(self.arrays.values())))
        return Task(
            job_id="j",
            job_type="inference",
            payload_ref="p",
            unit=0,
            attempt=1,
            params={"rows": count, "rows_per_unit": count, "frame": 1, **self.params},
            folder=self.folder,
            inputs=inputs,
            threads=threads,
            same_class=same_class,
            on_progress=lambda share, detail: None,
        )

    async def results(self, *, threads: int = 1) -> Arrays:
        done = await InferenceProgram().run(self.task(threads=threads))
        assert isinstance(done, Completed), done
        assert done.file is not None
        assert done.work["rows"] == len(self.arrays["x"])
        return dict(read_arrays(done.file))

    async def refusal(self) -> str:
        done = await InferenceProgram().run(self.task())
        assert isinstance(done, Failed), done
        assert done.failure == "scene"
        return done.error

    async def verdict(self, delivered: Arrays | bytes, *, same_class: bool = True) -> CheckVerdict:
        file = self.folder / "delivered"
        if isinstance(delivered, bytes):
            file.write_bytes(delivered)
        else:
            write_arrays(file, delivered)
        return await InferenceProgram().check(self.task(same_class=same_class), file)


def expected(content: bytes, arrays: Arrays) -> Arrays:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(arrays)), strict=True))


@pytest.mark.parametrize("batch", [None, 1, 7, 100, 4096], ids=str)
async def test_all_rows_are_computed_in_their_order(tmp_path: Path, batch: int | None) -> None:
    params = {} if batch is None else {"batch": batch}
    unit = Unit(tmp_path, perceptron(WIDTH), rows(), params)
    found, wanted = await unit.results(), expected(unit.content, unit.arrays)
    assert (found["label"] == wanted["label"]).all()
    assert np.allclose(found["scores"], wanted["scores"], atol=1e-6)


async def test_a_model_is_read_as_onnx_even_if_it_looks_like_a_file_of_the_runtime(
    tmp_path: Path,
) -> None:
    producer = message(2, "\0\0ORTM")  # ORTM here marks ONNX Runtime's own format
    content = producer + perceptron(WIDTH)
    assert content[4:8] == b"ORTM"
    found = await Unit(tmp_path, content, rows()).results()
    assert np.allclose(found["scores"], expected(perceptron(WIDTH), rows())["scores"], atol=1e-6)


async def test_a_model_of_a_fixed_number_of_rows_computes_any_number(tmp_path: Path) -> None:
    unit = Unit(tmp_path, perceptron(WIDTH, batch=8), rows(21))
    found, wanted = await unit.results(), expected(perceptron(WIDTH), unit.arrays)
    assert np.allclose(found["scores"], wanted["scores"], atol=1e-6)
    assert await unit.verdict(found) == ValidResult(exact=True)


async def test_threads_do_not_change_results(tmp_path: Path) -> None:
    unit = Unit(tmp_path, perceptron(WIDTH), rows(1000))
    one, four = await unit.results(), await unit.results(threads=4)
    assert all(one[name].tobytes() == four[name].tobytes() for name in one)


MIXING = model(
    [
        node("ReduceMean", ["x"], ["m"], whole_attribute("keepdims", 1)),
        node("Sub", ["x", "m"], ["y"]),
    ],
    [X],
    [Y],
)


async def test_a_model_that_mixes_the_rows_of_a_batch_is_verified(tmp_path: Path) -> None:
    unit = Unit(tmp_path, MIXING, rows(50))
    assert await unit.verdict(await unit.results()) == ValidResult(exact=True)


def of(*nodes: bytes, output: bytes = Y, constants: Sequence[bytes] = ()) -> bytes:
    return model(nodes, [X], [output], constants)


@pytest.mark.parametrize(
    ("content", "arrays", "params", "said"),
    [
        (b"no model", rows(), {}, "no ONNX model"),
        (of(node("Nonsense", ["x"], ["y"])), rows(), {}, "ONNX Runtime cannot load the model"),
        (of(node("Transpose", ["x"], ["y"])), rows(), {}, "one element for each row"),
        (of(node("ReduceMean", ["x"], ["y"])), rows(), {}, "one element for each row"),
        (
            of(node("SequenceConstruct", ["x"], ["y"]), output=UNTYPED),
            rows(),
            {},
            "no array of numbers",
        ),
        (
            of(node("NonZero", ["x"], ["y"]), output=UNTYPED),
            rows(1),
            {},
            "one element for each row",
        ),
        (perceptron(WIDTH), {"z": rows()["x"]}, {}, "the rows have the arrays z, but the model"),
        (perceptron(WIDTH), rows(), {"rows": 90}, "unit 1 has 100 rows instead of 90"),
        (perceptron(WIDTH), {"x": rows()["x"][:, :3]}, {}, "has rows of the shape (3)"),
        (perceptron(WIDTH), {"x": rows()["x"].astype("f8")}, {}, "has the type float64"),
        (perceptron(WIDTH), rows(), {"frame": 2}, "frame must be a unit"),
    ],
    ids=[
        *("no model", "unknown operator", "other rows", "no rows", "sequence", "indexes"),
        *("names", "fewer rows", "width", "type", "frame"),
    ],
)
async def test_what_no_node_can_compute_is_refused(
    tmp_path: Path, content: bytes, arrays: Arrays, params: Arrays, said: str
) -> None:
    assert said in await Unit(tmp_path, content, arrays, params).refusal()


async def test_rows_without_their_file_are_refused(tmp_path: Path) -> None:
    task = Unit(tmp_path, perceptron(WIDTH), rows()).task()
    done = await InferenceProgram().run(attrs.evolve(task, inputs={MODEL: task.inputs[MODEL]}))
    assert isinstance(done, Failed)
    assert shard(1) in done.error


# -- checks


@pytest.mark.parametrize("same_class", [True, False], ids=["same class", "other class"])
async def test_a_tenth_of_faked_rows_is_found(tmp_path: Path, *, same_class: bool) -> None:
    unit = Unit(tmp_path, perceptron(WIDTH), rows(1000))
    found = dict(await unit.results())
    faked = np.random.default_rng(5).permutation(1000)[:100]
    found["scores"][faked] = 1 / 3
    verdict = await unit.verdict(found, same_class=same_class)
    assert isinstance(verdict, InvalidResult), verdict
    assert "rows that were computed again differ" in verdict.reason


async def test_results_of_another_class_may_be_rounded_differently(tmp_path: Path) -> None:
    unit = Unit(tmp_path, perceptron(WIDTH), rows())
    found = dict(await unit.results())
    found["scores"] = found["scores"] * np.float32(1 + 1e-5)
    across = await unit.verdict(found, same_class=False)
    assert across == ValidResult("all numbers are within 0.001")
    assert isinstance(await unit.verdict(found), UnverifiableResult)
    found["scores"] = found["scores"] + np.float32(0.01)
    assert isinstance(await unit.verdict(found, same_class=False), InvalidResult)


AMPLIFIES = of(node("Mul", ["x", "k"], ["b"]), node("Sin", ["b"], ["y"]),
               constants=(tensor("k", np.array([1e7])),))  # fmt: skip


async def test_an_unstable_model_gives_no_strike(tmp_path: Path) -> None:
    unit = Unit(tmp_path, AMPLIFIES, rows())
    found = await unit.results()
    assert await unit.verdict(found) == ValidResult(exact=True)
    verdict = await unit.verdict({"y": found["y"] + np.float32(0.1)}, same_class=False)
    assert isinstance(verdict, UnverifiableResult), verdict


CHOOSES = of(
    node("Cast", ["x"], ["i"], whole_attribute("to", INT64)),
    node("Gather", ["k", "i"], ["y"]),
    constants=(tensor("k", np.array([7.0])),),
)


async def test_a_model_that_fails_on_nearly_the_same_rows_gives_no_strike(tmp_path: Path) -> None:
    almost = {"x": np.full((20, WIDTH), np.nextafter(np.float32(1), np.float32(0)))}
    unit = Unit(tmp_path, CHOOSES, almost)  # 1 would be no place in ``k``
    found = await unit.results()
    verdict = await unit.verdict({"y": found["y"] + np.float32(1)})
    assert isinstance(verdict, UnverifiableResult), verdict


FALSE: dict[str, Callable[[Arrays], Arrays | bytes]] = {
    "cannot be read": lambda found: b"{",
    "other arrays": lambda found: {"scores": found["scores"]},
    "'scores' of its result has another form": lambda found: {
        **found,
        "scores": found["scores"][:-1],
    },
    "has another form": lambda found: {**found, "scores": found["scores"].astype("f8")},
    "computed again differ": lambda found: {**found, "label": found["label"] + 1},
    "again differ": lambda found: {**found, "scores": found["scores"] * np.float32("nan")},
}


@pytest.mark.parametrize(
    "said",
    FALSE,
    ids=["no file", "array missing", "row missing", "type", "whole numbers", "no numbers"],
)
async def test_a_false_result_is_invalid(tmp_path: Path, said: str) -> None:
    unit = Unit(tmp_path, perceptron(WIDTH), rows())
    verdict = await unit.verdict(FALSE[said](dict(await unit.results())))
    assert isinstance(verdict, InvalidResult), verdict
    assert said in verdict.reason


def with_outputs(*names: str) -> bytes:
    nodes = [node("Identity", ["x"], [name]) for name in names]
    return model(nodes, [X], [declared(name, ["n", WIDTH]) for name in names])


AXES = number(1, 15) + number(2, INT64) + message(8, "axes") + message(7, bytes(range(2, 17)))
SEVENTEEN = model([node("Unsqueeze", ["x", "axes"], ["y"])], [X], [UNTYPED], [AXES])


@pytest.mark.parametrize(
    "content",
    [
        with_outputs(*(f"y{number}" for number in range(65))),
        with_outputs(*(f"{number}{chr(0x1F600) * 190}" for number in range(60))),
        with_outputs("y" * 201),
        with_outputs("y\0one", "y\0two"),
        SEVENTEEN,
    ],
    ids=["many", "wide", "long", "zero", "dimensions"],
)
async def test_outputs_that_no_verifier_could_read_are_the_models_fault(
    tmp_path: Path, content: bytes
) -> None:
    """Otherwise a creator could get honest nodes a strike for each unit."""
    await Unit(tmp_path, content, rows()).refusal()


async def test_a_unit_that_cannot_be_computed_again_is_not_the_nodes_fault(tmp_path: Path) -> None:
    unit = Unit(tmp_path, b"no model", rows())
    assert isinstance(await unit.verdict({"y": np.ones(100)}), UnverifiableResult)


# -- measuring


def preflight_task(unit: Unit) -> Task:
    """Return the task to measure the model, which has the job's parameters."""
    task = unit.task()
    params = {name: value for name, value in task.params.items() if name != "frame"}
    return attrs.evolve(task, job_type="preflight:inference", params=params)


async def test_a_model_is_measured_with_the_rows_of_the_first_unit(tmp_path: Path) -> None:
    task = preflight_task(Unit(tmp_path, perceptron(WIDTH), rows()))
    done = await InferenceProgram().run(task)
    assert isinstance(done, Completed)
    assert done.file is not None
    facts = orjson.loads(done.file.read_bytes())["model"]
    assert facts["params"] == task.params
    assert facts["row"] > 0
    assert facts["start"] > 0
    assert facts["batches"] == 7


async def test_a_model_that_nodes_do_not_run_is_found_before_it_costs(tmp_path: Path) -> None:
    done = await InferenceProgram().run(preflight_task(Unit(tmp_path, b"no model", rows())))
    assert isinstance(done, Completed)
    assert done.file is not None
    assert "no ONNX model" in orjson.loads(done.file.read_bytes())["model"]["error"]
