"""Refusal to retry units that failed because they take far more work than quoted.

The refusal names the new price, which the creator accepts by submitting the frames as a new job.
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
    """Return the underquoted units of a job by number, each with the refusal to retry it.

    If a tile is underquoted, all tiles of its frame are refused. Raises Unavailable.
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
    """Return why these units cannot be retried together; None if they can. Raises Unavailable."""
    refused = await refused_of(gateway, job) if units else {}
    return next((refused[unit] for unit in units if unit in refused), None)


def _refusal(row: Underquoted, needs: int) -> Problem:
    """Return the refusal for a unit that takes ``needs`` percent of its quoted work."""
    was, new = money.render(row.price), money.render(-(-row.price * needs // 100))
    frames = row.overrun.frames
    one = frames is None or len(parse(frames)) == 1
    named = f"frame{'' if one else 's'} {frames}" if frames is not None else "it"
    words = (
        f"On nodes of three owners the unit took about {needs / 100:.1f} times its quote, so it is"
        f" not retried at {was} credits; it costs about {new} now. Submit {named} again, as a"
        " separate job, at the new quote; or lower its samples or size"
    )
    extra = {"frames": frames, "price": was, "new_price": new}
    return Problem(409, words, extra=extra, code=RefusalCode.UNDERQUOTED)
