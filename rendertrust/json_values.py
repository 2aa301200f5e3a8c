"""Parsers for untrusted JSON values.

The parsers never raise. They return None for an invalid value, unless they say otherwise.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from rendertrust.merkle import SIZE_MAX

Document: TypeAlias = Mapping[str, Any]
PROOF_HASHES_MAX: Final = 64  # hashes in an inclusion proof of a tree with up to SIZE_MAX leaves
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_AMOUNT: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_NAME: Final = re.compile(r"0x[0-9a-fA-F]{64}")


def members(document: object) -> Document:
    """Return the members of a JSON object; an empty mapping if ``document`` is not an object."""
    return document if isinstance(document, dict) else {}


def text(value: object) -> str | None:
    """Return a string without lone surrogates, which UTF-8 cannot encode."""
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def size(value: object) -> int | None:
    """Return a whole number that can be the size of a tree or a position in it."""
    return value if type(value) is int and 0 <= value <= SIZE_MAX else None


def amount(value: object) -> int:
    """Return a leaf's amount. Return 0, which no transfer has, if the value is invalid."""
    return int(value) if isinstance(value, str) and _AMOUNT.fullmatch(value) else 0


def sha256(value: object) -> bytes | None:
    """Return the bytes of a hexadecimal SHA-256."""
    good = isinstance(value, str) and _HASH.fullmatch(value)
    return bytes.fromhex(str(value)) if good else None


def hashes(value: object) -> tuple[bytes, ...] | None:
    """Return a list of hashes if it is no longer than the longest proof."""
    if not isinstance(value, list) or len(value) > 2 * PROOF_HASHES_MAX:
        return None
    found = [sha256(part) for part in value]
    return tuple(part for part in found if part is not None) if None not in found else None


def address(value: object) -> str | None:
    """Return a contract's address on an EVM chain, in lower case."""
    good = isinstance(value, str) and _ADDRESS.fullmatch(value)
    return str(value).lower() if good else None


def transaction(value: object) -> str | None:
    """Return the hash of a transaction on an EVM chain, in lower case."""
    good = isinstance(value, str) and _NAME.fullmatch(value)
    return str(value).lower() if good else None
