"""What of a job is tried again where its owner has not the credits for all of it."""

from collections.abc import Sequence
from itertools import groupby

import attrs

from rendertrust import money
from sql.jobs import PagedUnit


@attrs.frozen
class PartialRetry:
    """So many frames (or parts) that failed are tried again, of so many.

    ``missing``: for the others so many units of money are missing; 0: they are all.
    """

    frames: int
    of: int
    missing: int = 0

    @property
    def words(self) -> str:
        """Of some that are not all."""
        are = "is" if self.frames == 1 else "are"
        return (
            f"{self.frames} of {self.of} that failed {are} tried again, in their order; for the"
            f" rest {money.render(self.missing)} credits are missing."
        )


def affordable(
    failed: Sequence[PagedUnit], available: int
) -> tuple[Sequence[PagedUnit], PartialRetry]:
    """The first of these units whose price is there, and what of all that is.

    What failed of a frame in tiles is tried again together.
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
