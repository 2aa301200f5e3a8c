"""Checks as they are kept: what was delivered, and what was found about it."""

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import attrs

from sql.retry_policy import tries
from sql.scheduler_rows import ANY, POOL, PartResult

CheckId: TypeAlias = tuple[UUID, int, int]  # job, unit, attempt
Place: TypeAlias = tuple[datetime, UUID, int]  # since when, job, unit


@attrs.frozen
class WordRow:
    """A node said of a unit that its scene is at fault, working with this class of machine."""

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

    ``work`` is canonical JSON, as its node signed it. ``strike``: an invalid result that stands in
    its node's record. ``withdrawn``: the scene is at fault, so that none of the unit is a strike.
    ``drawn``: whether it was drawn to be compared with its scene, as it was delivered, at which
    ``odds``. ``compared``: ``regions`` or ``whole``; ``remade``: the picture was made again from
    the evidence, and compared, too; ``distance``: the largest one, in multiples of the noise, None
    where none can be told. ``verifier_class``: device class of the verifier.
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
        """Which attempt of which unit it is of."""
        return self.job_id, self.unit, self.attempt


@attrs.frozen
class UncutScene:
    """A user's scene of which regions come out otherwise than the whole frame, as a check of this
    attempt's result found.
    """

    scene: tuple[UUID, str]  # whose, and its payload's reference
    found_by: CheckId
    at: datetime


@attrs.frozen
class SeenVerifier:
    """A verifier that was connected to a gateway lately. The embedded ones have no owner."""

    node: UUID
    device_class: str
    owner: UUID | None


@attrs.frozen
class Pending:
    """A check that is to be made, with what its job says."""

    row: CheckRow
    job_type: str
    payload_ref: str
    params: dict[str, Any] = attrs.field(repr=False)
    user: UUID
    frames: str | None
    price: int
    failures: int  # of nodes
    faults: int  # that were no node's
    unsent: int  # of the attempts before this one, how many no node ever had
    owner: UUID | None  # of the node whose work it is
    blamed: frozenset[UUID] = frozenset()  # owners of whom checks found results of it invalid
    tile: int | None = None
    parts: tuple[PartResult, ...] = ()  # results of units that it is made of
    took: float = 0.0  # seconds that its node had it, by our clock
    is_uncut: bool = False  # its scene was found to be an ``UncutScene``
    is_again: bool = False  # settled without a comparison, which it is to have now
    # Its creator's comparison says that it differs, mostly at these places; a check decides.
    disputed: tuple[tuple[float, float], ...] | None = None
    waited: float = 0.0  # seconds since it was opened, as it was read, by the database's clock

    @property
    def pool(self) -> str:
        """Whose nodes may do its job's work."""
        return str(self.params.get(POOL, ANY))

    @property
    def place(self) -> "Place":
        """Its place among those that wait."""
        return self.row.opened_at, self.row.job_id, self.row.unit

    def is_between(self, after: "Place | None", until: "Place | None") -> bool:
        """Whether a reading would have found it; None: from the first, to the last."""
        return (after is None or self.place > after) and (until is None or self.place <= until)

    @property
    def tries(self) -> int:
        """How often a node was to work on the unit, the one that delivered this included."""
        return tries(self.row.attempt, self.unsent)
