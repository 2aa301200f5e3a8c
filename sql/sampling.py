"""How often a node's work is checked: always at first, then the less the longer all was well.

A draw follows from a secret and from the result: nobody can tell it beforehand, and whoever draws
again gets the same answer.
"""

import hmac
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sql.reputation import Record, strikes_of

ALWAYS_UNTIL: Final = 10  # valid results in a row
_DRAWS: Final = 2**64


def odds(valid_in_row: int, least: float) -> float:
    """How probable a check is, 0 to 1, after so many valid results in a row; ``least`` at least."""
    if valid_in_row < ALWAYS_UNTIL:
        return 1.0
    return min(max(least, 1 / valid_in_row), 1.0)


def chance_of(records: Sequence[Record], device_class: str, least: float) -> float:
    """How probable a check of a node's next result is: certain while it has strikes."""
    if strikes_of(records) > 0:
        return 1.0
    in_row = [one.reputation.valid_in_row for one in records if one.device_class == device_class]
    return odds(max(in_row, default=0), least)


def is_drawn(secret: bytes, unit: bytes, result: bytes, chance: float) -> bool:
    """Whether this result is to be checked. ``result``: its SHA-256."""
    return draw(secret, b"drawn", unit, result) < chance


def draw(secret: bytes, purpose: bytes, unit: bytes, result: bytes, number: int = 0) -> float:
    """A number from 0 up to 1 that only who knows the secret can tell."""
    message = b"\n".join((purpose, unit, result.hex().encode(), str(number).encode()))
    digest = hmac.digest(secret, message, "sha256")
    return int.from_bytes(digest[:8], "big") / _DRAWS


def unit_name(job: UUID, unit: int, attempt: int) -> bytes:
    """The unit at one attempt, as ``draw`` takes it."""
    return f"{job}:{unit}:{attempt}".encode()
