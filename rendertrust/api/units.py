"""Response models for units and quotes."""

from datetime import datetime

import attrs

from rendertrust.api.preflights import Preflight, Waiting


@attrs.frozen
class Unit:
    """A unit of a job: a frame, a chunk of frames, a tile, or a frame composed of tiles.

    ``frames`` is a frame range, None if the job has none; ``tile`` is None except for tiles.
    ``price`` is held until the unit ends, ``charged`` is its cost. ``error_code`` is one of the
    codes in ``API.md``. ``given_back``: the reason for a refund after it was complete.
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
        """Duration of its last attempt; None until it has ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@attrs.frozen
class Units:
    """A page of units, by number. ``count`` is the number of all, ``next`` the next ``after``."""

    units: tuple[Unit, ...]
    count: int
    next: int | None = None


@attrs.frozen
class Quote:
    """The price of a job before it is submitted. ``held`` would be held immediately.

    ``frame_price`` is the price of the most expensive frame, or of a job without frames;
    ``frame_price_least`` that of the cheapest frame. ``priced_by``: by a price ``table``, or by the
    measured ``work`` (``reference_seconds`` in all); ``priced_how`` explains it in words.
    ``measurable``: a ``preflight`` would measure the scene.

    ``enough``: ``available`` covers ``held``. ``preflight``: its result; None without one.
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
