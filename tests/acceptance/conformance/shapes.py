"""Shapes of JSON: the structure of an example without its values."""

import re
from typing import Any, TypeAlias

# A class stands for a value of that type. A pattern: a text that matches it as a whole. A mapping:
# an object with at least these members. A list with one shape: an array of items of the shape. An
# empty list: an empty array. A tuple: a value of any of these shapes. Anything else: exactly that
# value.
Shape: TypeAlias = Any

UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
CREDITS = re.compile(r"\d+\.\d{4}")
JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
HEX64 = re.compile(r"[0-9a-f]{64}")
TRANSACTION = re.compile(r"0x[0-9a-f]{64}")
TEXT = re.compile(r"(?s).+")
PRESIGNED = re.compile(r"https?://[^?]+\?.*X-Amz-Signature=[0-9a-f]+.*")


def differences(found: Any, shape: Shape, place: str = "") -> list[str]:
    """Return where ``found`` differs from ``shape``; additional members are no fault."""
    if isinstance(shape, dict):
        return _object(found, shape, place)
    if isinstance(shape, list):
        return _array(found, shape, place)
    if isinstance(shape, tuple):
        each = [differences(found, one, place) for one in shape]
        return [] if [] in each else each[0]
    if isinstance(shape, re.Pattern):
        fitting = isinstance(found, str) and shape.fullmatch(found)
        return [] if fitting else [f"{place or 'body'} is {found!r}"]
    fits = type(found) is shape if isinstance(shape, type) else _same(found, shape)
    return [] if fits else [f"{place or 'body'} is {found!r}"]


def _object(found: Any, shape: dict[str, Shape], place: str) -> list[str]:
    if not isinstance(found, dict):
        return [f"{place or 'body'} is {found!r}"]
    wrong: list[str] = []
    for name, inner in shape.items():
        where = f"{place}.{name}" if place else name
        wrong += (
            differences(found[name], inner, where) if name in found else [f"{where} is missing"]
        )
    return wrong


def _array(found: Any, shape: list[Shape], place: str) -> list[str]:
    if not isinstance(found, list) or (found and not shape):
        return [f"{place or 'body'} is {found!r}"]
    items = [differences(item, shape[0], f"{place}[{index}]") for index, item in enumerate(found)]
    return [fault for faults in items for fault in faults]


def _same(found: Any, value: Any) -> bool:
    return type(found) is type(value) and bool(found == value)
