"""Previews of refunds: find the units that an admin names, and show the sum before it is
refunded.
"""

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import attrs

from rendertrust import money
from rendertrust.frame_range import parse
from sql.credits import RefundableUnit
from sql.job_filters import JobFilter
from sql.jobs import JobViews, ListedJob
from web.console.value_markup import SHORT
from web.gateway import Gateway
from web.http.converter import uuid_of
from web.http.problem import Fault, Problem, invalid
from web.routes.admin_credits import NOT_CHARGED, too_much

ALL: Final = "all"
# As typed, and as shown on pages: "12", "12,3", "frame 12, tile 3 of 4".
PIECE: Final = (
    r"(?:[Ff]rames? )?(?P<frame>-?[0-9]{1,7})"
    r"(?:, ?(?:tile )?(?P<tile>[0-9]{1,2})(?: of [0-9]{1,2})?)?"
)
MOST: Final = 200  # units at once, as each is a separate commit
NEWEST: Final = "-created"
NO_JOB: Final = Problem(404, "There is no such job")
NO_ID: Final = invalid(
    [Fault("job", "value", f"must be its id, or the first {SHORT} characters of it")]
)
SEVERAL: Final = invalid([Fault("job", "value", "matches several jobs: give the full id")])
HEX: Final = frozenset("0123456789abcdef-")


@attrs.frozen
class ChosenUnits:
    """Units that match the typed text. ``several``: all are refunded together, in full."""

    units: Sequence[RefundableUnit]
    several: bool = False
    name: str = ""  # name of a frame with several tiles
    tiles: int = 0  # number of tiles of the unit's frame


@attrs.frozen
class RefundPreview:
    """Units of one job to refund, and their sum. ``left``: how many units remain, to be refunded in
    further steps.

    ``of``: the number of units of the job. ``word``: the word for one of the units.
    """

    job: UUID
    chosen: ChosenUnits
    units: Sequence[RefundableUnit]
    amount: int
    of: int
    left: int = 0

    @property
    def word(self) -> str:
        """Return ``tile``, ``frame``, ``chunk`` or ``unit``, whichever applies to all units of the
        preview.
        """
        first = self.units[0]
        if first.tile is not None:
            return "tile"
        if first.frames is None:
            return "unit"
        return "frame" if len(parse(first.frames)) == 1 else "chunk"


async def refunding(
    gateway: Gateway, user: UUID, name: str, piece: str, amount: str
) -> RefundPreview | Problem:
    """Return the second step of a refund, or a Problem if there is nothing to refund.

    ``name``: the id of one of the user's jobs, or its beginning. ``piece``: a frame, a frame and
    its tile, ALL, a unit's number if units have no frames, or "" for the only unit. ``amount`` "":
    the whole charge.
    """
    job = await _job_of(JobViews(gateway.database), user, name.strip().lower())
    if isinstance(job, Problem):
        return job
    units = await gateway.tables.credits.refundable_units(job)
    chosen = _chosen(units, piece.strip())
    if isinstance(chosen, Problem):
        return chosen
    if chosen.several:
        return _together(job, chosen, amount, len(units))
    return _one(job, chosen, amount, len(units))


def _chosen(units: Sequence[RefundableUnit], piece: str) -> ChosenUnits | Problem:
    if len(units) == 1 and piece in ("", ALL):
        return ChosenUnits(units)
    if piece == ALL:
        return ChosenUnits(units, several=True)
    found = re.fullmatch(PIECE, piece)
    if found is None:
        return _unnamed(units)
    frame = int(found["frame"])
    tile = None if found["tile"] is None else int(found["tile"])
    if any(unit.frames is not None for unit in units):
        return _of_frame(units, frame, tile)
    numbered = [unit for unit in units if unit.number == frame and not tile]
    return ChosenUnits(numbered) if numbered else Problem(404, f"The job has no unit {piece}")


def _of_frame(
    units: Sequence[RefundableUnit], frame: int, tile: int | None
) -> ChosenUnits | Problem:
    found = [unit for unit in units if unit.frames is not None and frame in parse(unit.frames)]
    tiles = [unit for unit in found if unit.tile is not None]
    if not found:
        return Problem(404, f"The job has no frame {frame}")
    if tile is None:
        return ChosenUnits(tiles or found, bool(tiles), f"frame {frame}")
    if not tiles:
        return Problem(404, "The job has no tiles: its frames are rendered whole")
    one = [unit for unit in tiles if unit.tile == tile - 1]
    return ChosenUnits(one, tiles=len(tiles)) if one else _no_tile(frame, tile, len(tiles))


def _no_tile(frame: int, tile: int, tiles: int) -> Problem:
    return Problem(404, f"Frame {frame} has no tile {tile}: they are 1 to {tiles}")


def _unnamed(units: Sequence[RefundableUnit]) -> Problem:
    frames = [number for unit in units if unit.frames is not None for number in parse(unit.frames)]
    tiles = any(unit.tile is not None for unit in units)
    known = (
        f"one of {min(frames)} to {max(frames)}" if frames else f"one from 0 to {len(units) - 1}"
    )
    known += f", perhaps with a tile ({min(frames)},1)" if tiles else ""
    parts = "parts" if frames else "of them"
    words = f"must be {known}, or {ALL}: the job has {len(units)} {parts}"
    return invalid([Fault("frame", "missing", words)])


def _one(job: UUID, chosen: ChosenUnits, amount: str, of: int) -> RefundPreview | Problem:
    [unit] = chosen.units
    if unit.charged == 0:
        return NOT_CHARGED
    units = money.parse(amount) if amount else unit.charged
    if units > unit.charged:
        return too_much(unit.charged)
    if unit.refunded is not None:
        return Problem(
            409, f"The charge was already refunded, with {money.credit_count(unit.refunded)}"
        )
    return RefundPreview(job, chosen, [unit], units, of)


def _together(job: UUID, chosen: ChosenUnits, amount: str, of: int) -> RefundPreview | Problem:
    if amount:
        one = "tile" if chosen.name else "unit"
        several = "several" if chosen.name else "all"
        return invalid(
            [Fault("amount", "value", f"is possible only for one {one}, not for {several}")]
        )
    charged = [each for each in chosen.units if each.charged]
    if not charged:
        return NOT_CHARGED
    left = [each for each in charged if each.refunded is None]
    if not left:
        return Problem(409, "All that was charged was already refunded")
    now = left[:MOST]
    return RefundPreview(job, chosen, now, sum(u.charged for u in now), of, len(left) - len(now))


async def _job_of(views: JobViews, user: UUID, name: str) -> UUID | Problem:
    if uuid_of(name) is None and (len(name) < SHORT or not set(name) <= HEX):
        return NO_ID
    own = await _begin_so(views, user, name)
    if own:
        return own[0].id if len(own) == 1 else SEVERAL
    others = await _begin_so(views, None, name)
    if not others:
        return NO_JOB
    return Problem(404, f"The job belongs to another user, {others[0].email}")


async def _begin_so(views: JobViews, user: UUID | None, name: str) -> Sequence[ListedJob]:
    id_ = uuid_of(name)
    return await views.page(user, JobFilter(id=name if id_ is None else str(id_)), NEWEST, 2, 0)
