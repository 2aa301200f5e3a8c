"""What people want of a job as a whole, as the Ledger is asked: effects like those of its units.

And a second attempt at one of these, which is nobody's wish but the Scheduler's.
"""

from typing import Any, TypeAlias
from uuid import UUID

import attrs


@attrs.frozen
class NewUnit:
    """One unit of a new job: what it costs, what it is of, and its turn.

    ``tile``: which one of its frame. ``feeds``: the number of the unit that is made of this one and
    others; that one costs nothing, has so many ``missing``, and waits until there are none.
    """

    price: int
    place: int = 0
    frames: str | None = None
    tile: int | None = None
    feeds: int | None = None
    missing: int = 0


@attrs.frozen
class JobInsert:
    """A new job and its units, QUEUED, priced ``price`` units each, or cut into ``pieces``.

    With a price the same commit holds it for each unit (``PlaceHold``, ``HoldUnits``). The outcome
    names the first unit alone. ``cap``: what it may cost at most. ``price_number``: which price of
    the table that is. ``retry_of``: an ended job that this one does again; of each there is one at
    most, so its id must follow from that one's.
    """

    job: UUID
    user: UUID
    job_type: str
    payload_ref: str
    params: dict[str, Any]
    price: int
    units: int = 1
    price_number: int | None = None
    retry_of: UUID | None = None
    pieces: tuple[NewUnit, ...] = ()
    priority: int = 0
    cap: int | None = None

    @property
    def plan(self) -> tuple[NewUnit, ...]:
        """Its units, by number."""
        return self.pieces or tuple(NewUnit(self.price, place) for place in range(self.units))


@attrs.frozen
class JobCancel:
    """QUEUED or DISPATCHED → CANCELLED with all its units, holds released; only by its owner.

    One that is PAUSED can be cancelled as well, if none of its units ever ran.
    """

    job: UUID
    user: UUID


@attrs.frozen
class JobStop:
    """An open job → CANCELLED: units that have not ended are cancelled and their holds released.

    Those that are complete stay, and stay paid; those that were delivered wait for their verdicts,
    the job PAUSED. Only by its owner.
    """

    job: UUID
    user: UUID


@attrs.frozen
class JobPause:
    """An open job → PAUSED: no unit of it begins; what nodes have they finish. By its owner."""

    job: UUID
    user: UUID


@attrs.frozen
class JobResume:
    """A PAUSED job goes on where it was, by its owner.

    One whose next unit would bring it above its cap is refused (``found``: 'CAP').
    """

    job: UUID
    user: UUID


@attrs.frozen
class JobChange:
    """Another priority, or another cap, of an open job; None: as it is. By its owner.

    ``uncapped``: the cap is taken away. One below what is at work or complete already is refused
    (``found``: 'CAP').
    """

    job: UUID
    user: UUID
    priority: int | None = None
    cap: int | None = None
    uncapped: bool = False

    @property
    def of_cap(self) -> bool:
        """Whether it says anything of the cap."""
        return self.uncapped or self.cap is not None


@attrs.frozen
class UnitRetry:
    """FAILED → QUEUED, its price held anew; not of a job that was cancelled. By the job's owner.

    What failed with it comes along: of a frame in tiles all its parts that FAILED.
    """

    job: UUID
    unit: int
    user: UUID


@attrs.frozen
class UnitCopy:
    """A second node is given the unit, too, with ``attempt``, beside the attempt ``beside``.

    Guards: that one is at work on another node and has no copy, the job is not paused, and
    ``attempt`` was never given. Whichever is complete first is the unit's; the other is nothing.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID
    beside: int


OfJob: TypeAlias = JobCancel | JobStop | JobPause | JobResume | JobChange | UnitRetry
