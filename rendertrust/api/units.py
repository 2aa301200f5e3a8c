"""Response models for units and quotes."""

from datetime import datetime
from typing import Annotated

import attrs

from rendertrust.api.preflights import Preflight, Waiting
from rendertrust.unit_error_code import ErrorCode
from rendertrust.value_types import ADDED, SENT, Credits, Id, Limits, one_of
from rendertrust.verdict_reason import VerdictReason


@attrs.frozen
class Unit:
    """A unit: a frame, a chunk of frames, a tile, or a frame that is made of tiles.

    ``price`` is held until the unit ends; ``charged`` is the cost less refunds. ``tile`` is the
    number of the tile within the frame. ``waits_for`` is the number of units that must complete
    first. ``download_url`` is valid for an hour and is present as soon as the result is delivered.
    While the unit is ``VERIFYING``, the result may still be found invalid. ``waiting`` says why the
    unit has not begun. The node ``copy_node_id`` runs a second attempt, because the first attempt
    takes far longer than others. The result arrived at ``delivered_at`` if it was or is verified;
    ``ended_at`` is the time of the verdict. ``error_code`` is the kind of failure of
    ``error_message``; ``reported`` stands for the node's own report. ``verified`` is true once a
    verifier compared or opened the result and found no fault. ``given_back`` is the reason of a
    refund after completion, when a later check or an admin found the result invalid. Do not rely on
    such a result.
    ``unverified_reason`` is the code why a complete unit's result was not checked, or why
    checks did not decide. ``progress``, from 0 to 1, is what the node of a running unit last
    reported; null in the reply to a retry.
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
    unverified_reason: Annotated[str, one_of(VerdictReason)] | None = None
    progress: float | None = attrs.field(default=None, metadata=ADDED)
    node_name: str | None = attrs.field(default=None, metadata=ADDED)
    copy_node_name: str | None = attrs.field(default=None, metadata=ADDED)
    delivered_at: datetime | None = attrs.field(default=None, metadata=ADDED)

    @property
    def seconds(self) -> float | None:
        """Duration of the unit's last attempt on its node; None until that attempt has ended.

        The verification of the result does not count.
        """
        ended = self.delivered_at or self.ended_at
        if self.started_at is None or ended is None:
            return None
        return (ended - self.started_at).total_seconds()

    @property
    def verifying_seconds(self) -> float | None:
        """Duration of the verification of the result; None until there is a verdict."""
        if self.delivered_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.delivered_at).total_seconds()


@attrs.frozen
class Units:
    """A page of units by number. ``count`` is the number of units of the job.

    ``next`` is the ``after`` of the next page.
    """

    units: tuple[Unit, ...]
    count: int
    next: int | None


@attrs.frozen
class Money:
    """An amount of money: a decimal string in the currency, like 3.10, and the currency's code.

    The amount is rounded half up. What is less than the currency's smallest unit has four more
    decimals, like 0.000126. ``text`` is the amount for people, like ``≈ 3.10 USD``.
    """

    amount: str
    currency: str
    text: str


@attrs.frozen
class Quote:
    """A quote. ``held`` is the amount to be held at once, which is all of ``price``.

    ``credits`` is all that the job costs: ``price`` and, if it asks for a ``video``, the
    ``video_price`` that is held when its frames are complete, as a job of its own. ``money`` is
    what so many credits cost in the cheapest package on sale (null without one), and ``basis`` a
    sentence on what the price follows from. ``measured`` is true if that is measured work.

    ``frame_price`` is the price of the most expensive frame, however the frame is cut;
    ``frame_price_least`` is the price of the cheapest frame. For a job without frames, both are the
    job's price, and ``frames`` is 0. ``priced_by`` is ``table``, a fixed price per frame;
    ``work``, the work of each frame as measured by a verifier of the gateway; or ``size``, the
    pixels and samples of a frame that was not measured. The measured work of all frames is
    ``reference_seconds``. ``priced_how`` explains the price in words. ``measurable`` is true if the
    scene was not measured yet, and a verifier is online that ``POST /jobs/preflight`` lets measure
    it. Until then ``POST /jobs/dispatch`` refuses a job that names frames or parameters. A job that
    names neither always costs the table's price; with ``params.frame``, its frame is priced by
    the measurement.

    ``enough`` is true if ``available`` is at least ``held``. ``preflight`` has a node's findings
    and time estimate; null if no node has checked the scene.
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
    priced_by: Annotated[str, Limits(enum=("table", "size", "work"))]
    priced_how: str
    reference_seconds: float | None
    measurable: bool
    preflight: Preflight | None
    measured: bool = attrs.field(default=False, metadata=SENT)
    credits: Credits | None = attrs.field(default=None, metadata=ADDED)
    money: Money | None = attrs.field(default=None, metadata=ADDED)
    basis: str = attrs.field(default="", metadata=SENT)
    video_price: Credits | None = attrs.field(default=None, metadata=ADDED)
