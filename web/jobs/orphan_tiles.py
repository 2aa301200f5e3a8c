"""Tiles that were delivered, but whose frame cannot be completed at present."""

from typing import Final

from rendertrust import money
from rendertrust.api.jobs import LooseTiles
from rendertrust.job_status import STOPPED
from sql.jobs import ConsoleJob, OrphanTilesRow, OwnerJobRow
from web.gateway import Gateway

# Shown where tiles are requested, beside the price.
WORDS: Final = (
    "Each tile is charged as it is delivered, even if its frame is never completed because another"
    " tile failed or the job was stopped. The tile can still be downloaded. Assembling the tiles"
    " costs nothing, and can be retried."
)


async def orphan_tiles_shown(gateway: Gateway, job: OwnerJobRow) -> LooseTiles | None:
    """Return a job's orphan tiles in the form of the API; None without orphan tiles."""
    row = await orphan_tiles_of(gateway, job)
    return None if row is None else LooseTiles(row.tiles, row.checking, money.render(row.charged))


async def orphan_tiles_of(gateway: Gateway, job: OwnerJobRow | ConsoleJob) -> OrphanTilesRow | None:
    """Return a job's orphan tiles from the database; None without orphan tiles."""
    is_stopped = job.status == "CANCELLED" or job.paused == STOPPED
    if job.units == 1 or not (job.failed or is_stopped):
        return None
    row = await gateway.tables.jobs.loose_tiles(job.id)
    return row if row.tiles else None
