"""JSON that every reader reads alike: in UTF-8, no member twice, nothing but what RFC 8259 has."""

import json
import re
from collections import Counter
from typing import Any, Final

from rendertrust.given import Document

DEPTH_MAX: Final = 64
DIGITS_MAX: Final = 80  # no number of a proof is above 2²⁵⁶
_STRINGS_OR_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[][{}]', re.DOTALL)


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
    depth = 0
    for found in _STRINGS_OR_BRACKETS.finditer(raw):
        first = found[0][:1]
        if first in b"[{":
            depth += 1
            if depth > depth_max:
                return True
        elif first in b"]}":
            depth -= 1
    return False


class _Refused(ValueError):
    """The text says why."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise _Refused(f"{twice[:64]} stands there twice")
    return found


def _integer(text: str) -> int:
    if len(text) > DIGITS_MAX:
        raise _Refused(f"{text[:8]}… has more than {DIGITS_MAX} digits")
    return int(text)


def _no_number(text: str) -> Any:
    raise _Refused(f"{text} is no JSON")
