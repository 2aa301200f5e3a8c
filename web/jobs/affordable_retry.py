"""Choice of the failed frames of a job that its owner has the credits to retry."""

from collections.abc import Sequence
from itertools import groupby

import attrs

from rendertrust import money
from sql.jobs import PagedUnit


@attrs.frozen
class AffordableRetry:
    """The result of a retry: ``frames`` of the ``of`` failed frames (or chunks) are retried.

    ``missing``: the credits that the owner lacks to retry the other frames, too; 0 if all are
    retried.
    """

    frames: int
    of: int
    missing: int = 0

    @property
    def words(self) -> str:
        """A sentence with the number of retried frames, and the credits missing for the others."""
        are = "is" if self.frames == 1 else "are"
        return (
            f"{self.frames} of {self.of} failed frames {are} retried, in order."
            f" {money.render(self.missing)} credits are missing to retry the others."
        )


def affordable(
    failed: Sequence[PagedUnit], available: int
) -> tuple[Sequence[PagedUnit], AffordableRetry]:
    """Return the first failed units whose total price ``available`` covers, and the result.

    The failed tiles of a frame are retried together or not at all.
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
