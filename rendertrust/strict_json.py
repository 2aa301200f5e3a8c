"""JSON that every reader reads alike: in UTF-8, no member twice, nothing but what RFC 8259 has."""

import json
from typing import Any

from rendertrust.given import Document


def read_document(raw: bytes) -> Document | str:
    """The object that a file is; or why it is none. Never raises."""
    try:
        found: Any = json.loads(raw.decode(), object_pairs_hook=_members, parse_constant=_no_number)
    except _Refused as error:
        return str(error)
    except (ValueError, RecursionError):  # of the encoding, too
        return "it is no JSON in UTF-8"
    return found if isinstance(found, dict) else "it is no JSON object"


class _Refused(ValueError):
    """The text says why."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"{twice[:64]} stands there twice")
    return found


def _no_number(text: str) -> Any:
    raise _Refused(f"{text} is no JSON")
