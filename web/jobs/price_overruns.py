"""Units that failed because they take far more than they were quoted: not done at that price again.

Their creator is asked for the new price: he submits their frames as a job of its own, and agrees.
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
    """By number, those units of a job that are not tried again, and why; of a frame in tiles all
    that are tried together. Raises Unavailable.
    """
    rows = await gateway.preflights.underquoted(job)
    found: dict[int, Problem] = {}
    for _, each in groupby(rows, key=lambda row: row.overrun.unit):
        of_unit = list(each)
        needs = agreed(row.overrun for row in of_unit)
        if needs is not None:
            found |= dict.fromkeys(of_unit[0].together, _refusal(of_unit[0], needs))
    return found


async def refusal_of(gateway: Gateway, job: UUID, units: Sequence[int]) -> Problem | None:
    """Why these cannot be tried again together; None: they can. Raises Unavailable."""
    refused = await refused_of(gateway, job) if units else {}
    return next((refused[unit] for unit in units if unit in refused), None)


def _refusal(row: Underquoted, needs: int) -> Problem:
    """``needs``: percent of the quote that it takes."""
    was, new = money.render(row.price), money.render(-(-row.price * needs // 100))
    frames = row.overrun.frames
    one = frames is None or len(parse(frames)) == 1
    named = f"frame{'' if one else 's'} {frames}" if frames is not None else "it"
    words = (
        f"Nodes of three owners found that it takes about {needs / 100:.1f} times its quote, so it"
        f" is not tried again for {was} credits, but for about {new}. Submit {named} again, as a"
        " job of its own, at the new quote; or lower its samples or size"
    )
    extra = {"frames": frames, "price": was, "new_price": new}
    return Problem(409, words, extra=extra, code=RefusalCode.UNDERQUOTED)
