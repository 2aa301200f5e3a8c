"""What nodes run and refuse of models, read without running them."""

import contextlib

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.inference.onnx_model import (
    DEPTH_MAX,
    NAME_BYTES_MAX,
    ModelFault,
    ModelInput,
    ModelSummary,
    read_model,
)
from tests.support.onnx_models import (
    declared,
    message,
    model,
    node,
    number,
    perceptron,
    tensor,
    varint,
    whole_attribute,
)

X, Y = declared("x", ["n", 2]), declared("y", ["n", 2])


def of(*nodes: bytes, constants: tuple[bytes, ...] = ()) -> bytes:
    return model(nodes, [X], [Y], constants)


def within(graph: bytes, depth: int) -> bytes:
    """Return an operator with a graph within graphs, ``depth`` deep."""
    for _ in range(depth):
        graph = message(1, node("If", ["c"], ["y"], message(1, "then") + message(6, graph)))
    return graph


def test_a_model_is_summarised() -> None:
    each = ModelInput(shape=(8,), dtype="float32")
    assert read_model(perceptron(width=8)) == ModelSummary({"x": each}, None, is_quantised=False)
    four = {"x": attrs.evolve(each, batch=4)}
    assert read_model(perceptron(width=8, batch=4)) == ModelSummary(four, 4, is_quantised=False)
    quantised = of(node("DynamicQuantizeLinear", ["x"], ["y"]))
    assert read_model(quantised).is_quantised


def test_constants_are_no_inputs_although_they_are_declared() -> None:
    weights = tensor("w", np.ones((2, 2)))
    inputs = [X, declared("w", [2, 2])]
    found = read_model(model([node("MatMul", ["x", "w"], ["y"])], inputs, [Y], [weights]))
    assert list(found.inputs) == ["x"]


OUTSIDE = number(14, 1)
LOCATION = message(13, message(1, "location") + message(2, "../../etc/passwd"))
RANDOM = node("RandomUniformLike", ["x"], ["y"])
FOREIGN = node("Fancy", ["x"], ["y"], domain="com.example")
# ONNX Runtime ignores the bits above 32 of a field's key, and then finds a random operator.
LARGE_KEY = (
    message(1, "x")
    + message(2, "y")
    + varint(1 << 32 | 4 << 3 | 2)
    + message(4, "RandomUniformLike")[1:]
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(of(FOREIGN), "com.example", id="another's operator"),
        pytest.param(within(message(1, FOREIGN), 3), "no graph", id="no model"),
        pytest.param(message(7, within(message(1, FOREIGN), 3)), "com.example", id="inner graph"),
        pytest.param(message(7, within(b"", DEPTH_MAX + 1)), "graphs within graphs", id="deep"),
        pytest.param(of(RANDOM), "random", id="random operator"),
        pytest.param(of(LARGE_KEY), "no ONNX model", id="large key"),
        pytest.param(of(node("Dropout", ["x", "", "t"], ["y"])), "random", id="dropout"),
        pytest.param(
            of(node("Identity", ["x"], ["y"]), constants=(tensor("w", np.ones(2), OUTSIDE),)),
            "other files",
            id="weights elsewhere",
        ),
        pytest.param(
            of(node("Constant", [], ["y"], message(1, "value") + message(5, LOCATION))),
            "other files",
            id="constant elsewhere",
        ),
        pytest.param(
            of(node("Constant", [], ["y"], message(22, message(2, LOCATION)))),
            "other files",
            id="sparse constant elsewhere",
        ),
        pytest.param(perceptron() + message(25, b""), "functions", id="functions"),
        pytest.param(model([], [], []), "no inputs", id="no inputs"),
        pytest.param(
            model([], [X, declared("z", [3, 1]), declared("u", [2, 1])], []),
            "first dimensions",
            id="dimensions",
        ),
        pytest.param(perceptron(batch=1 << 40), "rows at once", id="large batch"),
        pytest.param(of(node("A" * (NAME_BYTES_MAX + 1), [], [])), "too long", id="long name"),
        pytest.param(b"", "no graph", id="empty"),
        pytest.param(b"BLENDER-v502", "no ONNX model", id="scene"),
        pytest.param(perceptron()[:-40], "no ONNX model", id="truncated"),
    ],
)
def test_what_nodes_do_not_run_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(ModelFault, match=said):
        read_model(content)


def test_dropout_that_does_nothing_is_allowed() -> None:
    assert read_model(of(node("Dropout", ["x"], ["y"]))).inputs.keys() == {"x"}
    softmax = of(node("Softmax", ["x"], ["y"], whole_attribute("axis", 1)))
    assert read_model(softmax).inputs.keys() == {"x"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(ModelFault):
        read_model(content)


@given(st.data())
def test_a_damaged_model_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(perceptron(width=2, hidden=2))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ModelFault):
        read_model(bytes(content))
