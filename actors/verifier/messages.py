"""What becomes of what a node delivered: the effects, for the Ledger, and the Verifier's messages.

An effect is done by the Ledger alone, as those of jobs and units; each says who sends it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Ref
from rendertrust.receipt import IssuedReceipt
from sql.checks import CheckRow

# What becomes of a result. ``exact`` and ``consistent`` were compared with the scene;
# ``sampled-out`` was only opened; for ``unverified`` no check was asked; the scene of one that is
# ``unverifiable`` cannot be compared.
Outcome: TypeAlias = Literal[
    "exact", "consistent", "sampled-out", "unverified", "unverifiable", "invalid"
]
COMPARED: Final = ("exact", "consistent")


class Verifier:
    """Marker: the address of the verifier actor."""


@attrs.frozen
class UnitDeliver:
    """From a NodeSession. DISPATCHED or RUNNING → VERIFYING where attempt and node match: what was
    delivered is written down, and nothing is charged or paid.

    ``work`` is what the node signed, canonical. ``draw``: a number from 0 up to 1; the result is
    compared if it is below the ``odds``, which the record of its node asks for, or those at which
    its operator's pending shares cover a fine. The others are as ``UnitComplete`` has them.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID
    device_class: str
    result_ref: str | None
    sha256: bytes | None = None
    size: int | None = None
    work: str | None = attrs.field(default=None, repr=False)
    node_signature: str | None = attrs.field(default=None, repr=False)
    evidence_sha256: bytes | None = None
    evidence_size: int | None = None
    verified: bool = False
    operator: str | None = None
    share_percent: int = 70
    dispute_window: timedelta = timedelta(days=7)
    draw: float | None = None
    odds: float = 1.0


@attrs.frozen
class Comparison:
    """What a verifier compared: regions of the frame, or all of it.

    ``remade``: also the picture, which it made again from the evidence. ``distance``: the largest
    one, in multiples of the noise; None if none can be told.
    """

    compared: Literal["regions", "whole"]
    remade: bool
    distance: float | None


@attrs.frozen
class UnitVerdict:
    """From the Verifier. VERIFYING → COMPLETED, its hold settled, unless the ``outcome`` is
    ``invalid``; then → QUEUED, or FAILED without ``retry_at``: a failure of its node, which is not
    paid.

    ``operator`` is the account that the delivery named. ``pays``: whether the share of what is
    ``unverifiable`` or ``unverified`` is paid. ``verifier``: who looked last, of
    ``verifier_class``. ``comparison``: what it compared; None: nothing.
    ``strike``: an invalid result stands in its node's record. ``fine``: what it costs beside its
    pay; pending shares of its operator are forfeited, the newest first, until it is paid.
    ``withdrawn``: the scene is at fault, so that no invalid result of the unit is a strike; what
    was forfeited for them is given back.
    """

    job: UUID
    unit: int
    attempt: int
    outcome: Outcome
    said: str = ""
    verifier: UUID | None = None
    operator: str | None = None
    pays: bool = True
    receipt: IssuedReceipt | None = None
    retry_at: datetime | None = None
    strike: bool = False
    fine: int = 0
    withdrawn: bool = False
    verifier_class: str | None = None
    comparison: Comparison | None = None


CheckEffect: TypeAlias = UnitDeliver | UnitVerdict


def earns(row: CheckRow, outcome: Outcome, *, pays: bool) -> bool:
    """Return whether somebody is paid for what was delivered."""
    is_open = outcome in ("unverifiable", "unverified")
    return row.verified and outcome != "invalid" and (pays or not is_open)


def costs(row: CheckRow, outcome: Outcome, *, pays: bool) -> bool:
    """Return whether the creator is charged: as soon as somebody is paid, and for ``unverified``
    work in any case.
    """
    return outcome == "unverified" or earns(row, outcome, pays=pays)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class CheckerSeen(Message[Verifier, None]):
    """From a NodeSession whose node can check: it is there, for one check at a time.

    ``session`` takes ``RunCheck``. Of a node that is no verifier of the gateway's nothing is asked.
    ``batches``: it can open several results in one check.
    """

    node: UUID
    device_class: str
    session: Ref[Any]
    batches: bool = False


@attrs.frozen
class CheckerGone(Message[Verifier, None]):
    """From a NodeSession: it ends, or its node may not work for strangers any more."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class Reported(Message[Verifier, None]):
    """From a NodeSession: what its node says of a check.

    None: it came to nothing, for ``reason``. ``is_unread``: what was delivered could not be read.
    """

    check: UUID
    node: UUID
    report: Mapping[str, Any] | None = attrs.field(repr=False)
    reason: str = ""
    is_unread: bool = False


@attrs.frozen
class ReadBack(Message[Verifier, None]):
    """To itself: the end of a second read of what a checker could not read.

    ``is_readable`` None: the store was away, or too slow, so nothing is known.
    """

    job: UUID
    unit: int
    attempt: int
    is_readable: bool | None


@attrs.frozen
class LieDetected(Message[Verifier, None]):
    """From a NodeSession: its node was caught in a lie, which stands in its record by now."""

    node: UUID


@attrs.frozen
class ReviewDue(Message[Verifier, None]):
    """To itself: see what waits for a verdict."""
