"""Response models for units and quotes."""

from datetime import datetime

import attrs

from rendertrust.api.preflights import Preflight, Waiting


@attrs.frozen
class Unit:
    """A part of a job: a frame, a chunk of frames, a tile of a frame, or what is made of tiles.

    ``frames`` is as ``rendertrust.frame_range`` writes it; None: the job has no frames. ``tile`` is
    None but for tiles. ``price`` is held until it ends, ``charged`` is what it cost. ``error_code``
    is the kind of failure that ``error_message`` tells, as ``API.md`` lists them. ``given_back``:
    why its charge was, after it was complete.
    """

    number: int
    frames: str | None
    tile: int | None
    state: str
    attempt: int
    node_id: str | None
    price: str
    charged: str
    waits_for: int = 0
    error_class: str | None = None
    error_message: str | None = None
    error_code: str | None = None
    size: int | None = None
    sha256: str | None = None
    verified: bool = False
    download_url: str | None = attrs.field(default=None, repr=False)
    assigned_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    waiting: Waiting | None = None
    given_back: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long its last attempt took, from when it began; None while that is not known."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@attrs.frozen
class Units:
    """By number; ``count`` is how many the job has, ``next`` the ``after`` of the next page."""

    units: tuple[Unit, ...]
    count: int
    next: int | None = None


@attrs.frozen
class Quote:
    """What an order would cost. ``held``: what would be set aside at once, all of ``price``.

    ``frame_price`` is that of the dearest frame, however it is cut, or of a job without frames, and
    ``frame_price_least`` that of the cheapest. ``priced_by``: what the ``table`` says for each, or
    the ``work`` that each is, ``reference_seconds`` in all, as ``priced_how`` says in words.
    ``measurable``: ``preflight`` would have a node measure the scene.

    ``enough``: ``available`` is as much as would be held. ``preflight``: what a node found in the
    scene; None where none has looked.
    """

    units: int
    frames: int
    frame_price: str
    price: str
    held: str
    available: str
    enough: bool
    max_credits: str | None = None
    preflight: Preflight | None = None
    frame_price_least: str | None = None
    priced_by: str = "table"
    priced_how: str = ""
    reference_seconds: float | None = None
    measurable: bool = False
