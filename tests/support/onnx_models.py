"""Models in ONNX's format for tests, written field by field, so that tests can also break them."""

from collections.abc import Mapping, Sequence

import numpy as np

FLOAT, INT64 = 1, 7


def number(field: int, value: int) -> bytes:
    """Return a member that is a whole number."""
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes | str) -> bytes:
    """Return a member that is a text, bytes or a message."""
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def tensor(name: str, values: np.ndarray, *more: bytes) -> bytes:
    """Return a constant of floats."""
    dimensions = b"".join(number(1, size) for size in values.shape)
    content = message(9, values.astype("<f4").tobytes())
    return dimensions + number(2, FLOAT) + message(8, name) + content + b"".join(more)


def declared(name: str, shape: Sequence[int | str], kind: int = FLOAT) -> bytes:
    """Return an input or output; a text in ``shape`` is a variable dimension."""
    sizes = b"".join(
        message(1, message(2, size) if isinstance(size, str) else number(1, size)) for size in shape
    )
    return message(1, name) + message(2, message(1, number(1, kind) + message(2, sizes)))


def node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    *attributes: bytes,
    domain: str = "",
) -> bytes:
    """Return an operator."""
    names = b"".join(message(1, name) for name in inputs)
    names += b"".join(message(2, name) for name in outputs)
    named = message(7, domain) if domain else b""
    return names + message(4, operator) + b"".join(message(5, one) for one in attributes) + named


def whole_attribute(name: str, value: int) -> bytes:
    return message(1, name) + number(3, value) + number(20, 2)


def model(
    nodes: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    constants: Sequence[bytes] = (),
    *more: bytes,
    opsets: Mapping[str, int] | None = None,
) -> bytes:
    """Return a model with one graph."""
    graph = b"".join(message(1, one) for one in nodes) + message(2, "g")
    for field, several in ((5, constants), (11, inputs), (12, outputs)):
        graph += b"".join(message(field, one) for one in several)
    opsets = {"": 17} if opsets is None else opsets
    imported = b"".join(
        message(8, message(1, domain) + number(2, version)) for domain, version in opsets.items()
    )
    return number(1, 8) + message(7, graph) + imported + b"".join(more)


def perceptron(width: int = 8, hidden: int = 16, classes: int = 3, batch: int | str = "n") -> bytes:
    """Return a classifier of two layers: ``x`` gives ``scores`` and ``label``."""
    random = np.random.default_rng(27)
    first, second = random.normal(size=(width, hidden)), random.normal(size=(hidden, classes))
    nodes = (
        node("MatMul", ["x", "w1"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("MatMul", ["b", "w2"], ["c"]),
        node("Softmax", ["c"], ["scores"], whole_attribute("axis", 1)),
        node(
            "ArgMax", ["c"], ["label"], whole_attribute("axis", 1), whole_attribute("keepdims", 0)
        ),
    )
    outputs = (declared("scores", [batch, classes]), declared("label", [batch], INT64))
    constants = (tensor("w1", first), tensor("w2", second))
    return model(nodes, [declared("x", [batch, width])], outputs, constants)
