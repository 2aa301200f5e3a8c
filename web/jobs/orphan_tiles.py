"""Tiles that were delivered and charged, but whose frame cannot be completed at present."""

from typing import Final

from rendertrust import money
from rendertrust.api.jobs import LooseTiles
from sql.jobs import ConsoleJob, OrphanTilesRow, OwnerJobRow
from web.gateway import Gateway

STOPPED: Final = "stopped"
# Shown where tiles are requested, beside the price.
WORDS: Final = (
    "Each tile is charged as it is delivered, also where its frame does not come to be: because"
    " another tile of it failed, or the job was stopped. It can be downloaded all the same. Putting"
    " tiles together costs nothing, and can be tried again."
)


async def loose_tiles(gateway: Gateway, job: OwnerJobRow) -> LooseTiles | None:
    """Return a job's loose tiles as the API shows them; None without any."""
    row = await loose_of(gateway, job)
    return None if row is None else LooseTiles(row.tiles, row.checking, money.render(row.charged))


async def loose_of(gateway: Gateway, job: OwnerJobRow | ConsoleJob) -> OrphanTilesRow | None:
    """Return them in units of money."""
    is_stopped = job.status == "CANCELLED" or job.paused == STOPPED
    if job.units == 1 or not (job.failed or is_stopped):
        return None
    row = await gateway.tables.jobs.loose_tiles(job.id)
    return row if row.tiles else None
