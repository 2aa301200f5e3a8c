"""Pictures that their creators may share: the verified result of one unit of a COMPLETED job."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import attrs

from actors.ports import place_of
from rendertrust.frame_range import parse
from rendertrust.job_types import RENDER
from sql.jobs import PagedUnit
from sql.receipts import ReceiptRow
from sql.units import is_result_of
from web.gateway import Gateway


@attrs.frozen
class SharedPicture:
    """A picture with its receipt. ``key``: its object; ``frame``: its frame, if the job names it.

    ``params``: the parameters of its job.
    """

    receipt: ReceiptRow
    key: str = attrs.field(repr=False)
    size: int | None
    frame: int | None
    params: Mapping[str, Any] = attrs.field(repr=False)


async def picture_of(gateway: Gateway, user: UUID, job: UUID, number: int) -> SharedPicture | None:
    """Return the picture of a unit of the user's own job; None unless it may be shared now.

    That is: the job is COMPLETED, the unit is one whole frame, its result was verified and is
    stored, and no dispute of it was upheld.
    """
    row = await gateway.tables.jobs.past(job, user)
    if row is None or row.status != "COMPLETED" or row.plan.job_type != RENDER:
        return None
    units = await gateway.tables.jobs.unit_page(job, number - 1, 1)
    unit = next((each for each in units if each.number == number), None)
    if unit is None or not _is_whole_and_verified(unit) or row.plan.params.get("noisy"):
        return None
    place = None if unit.result_key is None else place_of(unit.result_key)
    frames = frames_of(unit)
    if place is None or place.bucket != gateway.settings.objects.bucket or len(frames) > 1:
        return None
    receipt = await gateway.tables.receipts.of(job, number, user)
    if receipt is None or not is_result_of(user, place.key):
        return None
    return SharedPicture(
        receipt=receipt,
        key=place.key,
        size=unit.result_size,
        frame=next(iter(frames), None),
        params=row.plan.params,
    )


def frames_of(unit: PagedUnit) -> tuple[int, ...]:
    """Return the unit's frames; none if its scene says which frame is rendered."""
    named = unit.frames or unit.frame
    return tuple(parse(named)) if named else ()


def _is_whole_and_verified(unit: PagedUnit) -> bool:
    return unit.state == "COMPLETED" and unit.verified and unit.tile is None
