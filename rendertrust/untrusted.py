"""What strangers give, read as data: each function answers None for what is none; none raises."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from rendertrust.merkle import SIZE_MAX

Document: TypeAlias = Mapping[str, Any]
PROOF_HASHES_MAX: Final = 64  # of a tree that has no more leaves than SIZE_MAX
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_AMOUNT: Final = re.compile(r"-?[1-9][0-9]{0,18}", re.ASCII)
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_NAME: Final = re.compile(r"0x[0-9a-fA-F]{64}")


def members(document: object) -> Document:
    """An object's members; none where it is no object."""
    return document if isinstance(document, dict) else {}


def text(value: object) -> str | None:
    """A text that can be written as UTF-8: without lone surrogates."""
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def size(value: object) -> int | None:
    """A whole number, as sizes and places in the tree are."""
    return value if type(value) is int and 0 <= value <= SIZE_MAX else None


def amount(value: object) -> int:
    """Units of money as a leaf has them, signed; 0, which no entry has, where they are none."""
    return int(value) if isinstance(value, str) and _AMOUNT.fullmatch(value) else 0


def sha256(value: object) -> bytes | None:
    """A hash in hexadecimal."""
    good = isinstance(value, str) and _HASH.fullmatch(value)
    return bytes.fromhex(str(value)) if good else None


def hashes(value: object) -> tuple[bytes, ...] | None:
    """A list of hashes, not longer than any proof."""
    if not isinstance(value, list) or len(value) > 2 * PROOF_HASHES_MAX:
        return None
    found = [sha256(part) for part in value]
    return tuple(part for part in found if part is not None) if None not in found else None


def address(value: object) -> str | None:
    """A contract's address on an EVM chain, in small letters."""
    good = isinstance(value, str) and _ADDRESS.fullmatch(value)
    return str(value).lower() if good else None


def transaction(value: object) -> str | None:
    """The hash that names a transaction of an EVM chain."""
    good = isinstance(value, str) and _NAME.fullmatch(value)
    return str(value).lower() if good else None
