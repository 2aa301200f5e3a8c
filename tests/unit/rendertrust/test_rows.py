"""Files of rows: read with bounds, cut into units, joined again, and compared."""

import io
import zipfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.inference.arrays import ArrayFault, read_arrays, rows_of, write_arrays
from rendertrust.inference.onnx_model import ModelInput, read_model
from rendertrust.inference.row_plan import RowFault, RowPlan, batches, is_needed, read_unit, shard
from rendertrust.inference.runtime import TOLERANCE, compare, worst
from rendertrust.inference.shards import PlanOfRows, cut, join
from tests.support.onnx_models import declared, model


@given(rows=st.integers(1, 10_000), each=st.integers(1, 3_000), batch=st.integers(1, 300))
def test_units_and_batches_cover_each_row_once(rows: int, each: int, batch: int) -> None:
    plan = RowPlan(rows, each)
    counts = [plan.rows_of(unit) for unit in range(1, plan.units + 1)]
    assert sum(counts) == rows
    assert all(count == each for count in counts[:-1])
    assert 1 <= counts[-1] <= each
    parts = batches(counts[-1], batch)
    assert [n for part in parts for n in range(part.start, part.stop)] == [*range(counts[-1])]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "rows must"),
        ({"rows": 5}, "rows_per_unit must"),
        ({"rows": 5, "rows_per_unit": 0}, "rows_per_unit must"),
        ({"rows": True, "rows_per_unit": 1}, "rows must"),
        ({"rows": 5, "rows_per_unit": 2, "batch": 5000}, "batch must"),
        ({"rows": 5, "rows_per_unit": 2, "samples": 5}, "does not know the parameter 'samples'"),
        ({"rows": 5, "rows_per_unit": 2}, "frame must"),
        ({"rows": 5, "rows_per_unit": 2, "frame": 4}, "frame must be a unit of the job, from 1 to"),
    ],
    ids=["none", "no unit", "empty unit", "no number", "batch", "unknown", "no frame", "frame"],
)
def test_wrong_parameters_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(RowFault, match=said):
        read_unit(params)


def test_a_unit_needs_the_model_and_its_own_rows() -> None:
    paths = ["model.onnx", shard(1), shard(2), "other"]
    assert [path for path in paths if is_needed({"frame": 2}, path)] == ["model.onnx", shard(2)]


@given(rows=st.integers(1, 60), each=st.integers(1, 25))
def test_rows_are_cut_and_joined(tmp_path_factory: Any, rows: int, each: int) -> None:
    folder = tmp_path_factory.mktemp("rows")
    arrays: dict[str, Any] = {
        "x": np.arange(rows * 3, dtype="f4").reshape(rows, 3),
        "y": np.arange(rows),
    }
    np.savez_compressed(folder / "rows.npz", **arrays)
    found = cut(
        folder / "rows.npz", {"x": ModelInput(), "y": ModelInput()}, PlanOfRows(each), folder
    )
    assert found.plan.rows == rows
    join([*found.files.values()], found.plan, folder / "joined.npz")
    with np.load(folder / "joined.npz", allow_pickle=False) as joined:
        assert set(joined.files) == set(arrays)
        for name, array in arrays.items():
            assert joined[name].dtype == array.dtype
            assert (joined[name] == array).all()


def test_damaged_rows_are_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    np.savez_compressed(path, x=np.arange(1000.0))
    content = bytearray(path.read_bytes())
    content[100:200] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(ArrayFault, match="no file of arrays of numbers"):
        cut(path, {"x": ModelInput()}, PlanOfRows(10), tmp_path)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones((5, 3), "f4"), r"'x' has rows of the shape \(3\), but the model takes \(4, \?\)"),
        (np.ones((5, 3, 2), "f4"), r"of the shape \(3, 2\), but the model takes \(4, \?\)"),
        (np.ones((5, 4, 2)), "'x' has the type float64, but the model takes float32"),
        (np.ones((5, 4, 9), "f4"), None),
    ],
    ids=["dimensions", "size", "type", "fits"],
)
def test_rows_must_have_the_form_that_the_model_takes(
    tmp_path: Path, array: Any, said: str | None
) -> None:
    np.savez(tmp_path / "rows.npz", x=array)
    inputs = read_model(model([], [declared("x", ["n", 4, "m"])], [])).inputs
    ending = nullcontext() if said is None else pytest.raises(ArrayFault, match=said)
    with ending:
        cut(tmp_path / "rows.npz", inputs, PlanOfRows(2), tmp_path)
    assert (tmp_path / shard(1)).exists() is (said is None)


