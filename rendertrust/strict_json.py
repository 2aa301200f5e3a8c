"""Strict JSON, which all parsers understand alike: UTF-8, RFC 8259, no repeated names."""

import json
import re
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Final

from rendertrust.json_values import Document

DEPTH_MAX: Final = 64
DIGITS_MAX: Final = 80  # a proof contains no number above 2²⁵⁶
# An unclosed string matches up to the end. Otherwise the search would start again at each later
# quote, in quadratic time.
_STRINGS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # 1 and -1, as signed bytes
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[{]}"))


def read_document(raw: bytes) -> Document | str:
    """Parse a JSON object; a string says why the text is invalid. Never raises."""
    if is_deeper(raw, DEPTH_MAX):
        return f"it is nested deeper than {DEPTH_MAX} levels"
    try:
        found: Any = json.loads(
            raw.decode(), object_pairs_hook=_members, parse_constant=_no_number, parse_int=_integer
        )
    except _Refused as error:
        return str(error)
    except UnicodeDecodeError:
        return "it is not UTF-8 text"
    except ValueError as error:
        return f"it is not JSON: {error}"
    return found if isinstance(found, dict) else "it is not a JSON object"


def is_deeper(raw: bytes, depth_max: int) -> bool:
    """Return True if brackets outside strings nest deeper than ``depth_max``.

    Call this function before the parser. A recursive parser could crash the process on deeply
    nested text (CPython 3.11 with a raised recursion limit).
    """
    if raw.count(b"[") + raw.count(b"{") <= depth_max:
        return False
    steps = _STRINGS.sub(b"", raw).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > depth_max


def first_repeated(names: Iterable[str]) -> str:
    """Return the first name that is repeated. Raises ValueError if no name is repeated."""
    seen = set[str]()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise ValueError("no name is repeated")


class _Refused(ValueError):
    """The JSON is refused; the text says why."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = first_repeated(name for name, _ in pairs)
        raise _Refused(f"{twice[:64]} is repeated")
    return found


def _integer(text: str) -> int:
    if len(text) > DIGITS_MAX:
        raise _Refused(f"{text[:8]}… has more than {DIGITS_MAX} digits")
    return int(text)


def _no_number(text: str) -> Any:
    raise _Refused(f"{text} is not JSON")
