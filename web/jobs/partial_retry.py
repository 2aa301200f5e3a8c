"""Partial retries: the owner has not the credits for all that failed."""

from collections.abc import Sequence
from itertools import groupby

import attrs

from rendertrust import money
from sql.jobs import PagedUnit


@attrs.frozen
class PartialRetry:
    """``frames`` frames (or parts) of ``of`` that failed are tried again.

    ``missing``: the units of money that the others need; 0 if all are tried.
    """

    frames: int
    of: int
    missing: int = 0

    @property
    def words(self) -> str:
        """Return a sentence for a partial retry."""
        are = "is" if self.frames == 1 else "are"
        return (
            f"{self.frames} of {self.of} that failed {are} tried again, in their order; for the"
            f" rest {money.render(self.missing)} credits are missing."
        )


def affordable(
    failed: Sequence[PagedUnit], available: int
) -> tuple[Sequence[PagedUnit], PartialRetry]:
    """Return the first units that ``available`` suffices for, and the result.

    The failed units of a frame in tiles are retried together.
    """
    frames = [list(units) for _, units in groupby(sorted(failed, key=_frame), key=_frame)]
    chosen: list[PagedUnit] = []
    count, left = 0, available
    for units in frames:
        left -= sum(unit.price for unit in units)
        if left < 0:
            break
        chosen += units
        count += 1
    takes = sum(unit.price for unit in failed)
    return chosen, PartialRetry(count, len(frames), max(0, takes - available))


def _frame(unit: PagedUnit) -> int:
    return unit.number if unit.feeds is None else unit.feeds
