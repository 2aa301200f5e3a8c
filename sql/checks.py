"""Checks as they are kept: what was delivered, and what was found about it."""

from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

import attrs

from sql.tries import tries
from sql.work import Part

Draws: TypeAlias = tuple[tuple[float, float, float | None], ...]  # x, y and cell of each crop
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

    ``work`` is canonical JSON, as its node signed it. ``packed``: of a release before, whose
    evidence lay in one file with the picture. ``withdrawn``: the scene is at fault, so that no
    mismatch on the unit is a strike. ``drawn``: whether it was drawn to be checked, as it was
    delivered; None: through a gateway of a release before.
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
    packed: bool = False
    state: str = "PENDING"
    verdict: str | None = None
    said: str = ""
    verifier_id: UUID | None = None
    decided_at: datetime | None = None
    withdrawn: bool = False
    drawn: bool | None = None

    @property
    def id(self) -> CheckId:
        """Which attempt of which unit it is of."""
        return self.job_id, self.unit, self.attempt


@attrs.frozen
class VerifierTest:
    """What a verifier node said of a check whose answer was known: of that attempt's result.

    ``passed`` False is a strike of its node, as a lie about work of its own is. ``accused``: it
    called wrong what the gateway's own found right.
    """

    id: UUID
    node_id: UUID
    device_class: str
    job_id: UUID
    unit: int
    attempt: int
    passed: bool
    at: datetime
    accused: bool = False


@attrs.frozen
class Suspicion:
    """The first word on an attempt's result, which another must confirm: that of a verifier node,
    whose owner then was ``owner_id``, where it has one.
    """

    job_id: UUID
    unit: int
    attempt: int
    verifier_id: UUID
    owner_id: UUID | None
    device_class: str
    word: Literal["suspicious", "mismatch"]
    said: str
    at: datetime
    draws: Draws = ()  # where it was seen; none: of a release before
    shown: tuple[float, ...] = ()  # or of which of several pictures

    @property
    def of(self) -> CheckId:
        """Which attempt of which unit it is about."""
        return self.job_id, self.unit, self.attempt


@attrs.frozen
class Voucher:
    """On whose word alone, that of a node of another owner's, an attempt's result was called valid,
    and where it had looked: at ``draws`` of a picture, or at ``shown`` of several.
    """

    job_id: UUID
    unit: int
    attempt: int
    verifier_id: UUID
    device_class: str
    at: datetime
    draws: Draws = ()
    shown: tuple[float, ...] = ()

    @property
    def of(self) -> CheckId:
        """Which attempt of which unit it is about."""
        return self.job_id, self.unit, self.attempt


@attrs.frozen
class SecondLook:
    """What one of the gateway's own saw of an attempt's result that a stranger alone had vouched
    for. ``held`` False is a strike of ``node_id``, whose result it is; None: nothing could be said.
    """

    job_id: UUID
    unit: int
    attempt: int
    node_id: UUID
    device_class: str
    at: datetime
    held: bool | None

    @property
    def of(self) -> CheckId:
        """Which attempt of which unit it is about."""
        return self.job_id, self.unit, self.attempt


@attrs.frozen
class UncutScene:
    """A user's scene of which parts come out otherwise than the whole frame, as a check of this
    attempt's result found.
    """

    scene: tuple[UUID, str]  # whose, and its payload's reference
    found_by: CheckId
    at: datetime


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
    blamed: frozenset[UUID] = frozenset()  # owners of whom checks found a mismatch on the unit
    tile: int | None = None
    friends: frozenset[UUID] = frozenset()  # who is in an organisation with its job's user
    suspicion: Suspicion | None = None
    voucher: Voucher | None = None
    parts: tuple[Part, ...] = ()  # results of units that it is made of
    took: float = 0.0  # seconds that its node had it, by our clock
    is_uncut: bool = False  # its scene was found to be an ``UncutScene``
    is_again: bool = False  # settled, seen by strangers at most, and to be looked at once more
    waited: float = 0.0  # seconds since it was opened, as it was read, by the database's clock

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


@attrs.frozen
class TrialRow:
    """A check of which the answer is known: that of a result which was found valid, with other
    ``samples`` than it was rendered with.

    ``wrong`` are those of its crops, by number, that cannot be right; ``owners`` were given it.
    """

    id: UUID
    of: Pending
    samples: int
    draws: Draws
    wrong: frozenset[int] = frozenset()
    owners: frozenset[UUID] = frozenset()


@attrs.frozen
class TrialMade:
    """A trial is known by now."""

    trial: TrialRow
    at: datetime


@attrs.frozen
class TrialGiven:
    """A node of an owner's was given it."""

    trial: UUID
    owner: UUID
    at: datetime


TrialNote: TypeAlias = VerifierTest | TrialMade | TrialGiven
