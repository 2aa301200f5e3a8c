"""Reader of models in ONNX's format (protocol buffers), without running them.

The numbers of fields are those of ``onnx.proto3``. Only what nodes must refuse is read: operators
that are not ONNX's own, weights in other files, and operators whose results are random.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from rendertrust.inference.row_plan import BATCH_MAX

MODEL_BYTES_MAX: Final = 512 << 20
NODES_MAX: Final = 200_000
DEPTH_MAX: Final = 16  # graphs within graphs
DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml"})
RANDOM: Final = frozenset(
    (
        *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"),
        *("RandomUniform", "RandomUniformLike"),
    )
)
# Operators on small integers, which processors of one device class may saturate differently.
QUANTISED: Final = frozenset(
    (
        *("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"),
        *("DynamicQuantizeLinear", "QuantizeLinear"),
    )
)
# ONNX's types of elements by number, as NumPy calls them.
TYPES: Final[Mapping[int, str]] = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
}
DIMENSIONS_MAX: Final = 64  # of an input
NAME_BYTES_MAX: Final = 1000
KEYS: Final = 1 << 32  # keys of fields have 32 bits
SIZES: Final = 1 << 63  # numbers from here on are negative
Field: TypeAlias = tuple[int, "int | memoryview"]


class ModelFault(ValueError):
    """The model cannot be read, or nodes do not run it; the text says why."""


@attrs.frozen
class ModelInput:
    """An array that a model takes, as the model declares it.

    ``batch``: how many rows it takes at once. ``shape``: the dimensions of a row. ``dtype``: the
    type of the elements, as NumPy calls it. Each of them, or a dimension, is None if the model
    leaves it open.
    """

    batch: int | None = None
    shape: tuple[int | None, ...] | None = None
    dtype: str | None = None

    def why_not(self, shape: Sequence[int], dtype: str) -> str | None:
        """Return why rows of this shape and type do not fit; None if they do."""
        if self.dtype not in (None, dtype):
            return f"has the type {dtype}, but the model takes {self.dtype}"
        if self.shape is None or (
            len(shape) == len(self.shape)
            and all(wanted in (None, size) for size, wanted in zip(shape, self.shape, strict=True))
        ):
            return None
        return f"has rows of the shape {_shape(shape)}, but the model takes {_shape(self.shape)}"


def _shape(sizes: Sequence[int | None]) -> str:
    """Return a shape for people, in which an open dimension is a question mark."""
    return "(" + ", ".join("?" if size is None else f"{size}" for size in sizes) + ")"


@attrs.frozen
class ModelSummary:
    """A model that nodes run.

    ``inputs``: the arrays that it takes. ``batch``: how many rows it takes at once; None if it
    takes any number. ``is_quantised``: it computes with small integers.
    """

    inputs: Mapping[str, ModelInput]
    batch: int | None
    is_quantised: bool


def read_model(content: bytes | memoryview) -> ModelSummary:
    """Return the summary of a model. Raises ModelFault."""
    if len(content) > MODEL_BYTES_MAX:
        raise ModelFault(f"the model is larger than {MODEL_BYTES_MAX >> 20} MiB")
    reader = _ModelReader()
    for number, value in _fields(memoryview(content)):
        if number == 25:
            raise ModelFault("the model has functions of its own; inline them (onnx.inliner)")
        if number == 7 and not isinstance(value, int):
            reader.read_graph(value)
    if not reader.has_graph:
        raise ModelFault("the file is no ONNX model: it has no graph")
    return reader.summary()


@attrs.define
class _ModelReader:
    """A model, as far as it was read. The outermost graph declares its inputs."""

    nodes: int = 0
    has_graph: bool = False
    is_quantised: bool = False
    inputs: dict[str, ModelInput] = attrs.field(factory=dict[str, ModelInput])
    weights: set[str] = attrs.field(factory=set[str])

    def read_graph(self, graph: memoryview, depth: int = 0) -> None:
        """Read a graph and the graphs within it."""
        if depth > DEPTH_MAX:
            raise ModelFault(f"the model has graphs within graphs, more than {DEPTH_MAX} deep")
        self.has_graph = True
        for number, value in _messages(graph):
            if number == 1:
                self._read_node(value, depth)
            elif number == 5:
                self._read_tensor(value, depth)
            elif number == 11 and depth == 0:
                name, declared = _input(value)
                self.inputs[name] = declared
            elif number == 15:
                self._read_sparse(value)

    def _read_node(self, node: memoryview, depth: int) -> None:
        self.nodes += 1
        if self.nodes > NODES_MAX:
            raise ModelFault(f"the model has more than {NODES_MAX} operators")
        operator, given = "", 0
        for number, value in _messages(node):
            if number == 1:
                given += 1 if value or given < 2 else 0
            elif number == 4:
                operator = _text(value)
            elif number == 5:
                self._read_attribute(value, depth)
            elif number == 7 and (domain := _text(value)) not in DOMAINS:
                raise ModelFault(
                    f"the model has operators of {domain!r}; nodes run only ONNX's own operators:"
                    " export it without those of a runtime or library"
                )
        if operator in RANDOM or (operator == "Dropout" and given > 2):
            raise ModelFault(
                f"the model has the operator {operator}, whose results are random, so nobody could"
                " verify them; export the model for inference"
            )
        self.is_quantised |= operator in QUANTISED

    def _read_attribute(self, attribute: memoryview, depth: int) -> None:
        for number, value in _messages(attribute):
            if number in (5, 10):
                self._read_tensor(value, depth + 1)
            elif number in (6, 11):
                self.read_graph(value, depth + 1)
            elif number in (22, 23):
                self._read_sparse(value)

    def _read_tensor(self, tensor: memoryview, depth: int) -> None:
        for number, value in _fields(tensor):
            if number == 13 or (number == 14 and value != 0):
                raise ModelFault("the model's weights are in other files; save it as one file")
            if number == 8 and depth == 0 and not isinstance(value, int):
                self.weights.add(_text(value))

    def _read_sparse(self, tensor: memoryview) -> None:
        for number, value in _messages(tensor):
            if number in (1, 2):
                self._read_tensor(value, 1)

    def summary(self) -> ModelSummary:
        """Return the summary. Raises ModelFault."""
        inputs = {name: one for name, one in self.inputs.items() if name not in self.weights}
        if not inputs:
            raise ModelFault("the model has no inputs")
        fixed = {one.batch for one in inputs.values() if one.batch is not None}
        if len(fixed) > 1:
            raise ModelFault("the model's inputs have different first dimensions")
        batch = next(iter(fixed), None)
        if batch is not None and batch > BATCH_MAX:
            raise ModelFault(f"the model takes more than {BATCH_MAX} rows at once")
        return ModelSummary(inputs, batch, self.is_quantised)


def _input(declared: memoryview) -> tuple[str, ModelInput]:
    """Return an input and its name."""
    name, found = "", ModelInput()
    for number, value in _messages(declared):
        if number == 1:
            name = _text(value)
        elif number == 2:
            for of, tensor in _messages(value):
                found = _declared(tensor) if of == 1 else found
    return name, found


def _declared(tensor: memoryview) -> ModelInput:
    """Return an input from the declaration of its type."""
    dtype, sizes = None, list[int | None]()
    for number, value in _fields(tensor):
        if number == 1 and isinstance(value, int):
            dtype = TYPES.get(value)
        elif number == 2 and not isinstance(value, int):
            sizes = [_size(size) for of, size in _messages(value) if of == 1]
    if len(sizes) > DIMENSIONS_MAX:
        raise ModelFault(f"an input of the model has more than {DIMENSIONS_MAX} dimensions")
    return ModelInput(sizes[0], tuple(sizes[1:]), dtype) if sizes else ModelInput(dtype=dtype)


def _size(dimension: memoryview) -> int | None:
    """Return the size of a dimension; None if it is variable."""
    sizes = [size for of, size in _fields(dimension) if of == 1 and isinstance(size, int)]
    return sizes[-1] if sizes and 0 < sizes[-1] < SIZES else None


def _text(value: memoryview) -> str:
    if len(value) > NAME_BYTES_MAX:
        raise ModelFault("the model has a name that is too long")
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise ModelFault("the model has a name that is not UTF-8") from None


def _messages(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the members that are texts, bytes or messages."""
    for number, value in _fields(message):
        if not isinstance(value, int):
            yield number, value


def _fields(message: memoryview) -> Iterator[Field]:
    """Yield the number and the value of each member. Raises ModelFault."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key >= KEYS:  # ONNX Runtime would ignore the bits above, and read another field
            raise ModelFault(NO_MODEL)
        kind, length = key & 7, 0
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ModelFault(NO_MODEL)
        if length > len(message) - at:
            raise ModelFault(NO_MODEL)
        if kind == 2:
            yield key >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    found = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        found |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return found, at
    raise ModelFault(NO_MODEL)


NO_MODEL: Final = "the file is no ONNX model, or it is truncated"
