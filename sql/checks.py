"""Stored checks: the delivery and the finding about it."""

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import attrs

from sql.retry_policy import tries
from sql.scheduler_rows import ANY, POOL, PartResult

CheckId: TypeAlias = tuple[UUID, int, int]  # job, unit, attempt
Place: TypeAlias = tuple[datetime, UUID, int]  # time, job, unit


@attrs.frozen
class WordRow:
    """A node's report that a unit's scene is at fault, with the node's device class."""

    job_id: UUID
    unit: int
    attempt: int
    node_id: UUID
    device_class: str
    said_at: datetime

    @property
    def id(self) -> CheckId:
        """The attempt."""
        return self.job_id, self.unit, self.attempt


@attrs.frozen
class CheckRow:
    """PENDING, then DECIDED with a ``verdict``.

    ``work``: the work record that the node signed, in canonical JSON. ``strike``: the invalid
    result is on the node's record. ``withdrawn``: the scene is at fault, so no result of the unit
    is a strike. ``drawn``: it was drawn for a comparison, with probability ``odds``. ``compared``:
    ``regions`` or ``whole``. ``remade``: the picture was also made from the evidence and compared.
    ``distance``: the largest one, in multiples of the noise; None if it cannot be stated.
    ``verifier_class``: the verifier's device class.
    """

    job_id: UUID
    unit: int
    attempt: int
    node_id: UUID
    device_class: str
    result_ref: str | None
    sha256: bytes | None
    size: int | None
    work: str | None = attrs.field(repr=False)
    node_signature: str | None = attrs.field(repr=False)
    verified: bool
    operator: str | None
    share_percent: int
    window_seconds: int
    opened_at: datetime
    evidence_sha256: bytes | None = None
    evidence_size: int | None = None
    state: str = "PENDING"
    verdict: str | None = None
    said: str = ""
    verifier_id: UUID | None = None
    decided_at: datetime | None = None
    strike: bool = False
    withdrawn: bool = False
    drawn: bool | None = None
    odds: float | None = None
    compared: str | None = None
    remade: bool = False
    distance: float | None = None
    verifier_class: str | None = None

    @property
    def id(self) -> CheckId:
        """The unit and its attempt."""
        return self.job_id, self.unit, self.attempt


@attrs.frozen
class UncutScene:
    """A scene whose regions render differently from its whole frame, as a check found."""

    scene: tuple[UUID, str]  # the owner, and the payload's reference
    found_by: CheckId
    at: datetime


@attrs.frozen
class SeenVerifier:
    """A verifier that was recently connected to a gateway. Embedded ones have no owner."""

    node: UUID
    device_class: str
    owner: UUID | None


@attrs.frozen
class Pending:
    """A pending check with the facts of its job."""

    row: CheckRow
    job_type: str
    payload_ref: str
    params: dict[str, Any] = attrs.field(repr=False)
    user: UUID
    frames: str | None
    price: int
    failures: int  # of nodes
    faults: int  # not a node's
    unsent: int  # earlier attempts that no node ever received
    owner: UUID | None  # of the node that delivered
    blamed: frozenset[UUID] = frozenset()  # owners of nodes with invalid results of this unit
    tile: int | None = None
    parts: tuple[PartResult, ...] = ()  # results of the units that it is made of
    took: float = 0.0  # seconds that its node had it, by our clock
    is_uncut: bool = False  # regions of its scene cannot be compared
    is_again: bool = False  # it was settled without a comparison and now gets one
    # The creator's comparison claims a difference, mostly at these places; a check decides.
    disputed: tuple[tuple[float, float], ...] | None = None
    waited: float = 0.0  # seconds since it was opened, by the database's clock, when read

    @property
    def pool(self) -> str:
        """The pool of nodes that may do the job."""
        return str(self.params.get(POOL, ANY))

    @property
    def place(self) -> "Place":
        """The position among pending checks."""
        return self.row.opened_at, self.row.job_id, self.row.unit

    def is_between(self, after: "Place | None", until: "Place | None") -> bool:
        """Return True if a read of this range would have found it; None: unbounded."""
        return (after is None or self.place > after) and (until is None or self.place <= until)

    @property
    def tries(self) -> int:
        """The number of attempts at the unit, including this one."""
        return tries(self.row.attempt, self.unsent)
