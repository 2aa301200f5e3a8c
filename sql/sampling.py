"""Sampling: how often a node's results are compared, and the fine for an invalid one.

At first every result is compared. The more results of the node were valid in a row, the fewer are
compared, but always so many that cheating does not pay. A draw is computed from a secret and the
result: nodes cannot predict it, and repeating it gives the same answer.

Why cheating does not pay: let ``s`` be the share for a result that is compared with probability
``p``. An invalid result is paid with probability 1 - p, and otherwise costs a fine of ``FINES * s /
p - s`` in addition to the pay. So an invalid result earns (1 - p) * s - (FINES * s - p * s) = s -
FINES * s < 0 on average, for any p. The fine is taken from the owner's pending shares, so the
probability is at least ``FINES * s / (s + pending)``: pending shares always suffice, or the result
is compared for certain. The Ledger reads the pending sum in the transaction that records the
delivery.
"""

import hmac
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from rendertrust.device_class import kin_of
from sql.reputation_rules import Record, strikes_of

ALWAYS_UNTIL: Final = 10  # valid results in a row before which every result is compared
FINES: Final = 2  # 1: cheating earns nothing on average; 2: cheating costs as much as it would earn
MEASURED_KIND: Final = "cpu"
OVERLOADED_SECONDS: Final = 60.0  # wait from which the verifiers count as overloaded
_DRAWS: Final = 2**64


def odds(valid_in_row: int, least: float, waited: float = 0.0) -> float:
    """Return the probability of a comparison after so many valid results in a row.

    After ALWAYS_UNTIL valid results, the probability is ``least`` while the verifiers are
    overloaded.
    """
    if valid_in_row < ALWAYS_UNTIL:
        return 1.0
    return least if waited > OVERLOADED_SECONDS else min(max(least, 1 / valid_in_row), 1.0)


def odds_of(
    records: Sequence[Record], device_class: str, waited: float, least: float, share: int = 0
) -> float:
    """Return the probability of a comparison that a node's record requires for such a share.

    The probability is 1 while the node has strikes. The probability is also 1 on devices other than
    processors, where an invalid result is no strike because the noise was not measured. ``waited``:
    the seconds that the oldest delivery has been waiting for its check.
    """
    if strikes_of(records) > 0 or kin_of(device_class)[0] != MEASURED_KIND:
        return 1.0
    found = [one.reputation for one in records if one.device_class == device_class]
    in_row = [one.valid_for(share) for one in found]
    return odds(max(in_row, default=0), least, waited)


def covered_odds(share: int, pending: int) -> float:
    """Return the least probability at which the operator's pending shares cover the fine."""
    return min(FINES * share / (share + pending), 1.0) if share > 0 else 0.0


def fine_of(share: int, drawn_at: float) -> int:
    """Return the fine for an invalid result, in addition to its share.

    0 if the comparison was certain.
    """
    return max(round(FINES * share / drawn_at) - share, 0) if drawn_at < 1 else 0


def draw(secret: bytes, purpose: bytes, unit: bytes, result: bytes, number: int = 0) -> float:
    """Return a number from 0 up to 1 that only the holder of the secret can compute.

    ``result``: the SHA-256 of the result.
    """
    message = b"\n".join((purpose, unit, result.hex().encode(), str(number).encode()))
    digest = hmac.digest(secret, message, "sha256")
    return int.from_bytes(digest[:8], "big") / _DRAWS


def unit_name(job: UUID, unit: int, attempt: int) -> bytes:
    """Return the name of a unit's attempt, for ``draw``."""
    return f"{job}:{unit}:{attempt}".encode()
