"""Attempts that took far longer than their units were quoted, and what follows from several."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

OWNERS: Final = 3  # whose nodes must agree: one alone may be slow, or want a better price


@attrs.frozen
class Overrun:
    """One attempt. ``percent``: about how much of the quoted work it takes. ``owner``: whose node
    it was then. ``frames`` are its unit's, where they were asked for.
    """

    job: UUID
    unit: int
    attempt: int
    node: UUID
    owner: UUID | None
    percent: int
    at: datetime
    frames: str | None = None


@attrs.frozen
class Underquoted:
    """One at a unit that failed: ``price`` is what the unit costs, in units of money, ``together``
    are the numbers of what is tried again with it.
    """

    overrun: Overrun
    price: int
    together: tuple[int, ...]


def agreed(overruns: Iterable[Overrun]) -> int | None:
    """What of the quote it takes, in percent: of what each owner's newest attempt says, the middle;
    None: fewer than three owners say so. Nodes of nobody are one owner's.
    """
    newest = sorted(overruns, key=lambda one: one.attempt)
    said = sorted({one.owner: one.percent for one in newest}.values())
    return said[(len(said) - 1) // 2] if len(said) >= OWNERS else None
