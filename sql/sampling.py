"""How often a node's results are compared with their scenes, and what an invalid one costs.

Always at first; then the less, the longer all was well; but always so often that lying does not
pay. A draw follows from a secret and from the result: nobody can tell it beforehand, and whoever
draws again gets the same answer.

Why lying does not pay: of a result whose share is ``s`` and that is compared at odds ``p``, an
invalid one is paid with probability 1 - p, and else costs a fine of ``FINES * s / p - s`` beside
the pay. So a lie earns (1 - p) * s - (FINES * s - p * s) = s - FINES * s < 0 on average, whatever
the odds were. The fine is taken from what the owner has pending, so the odds are at least
``FINES * s / (s + pending)``: there is always enough, or the result is compared for certain. The
Ledger reads what is pending, in the transaction that records the delivery.
"""

import hmac
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sql.device_class import kin_of
from sql.reputation import Record, strikes_of

ALWAYS_UNTIL: Final = 10  # valid results in a row
FINES: Final = 2  # 1: a lie earns nothing on average; 2: it costs as much as it would have earned
MEASURED_KIND: Final = "cpu"
OVERLOADED_SECONDS: Final = 60.0  # that the oldest delivery waits for its check
_DRAWS: Final = 2**64


def odds(valid_in_row: int, least: float, waited: float = 0.0) -> float:
    """Return how probable a check is, 0 to 1, after so many valid results in a row; the least that
    may be where the verifiers have too much to do.
    """
    if valid_in_row < ALWAYS_UNTIL:
        return 1.0
    return least if waited > OVERLOADED_SECONDS else min(max(least, 1 / valid_in_row), 1.0)


def odds_of(records: Sequence[Record], device_class: str, waited: float, least: float) -> float:
    """Return the odds that a node's record asks for: certain while it has strikes, and on devices
    of which a refused result is no strike, as only processors were measured.

    ``waited``: for how many seconds the oldest delivery has been waiting for its check.
    """
    if strikes_of(records) > 0 or kin_of(device_class)[0] not in ("", MEASURED_KIND):
        return 1.0
    in_row = [one.reputation.valid_in_row for one in records if one.device_class == device_class]
    return odds(max(in_row, default=0), least, waited)


def covered_odds(share: int, pending: int) -> float:
    """Return the least odds at which what its operator has pending covers the fine of a result."""
    return min(FINES * share / (share + pending), 1.0) if share > 0 else 0.0


def fine_of(share: int, drawn_at: float) -> int:
    """Return what an invalid result costs beside its share; nothing if it was found for sure."""
    return max(round(FINES * share / drawn_at) - share, 0) if drawn_at < 1 else 0


def draw(secret: bytes, purpose: bytes, unit: bytes, result: bytes, number: int = 0) -> float:
    """Return a number from 0 up to 1 that only who knows the secret can tell. ``result``: its
    SHA-256.
    """
    message = b"\n".join((purpose, unit, result.hex().encode(), str(number).encode()))
    digest = hmac.digest(secret, message, "sha256")
    return int.from_bytes(digest[:8], "big") / _DRAWS


def unit_name(job: UUID, unit: int, attempt: int) -> bytes:
    """Return the unit at one attempt, as ``draw`` takes it."""
    return f"{job}:{unit}:{attempt}".encode()
