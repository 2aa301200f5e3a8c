"""Response models for units and quotes."""

from datetime import datetime
from typing import Annotated

import attrs

from rendertrust.api.preflights import Preflight, Waiting
from rendertrust.error_code import ErrorCode
from rendertrust.value_types import Credits, Id, Limits, one_of


@attrs.frozen
class Unit:
    """A unit: a frame, a chunk of frames, a tile, or a frame that is made of tiles.

    ``price`` is held until it ends; ``charged`` is what it cost. ``tile``: its number within the
    frame. ``waits_for``: the number of units that it needs first. ``download_url`` is valid for an
    hour and is present as soon as the result is delivered: while the unit is ``VERIFYING``, it may
    still be found invalid. ``waiting`` says why it has not begun. ``copy_node_id`` runs a second
    attempt, because the first takes far longer than others. ``error_code`` is the kind of failure
    of ``error_message``; ``reported``: the node's own report. ``verified`` is true once a verifier
    compared or opened the result and found no fault. ``given_back``: why it was refunded after
    completion, when a later check or an admin found it invalid; do not rely on its result then.
    """

    number: int
    frames: str | None
    tile: int | None
    state: str
    attempt: int
    node_id: Id | None
    price: Credits
    charged: Credits
    waits_for: int
    error_class: str | None
    error_message: str | None
    error_code: Annotated[str, one_of(ErrorCode)] | None
    size: int | None
    sha256: str | None
    verified: bool
    download_url: str | None = attrs.field(repr=False)
    assigned_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    waiting: Waiting | None = None
    copy_node_id: Id | None = None
    given_back: str | None = None

    @property
    def seconds(self) -> float | None:
        """Duration of its last attempt; None until it has ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@attrs.frozen
class Units:
    """A page of units by number. ``count`` is the job's total.

    ``next`` is the ``after`` of the next page.
    """

    units: tuple[Unit, ...]
    count: int
    next: int | None


@attrs.frozen
class Quote:
    """A quote. ``held``: what would be held at once, which is all of ``price``.

    ``frame_price`` is the price of the most expensive frame, however it is cut, and
    ``frame_price_least`` of the cheapest; for a job without frames it is the job's, and ``frames``
    is 0.

    ``priced_by``: ``table``, a fixed price per frame; or ``work``, the work of each frame as
    measured on a gateway node, in total ``reference_seconds``. ``priced_how`` explains this in
    words. ``measurable``: such a node is online, and ``POST /jobs/preflight`` has it measure the
    scene.

    ``enough``: ``available`` is at least ``held``. ``preflight``: a node's findings and its time
    estimate; null if none has checked the scene.
    """

    units: int
    frames: int
    frame_price: Credits
    frame_price_least: Credits
    price: Credits
    held: Credits
    available: Credits
    enough: bool
    max_credits: Credits | None
    priced_by: Annotated[str, Limits(enum=("table", "work"))]
    priced_how: str
    reference_seconds: float | None
    measurable: bool
    preflight: Preflight | None
