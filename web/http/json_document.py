"""Strict JSON parser for request bodies: refuses input that parsers read differently."""

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, cast

from rendertrust.strict_json import first_repeated, is_deeper
from web.http.problem import PLACE_MAX, Fault

BYTES_MAX = 1 << 20
DEPTH_MAX = 64
_INTEGER_DIGITS_MAX = 19
INTEGER_MAX = (1 << 63) - 1
_WITH_TEXTS = (str, list, dict)
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")

Document: TypeAlias = dict[str, Any]


class _Refused(ValueError):
    def __init__(self, code: str, message: str, place: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(place, code, message)


class _OutOfRange(ValueError):
    """A number that the gateway cannot hold. Its place in the body is not known yet."""


def parse(raw: bytes) -> Document | Fault:
    """Return the JSON object in ``raw``, or a fault.

    Refused: anything that is not UTF-8, not JSON (RFC 8259) or not an object; depth above 64; a
    repeated key in an object; integers outside 64 bits; NaN and infinities.
    """
    if raw.startswith(codecs.BOM_UTF8):
        return Fault("", "syntax", "The body begins with a byte order mark; send it without one")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return Fault("", "syntax", "The body is not UTF-8")
    if is_deeper(raw, DEPTH_MAX):
        return Fault("", "depth", f"The body is nested deeper than {DEPTH_MAX} levels")
    try:
        value = _decoded(text)
    except _Refused as refused:
        return refused.fault
    except ValueError as error:
        return Fault("", "syntax", f"The body is not JSON: {error}")
    if type(value) is not dict:
        return Fault("", "type", "The body must be a JSON object")
    return cast("Document", value)


def _decoded(text: str) -> Any:
    """Return the value of the text. Raises _Refused with the place of a number out of range."""
    try:
        return _DECODER.decode(text)
    except _OutOfRange:
        value = _MARKING.decode(text)  # other faults come first, as they have no place
        found = _marked(value)
        if type(value) is dict and found is not None:
            path, mark = found
            raise _Refused("value", str(mark), path_text(path)) from mark
        return value


def _marked(value: Any) -> tuple[list[str | int], _OutOfRange] | None:
    """Return the first number out of range and the path to it; None if there is none."""
    if isinstance(value, _OutOfRange):
        return [], value
    inner: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, list):
        inner = enumerate(value)
    elif isinstance(value, dict):
        inner = cast("dict[str, Any]", value).items()
    for place, item in inner:
        if (found := _marked(item)) is not None:
            path, mark = found
            is_sayable = isinstance(place, int) or writable(place)
            return ([place, *path] if is_sayable else []), mark
    return None


def writable(text: str) -> bool:
    """Return True if the text can be stored and sent: no NUL, no lone surrogates."""
    return _UNWRITABLE.search(text) is None


def mended(text: str) -> str:
    """Return the text with U+FFFD for each character that cannot be stored."""
    return _UNWRITABLE.sub("\ufffd", text)


def unwritable(document: Any) -> Iterator[Fault]:
    """Yield a fault for each text that cannot be stored, because JSON escapes can produce NUL and
    lone surrogates.
    """
    for path in _unwritable(document, []):
        yield Fault(path_text(path), "value", "must not contain NUL or lone surrogates")


def _unwritable(value: Any, path: list[str | int]) -> Iterator[list[str | int]]:
    """Yield the path to each text that cannot be stored. All paths are one list, which changes as
    the search continues.
    """
    if isinstance(value, str):
        if not writable(value):
            yield path
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, _WITH_TEXTS):
                path.append(index)
                yield from _unwritable(item, path)
                path.pop()
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            if not writable(key):
                yield path
                continue
            path.append(key)
            yield from _unwritable(item, path)
            path.pop()


def path_text(path: Iterable[str | int]) -> str:
    """Return a path in the form of faults, like ``inner.names[2]``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part[:PLACE_MAX]}" for part in path)
    return "".join(parts).removeprefix(".")[:PLACE_MAX]


def _integer(digits: str) -> int:
    if len(digits) > _INTEGER_DIGITS_MAX + 1 or not -INTEGER_MAX - 1 <= int(digits) <= INTEGER_MAX:
        raise _OutOfRange("must be an integer of at most 64 bits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise _OutOfRange("must be a smaller number")
    return value


def _constant(name: str) -> Any:
    raise _Refused("syntax", f"The body is not JSON: {name} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> Document:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = first_repeated(key for key, _ in pairs)
        raise _Refused("duplicate", f"The key {twice[:100]!a} is repeated in one object")
    return members


def _or_mark(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser that returns the error of a number out of range as its value."""

    def mark(digits: str) -> Any:
        try:
            return read(digits)
        except _OutOfRange as error:
            return error

    return mark


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
# Decodes bodies that the other decoder refused, to find out where a number is.
_MARKING = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_or_mark(_integer),
    parse_float=_or_mark(_float),
    parse_constant=_constant,
)
