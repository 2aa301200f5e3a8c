"""JSON that every reader reads alike: in UTF-8, no member twice, nothing but what RFC 8259 has."""

import json
import re
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Final

from rendertrust.untrusted import Document

DEPTH_MAX: Final = 64
DIGITS_MAX: Final = 80  # no number of a proof is above 2²⁵⁶
# An unclosed string reaches to the end: were it no match, each quote in it would be tried again.
_STRINGS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # 1 and -1, as signed bytes
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[{]}"))


def read_document(raw: bytes) -> Document | str:
    """The object that a file is; or why it is none. Never raises."""
    if is_deeper(raw, DEPTH_MAX):
        return f"it is nested deeper than {DEPTH_MAX} levels"
    try:
        found: Any = json.loads(
            raw.decode(), object_pairs_hook=_members, parse_constant=_no_number, parse_int=_integer
        )
    except _Refused as error:
        return str(error)
    except UnicodeDecodeError:
        return "it is no text in UTF-8"
    except ValueError as error:
        return f"it is no JSON: {error}"
    return found if isinstance(found, dict) else "it is no JSON object"


def is_deeper(raw: bytes, depth_max: int) -> bool:
    """Brackets outside strings nest deeper than allowed: known before a recursive parser runs,
    which may end the process (CPython 3.11 with a raised limit of recursion).
    """
    if raw.count(b"[") + raw.count(b"{") <= depth_max:
        return False
    steps = _STRINGS.sub(b"", raw).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > depth_max


def first_repeated(names: Iterable[str]) -> str:
    """Return the first name that stands there a second time. Raises ValueError without one."""
    seen = set[str]()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise ValueError("no name is repeated")


class _Refused(ValueError):
    """The text says why."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = first_repeated(name for name, _ in pairs)
        raise _Refused(f"{twice[:64]} stands there twice")
    return found


def _integer(text: str) -> int:
    if len(text) > DIGITS_MAX:
        raise _Refused(f"{text[:8]}… has more than {DIGITS_MAX} digits")
    return int(text)


def _no_number(text: str) -> Any:
    raise _Refused(f"{text} is no JSON")
