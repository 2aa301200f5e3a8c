"""Messages of the Verifier, and the effect of its verdicts, which only the Ledger applies."""

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
Outcome: TypeAlias = Literal[
    "exact", "consistent", "sampled-out", "unverified", "unverifiable", "invalid"
]
COMPARED: Final = ("exact", "consistent")


class Verifier:
    """Marker: the address of the verifier actor."""


@attrs.frozen
class Comparison:
    """The scope of a comparison: regions of the frame, or the whole frame.

    ``remade``: the picture was also rebuilt from the evidence and compared. ``distance``: the
    largest difference, in multiples of the noise; None if unknown.
    """

    compared: Literal["regions", "whole"]
    remade: bool
    distance: float | None


@attrs.frozen
class UnitVerdict:
    """From the Verifier. VERIFYING → COMPLETED with its hold settled; not if it is invalid.

    A result whose ``outcome`` is ``invalid`` is a failure of its node, which is not paid: → QUEUED,
    or FAILED without ``retry_at``.

    ``operator``: the account that the delivery named. ``pays``: the share of an ``unverifiable`` or
    ``unverified`` result is paid. ``verifier``: the last verifier, of ``verifier_class``.
    ``comparison``: its scope; None: nothing was compared. ``strike``: the invalid result counts
    against its node. ``fine``: the penalty in addition to the lost pay; pending shares of the
    operator are forfeited, newest first, until it is covered. ``withdrawn``: the scene is at fault,
    so no invalid result of the unit is a strike, and fines for them are returned.
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


def earns(row: CheckRow, outcome: Outcome, *, pays: bool) -> bool:
    """Return True if an operator is paid for the result."""
    is_open = outcome in ("unverifiable", "unverified")
    return row.verified and outcome != "invalid" and (pays or not is_open)


def costs(row: CheckRow, outcome: Outcome, *, pays: bool) -> bool:
    """Return True if the creator is charged.

    They pay whenever an operator is paid, and for ``unverified`` work in any case.
    """
    return outcome == "unverified" or earns(row, outcome, pays=pays)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class CheckerSeen(Message[Verifier, None]):
    """From a NodeSession whose node can check: it is available, for one check at a time.

    ``session`` takes ``RunCheck``. Nodes that are not verifiers of this gateway get no checks.
    ``batches``: it can open several results in one check.
    """

    node: UUID
    device_class: str
    session: Ref[Any]
    batches: bool = False


@attrs.frozen
class CheckerGone(Message[Verifier, None]):
    """From a NodeSession: it ends, or its node may no longer work for other users."""

    node: UUID
    session: Ref[Any]


@attrs.frozen
class Reported(Message[Verifier, None]):
    """From a NodeSession: the report of its node on a check.

    None: the check failed, for ``reason``. ``is_unread``: the result could not be read.
    ``is_scene``: memory or time ran out while the verifier itself rendered the scene.
    """

    check: UUID
    node: UUID
    report: Mapping[str, Any] | None = attrs.field(repr=False)
    reason: str = ""
    is_unread: bool = False
    is_scene: bool = False


@attrs.frozen
class ReadBack(Message[Verifier, None]):
    """To itself: the end of a second read of a result that a verifier could not read.

    ``is_readable`` None: the store was down or too slow, so nothing is known.
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
