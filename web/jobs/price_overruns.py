"""Units that failed because they take far more than quoted: not retried at that price.

The creator is shown the new price, and accepts it by submitting the frames as a new job.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from uuid import UUID

from rendertrust import money
from rendertrust.frame_range import parse
from sql.overruns import Underquoted, agreed
from web.gateway import Gateway
from web.http.problem import Problem
from web.http.refusal_code import RefusalCode


async def refused_of(gateway: Gateway, job: UUID) -> Mapping[int, Problem]:
    """Return the units of a job that are not retried, by number, and why; all tiles of a frame.

    Raises Unavailable.
    """
    rows = await gateway.tables.preflights.underquoted(job)
    found: dict[int, Problem] = {}
    for _, each in groupby(rows, key=lambda row: row.overrun.unit):
        of_unit = list(each)
        needs = agreed(row.overrun for row in of_unit)
        if needs is not None:
            found |= dict.fromkeys(of_unit[0].together, _refusal(of_unit[0], needs))
    return found


async def refusal_of(gateway: Gateway, job: UUID, units: Sequence[int]) -> Problem | None:
    """Return why these cannot be retried together; None if they can. Raises Unavailable."""
    refused = await refused_of(gateway, job) if units else {}
    return next((refused[unit] for unit in units if unit in refused), None)


def _refusal(row: Underquoted, needs: int) -> Problem:
    """Return the refusal; ``needs`` is the percentage of the quote that it takes."""
    was, new = money.render(row.price), money.render(-(-row.price * needs // 100))
    frames = row.overrun.frames
    one = frames is None or len(parse(frames)) == 1
    named = f"frame{'' if one else 's'} {frames}" if frames is not None else "it"
    words = (
        f"Nodes of three owners found that it takes about {needs / 100:.1f} times its quote, so it"
        f" is not tried again for {was} credits, but for about {new}. Submit {named} again, as a"
        " separate job, at the new quote; or lower its samples or size"
    )
    extra = {"frames": frames, "price": was, "new_price": new}
    return Problem(409, words, extra=extra, code=RefusalCode.UNDERQUOTED)
