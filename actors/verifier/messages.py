"""Messages of the Verifier, and the effect of its verdicts, which only the Ledger applies.

Each docstring of an effect or message names its sender.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Message, Ref
from rendertrust.receipt import IssuedReceipt
from sql.checks import CheckRow

# Outcomes of a result. ``exact`` and ``consistent``: compared with the scene; ``sampled-out``: only
# opened; ``unverified``: no check was requested; ``unverifiable``: the scene cannot be compared.
VerdictOutcome: TypeAlias = Literal[
    "exact", "consistent", "sampled-out", "unverified", "unverifiable", "invalid"
]
COMPARED: Final = ("exact", "consistent")


class Verifier:
    """Marker type for the address of the verifier actor."""


@attrs.frozen
class Comparison:
    """Scope and result of a comparison of a result with the verifier's render.

    ``compared``: regions of the frame, or the whole frame. ``remade``: the picture was also rebuilt
    from the evidence and compared. ``distance``: the largest difference, in multiples of the noise;
    None if unknown.
    """

    compared: Literal["regions", "whole"]
    remade: bool
    distance: float | None


@attrs.frozen
class UnitVerdict:
    """From the Verifier. VERIFYING → COMPLETED, and the hold is settled.

    If the ``outcome`` is ``invalid``, the attempt is a failure of its node, which is not paid:
    VERIFYING → QUEUED, or FAILED without ``retry_at``.

    ``operator``: the account that the delivery named. ``pays``: the share of an ``unverifiable`` or
    ``unverified`` result is paid. ``verifier``: the last verifier, of ``verifier_class``.
    ``comparison``: the last comparison, if there was one. ``strike``: the invalid result counts
    against its node. ``fine``: the penalty in addition to the lost pay; pending shares of the
    operator are forfeited, newest first, until it is covered. ``withdrawn``: the scene is at fault,
    so no invalid result of the unit is a strike, and fines for them are returned.
    """

    job: UUID
    unit: int
    attempt: int
    outcome: VerdictOutcome
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


def earns(row: CheckRow, outcome: VerdictOutcome, *, pays: bool) -> bool:
    """Return True if an operator is paid for the result."""
    is_open = outcome in ("unverifiable", "unverified")
    return row.verified and outcome != "invalid" and (pays or not is_open)


def costs(row: CheckRow, outcome: VerdictOutcome, *, pays: bool) -> bool:
    """Return True if the creator is charged.

    Creators pay whenever an operator is paid, and for ``unverified`` work in any case.
    """
    return outcome == "unverified" or earns(row, outcome, pays=pays)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class CheckerSeen(Message[Verifier, None]):
    """From a NodeSession: its node is available for checks, one at a time.

    ``session`` accepts ``RunCheck``. ``batches``: the node can open several results in one check.
    The Verifier ignores nodes that are not verifiers of its gateway.
    """

    node: UUID
    device_class: str
    session: Ref[Any]
    batches: bool = False


@attrs.frozen
class CheckerGone(Message[Verifier, None]):
    """From a NodeSession: the session ends, or its node may no longer check results."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class Reported(Message[Verifier, None]):
    """From a NodeSession: the report of its node on a check.

    If ``report`` is None, the check failed, for ``reason``. ``is_unread``: the delivered result
    could not be read. ``is_scene``: the check failed while the verifier itself rendered the scene.
    """

    check: UUID
    node: UUID
    report: Mapping[str, Any] | None = attrs.field(repr=False)
    reason: str = ""
    is_unread: bool = False
    is_scene: bool = False


@attrs.frozen
class ReadBack(Message[Verifier, None]):
    """To itself: whether the gateway could read a result that a verifier could not read.

    ``is_readable`` is None if the object store was down or too slow.
    """

    job: UUID
    unit: int
    attempt: int
    is_readable: bool | None


@attrs.frozen
class LieDetected(Message[Verifier, None]):
    """From a NodeSession: its node made a false claim, which now counts against it."""

    node: UUID


@attrs.frozen
class ReviewDue(Message[Verifier, None]):
    """From the Verifier's own timer: review the pending results."""
