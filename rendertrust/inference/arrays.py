"""Untrusted files of arrays (.npz): no pickled objects, and bounded before they are unpacked."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any, Final, TypeAlias

import numpy as np

from rendertrust import zips
from rendertrust.inference.onnx_model import ModelInput

Arrays: TypeAlias = Mapping[str, np.ndarray[Any, Any]]

ARRAYS_MAX: Final = 64
BYTES_MAX: Final = 512 << 20  # of all arrays of a file together
DIMENSIONS_MAX: Final = 16
NAME_BYTES_MAX: Final = 200
HEADER_BYTES_MAX: Final = 4096
KINDS: Final = "biuf"  # truth values, whole numbers and floating-point numbers
SUFFIX: Final = ".npy"
NO_NUMBERS: Final = "it is no array of numbers; text and objects are not sent"


class ArrayFault(ValueError):
    """The file is no file of arrays that nodes accept; the text says why."""


def read_arrays(path: Path, most: int = BYTES_MAX) -> Arrays:
    """Return the arrays of a file by name; ``most``: the bytes of all together.

    Raises ArrayFault.
    """
    found: dict[str, Any] = {}
    try:
        with zips.opened(path, most + ARRAYS_MAX * HEADER_BYTES_MAX, ARRAYS_MAX) as packed:
            for member in packed.members:
                name = _name(member)
                if name in found:
                    raise ArrayFault(f"the file has two arrays {name!r}")
                found[name] = _array(name, packed.pieces(member), member.file_size)
    except zips.BadZip as fault:
        raise ArrayFault(f"the file cannot be read: {fault}") from None
    if not found:
        raise ArrayFault("the file has no arrays")
    return found


def rows_of(arrays: Arrays) -> int:
    """Return the number of rows, which all arrays have. Raises ArrayFault."""
    counts = {array.shape[0] if array.ndim else None for array in arrays.values()}
    if len(counts) > 1 or None in counts:
        raise ArrayFault("the arrays must have the same number of rows (their first dimension)")
    return next(iter(counts)) or 0


def require_inputs(arrays: Arrays, inputs: Mapping[str, ModelInput]) -> None:
    """Raise ArrayFault if the arrays are not those that a model takes."""
    if set(arrays) != set(inputs):
        raise ArrayFault(
            f"the rows have the arrays {', '.join(sorted(arrays))}, but the model takes"
            f" {', '.join(sorted(inputs))}"
        )
    for name, array in arrays.items():
        if (why := inputs[name].why_not(array.shape[1:], array.dtype.name)) is not None:
            raise ArrayFault(f"the array {name!r} {why}")


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write a file of arrays, not compressed.

    Raises ArrayFault instead of writing what ``read_arrays`` would refuse: nodes get a strike for
    results that cannot be read.
    """
    if not 1 <= len(arrays) <= ARRAYS_MAX:
        raise ArrayFault(f"a file has 1 to {ARRAYS_MAX} arrays, not {len(arrays)}")
    for name, array in arrays.items():
        if not _is_name(name):
            raise ArrayFault(f"an array cannot be named {name[:100]!r}")
        if array.ndim > DIMENSIONS_MAX or array.dtype.kind not in KINDS:
            raise ArrayFault(f"{name!r} is no array of numbers, or has too many dimensions")
    if sum(array.nbytes for array in arrays.values()) > BYTES_MAX:
        raise ArrayFault(f"the arrays have over {BYTES_MAX >> 20} MiB")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}{SUFFIX}")  # of a fixed time: the same file each time
            with packed.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def _name(member: zipfile.ZipInfo) -> str:
    name = member.filename.removesuffix(SUFFIX)
    if not member.filename.endswith(SUFFIX) or not _is_name(name):
        raise ArrayFault(f"the file has a member {member.filename[:100]!r}, which is no array")
    return name


def _is_name(name: str) -> bool:
    """Return True if a member of a zip can have this name, as is."""
    length = len(name.encode("utf-8", "replace"))
    return 1 <= length <= NAME_BYTES_MAX and zipfile.ZipInfo(name).filename == name


def _array(name: str, pieces: Iterator[bytes], size: int) -> Any:
    """Return the array of a member that unpacks to ``size`` bytes."""
    content = bytearray()
    for piece in pieces:
        content += piece
    if len(content) != size:
        raise ArrayFault(f"the array {name!r} is truncated")
    file = _Bytes(content)
    try:
        shape, is_fortran, dtype = _header(file)
    except (ValueError, SyntaxError, TokenError, TypeError, RecursionError, MemoryError):
        raise ArrayFault(f"{name!r}: {NO_NUMBERS}") from None
    if dtype.kind not in KINDS or dtype.fields is not None or dtype.subdtype is not None:
        raise ArrayFault(f"{name!r}: {NO_NUMBERS}")
    count = 1
    for length in shape:
        count *= length
    if len(shape) > DIMENSIONS_MAX or count * dtype.itemsize != len(content) - file.at:
        raise ArrayFault(f"the array {name!r} is truncated, or has too many dimensions")
    flat = np.frombuffer(memoryview(content)[file.at :], dtype=dtype)
    native = flat.astype(dtype.newbyteorder("="), copy=False)
    try:
        return native.reshape(shape, order="F" if is_fortran else "C")
    except (ValueError, OverflowError):  # negative lengths, or more than NumPy can count
        raise ArrayFault(f"the array {name!r} has an impossible shape") from None


def _header(file: "_Bytes") -> tuple[tuple[int, ...], bool, Any]:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError("unknown version")
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, is_fortran, dtype = read(file, max_header_size=HEADER_BYTES_MAX)
    return tuple(int(length) for length in shape), bool(is_fortran), dtype


class _Bytes:
    """Bytes as a file, without a copy."""

    def __init__(self, content: bytearray) -> None:
        self.content, self.at = content, 0

    def read(self, size: int = -1, /) -> bytes:
        size = len(self.content) if size < 0 else size
        piece = bytes(self.content[self.at : self.at + size])
        self.at += len(piece)
        return piece
