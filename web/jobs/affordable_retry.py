"""Retry as many failed frames as the owner's credits suffice for."""

from collections.abc import Sequence
from itertools import groupby

import attrs

from rendertrust import money
from sql.jobs import PagedUnit


@attrs.frozen
class AffordableRetry:
    """The result of a retry: ``frames`` of the ``of`` failed frames (or parts) are tried again.

    ``missing``: the money that retrying the other frames would take; 0 if all are tried again.
    """

    frames: int
    of: int
    missing: int = 0

    @property
    def words(self) -> str:
        """Say how many frames are tried again, and how many credits the rest would take."""
        are = "is" if self.frames == 1 else "are"
        return (
            f"{self.frames} of {self.of} that failed {are} tried again, in their order; for the"
            f" rest {money.render(self.missing)} credits are missing."
        )


def affordable(
    failed: Sequence[PagedUnit], available: int
) -> tuple[Sequence[PagedUnit], AffordableRetry]:
    """Return the first failed units whose prices ``available`` covers, and the result.

    The failed tiles of a frame are retried together.
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
    return chosen, AffordableRetry(count, len(frames), max(0, takes - available))


def _frame(unit: PagedUnit) -> int:
    return unit.number if unit.feeds is None else unit.feeds
