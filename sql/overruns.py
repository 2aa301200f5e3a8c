"""Overruns: attempts that took far longer than quoted, and what follows from several."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

# owners whose nodes must agree: a single node may be slow, or its owner may hope for a better price
OWNERS: Final = 3


@attrs.frozen
class Overrun:
    """An attempt that took far longer than quoted.

    ``percent``: the estimated work of the attempt, in percent of the quoted work. ``owner``: the
    owner of the node at that time. ``frames``: the frames of the unit, if its job has frames.
    ``measured``: the unit was quoted by measured work.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID
    owner: UUID | None
    percent: int
    at: datetime
    frames: str | None = None
    measured: bool = True


@attrs.frozen
class Underquoted:
    """An overrun of a failed unit.

    ``price``: the unit's price, in units of money. ``together``: numbers of the units that are
    retried with it.
    """

    overrun: Overrun
    price: int
    together: tuple[int, ...]


def agreed(overruns: Iterable[Overrun]) -> int | None:
    """Return the agreed work in percent of the quote; None if fewer than three owners agree.

    The result is the median over the owners' newest attempts. All nodes without an owner count as
    nodes of one owner.
    """
    newest = sorted(overruns, key=lambda one: one.attempt)
    said = sorted({one.owner: one.percent for one in newest}.values())
    return said[(len(said) - 1) // 2] if len(said) >= OWNERS else None