def zipped(path: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(name, content)
    return path


def npy(array: Any, **more: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **more)
    return file.getvalue()


def headed(shape: str, content: bytes = b"") -> bytes:
    """Return an array with this text as its shape."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


LIE = npy(np.ones((2, 2), "f4")).replace(b"(2, 2)", b"(2, 9)")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.npy", npy(np.array([{"a": 1}]), allow_pickle=True), "no array of numbers"),
        ("x.npy", npy(np.array(["text"])), "no array of numbers"),
        ("x.npy", npy(np.zeros(3, dtype=[("a", "f4")])), "no array of numbers"),
        ("x.npy", LIE, "truncated"),
        ("x.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4'}", "no array of numbers"),
        ("x.npy", headed("(2, (2"), "no array of numbers"),
        ("x.npy", headed("(-2, -1)", bytes(8)), "impossible shape"),
        ("x.npy", headed(f"(0, {10**30})"), "impossible shape"),
        ("x.npy", b"", "no array of numbers"),
        ("x.txt", npy(np.ones(2)), "no array"),
        (".npy", npy(np.ones(2)), "no array"),
    ],
    ids=[
        *("pickle", "text", "record", "shape", "header", "open bracket", "negative", "huge"),
        *("empty", "other file", "no name"),
    ],
)
def test_a_file_that_is_no_arrays_is_refused(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    with pytest.raises(ArrayFault, match=said):
        read_arrays(zipped(tmp_path / "a.npz", name, content))


def test_a_file_that_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(10_000_000, "u1"))
    assert (tmp_path / "a.npz").stat().st_size < 20_000
    with pytest.raises(ArrayFault, match="more than the limit"):
        read_arrays(tmp_path / "a.npz", 1_000_000)
    (tmp_path / "b.npz").write_bytes(b"no zip")
    with pytest.raises(ArrayFault, match="cannot be read"):
        read_arrays(tmp_path / "b.npz")


def test_arrays_are_written_and_read(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "a": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "b": np.array([True, False]),
        "c": np.arange(2, dtype=">i4"),
    }
    np.savez(tmp_path / "theirs.npz", **arrays)
    write_arrays(tmp_path / "ours.npz", arrays)
    for name in ("ours", "theirs"):
        found = read_arrays(tmp_path / f"{name}.npz")
        assert rows_of(found) == 2
        assert all((found[key] == array).all() for key, array in arrays.items())
    first = (tmp_path / "ours.npz").read_bytes()
    write_arrays(tmp_path / "again.npz", arrays)
    assert (tmp_path / "again.npz").read_bytes() == first


@given(st.dictionaries(st.text(max_size=250), st.integers(1, 18), max_size=70))
def test_what_is_written_can_be_read(tmp_path_factory: Any, shapes: dict[str, int]) -> None:
    path = tmp_path_factory.mktemp("written") / "a.npz"
    arrays = {name: np.ones((1,) * depth, "f4") for name, depth in shapes.items()}
    try:
        write_arrays(path, arrays)
    except ArrayFault:
        assert not path.exists()
    else:
        assert {name: array.ndim for name, array in read_arrays(path).items()} == shapes


def test_rows_are_counted_by_the_first_dimension() -> None:
    assert rows_of({"a": np.ones((3, 1)), "b": np.ones(3)}) == 3
    scalar: Any = np.float32(1)
    for wrong in ({"a": np.ones(3), "b": np.ones(2)}, {"a": scalar}):
        with pytest.raises(ArrayFault, match="same number of rows"):
            rows_of(wrong)


def test_numbers_are_equal_near_or_different() -> None:
    one = np.array([0.0, 1.0, 1000.0, np.nan, np.inf], "f4")
    assert compare(one, one.copy()) == "equal"
    assert compare(one + np.float32(TOLERANCE / 2), one) == "near"
    assert compare(one * np.float32(1 + 3 * TOLERANCE), one) == "different"
    assert compare(one[::-1].copy(), one) == "different"
    assert compare(one.astype("f8"), one) == "different"
    assert compare(np.array([1]), np.array([2])) == "different"
    for value in (0.0, -np.inf):
        assert compare(np.array([value]), np.array([np.inf])) == "different"
    assert worst(["equal", "near"]) == "near"
    assert worst([]) == "equal"


@given(st.floats(-1e6, 1e6, width=32), st.floats(-3, 3))
def test_numbers_are_near_within_the_tolerance_alone(value: float, times: float) -> None:
    expected = np.array([value], "f8")
    found = expected + times * TOLERANCE * max(abs(value), 1.0)
    if abs(abs(times) - 1) > 1e-6 and found != expected:
        assert compare(found, expected) == ("near" if abs(times) < 1 else "different")
