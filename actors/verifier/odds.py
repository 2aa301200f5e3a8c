"""How often a node's work is looked at: always at first, then the less the longer all was well.

The draw is by a secret and by the result, so that nobody can tell beforehand, and whoever asks
again gets the same answer.
"""

import hmac
from typing import Final
from uuid import UUID

ALWAYS_UNTIL: Final = 10  # valid results in a row
_DRAWS: Final = 2**64


def odds(valid_in_row: int, least: float) -> float:
    """How probable a check is, 0 to 1, after so many valid results in a row; ``least`` at least."""
    if valid_in_row < ALWAYS_UNTIL:
        return 1.0
    return min(max(least, 1 / valid_in_row), 1.0)


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
