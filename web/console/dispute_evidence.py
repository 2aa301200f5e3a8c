"""Evidence beside a dispute: the delivered file, the log of its attempt, and its receipt."""

from datetime import datetime
from uuid import UUID

import attrs
import orjson

from actors.ports import ObjectsUnavailable
from rendertrust.api.events import AttemptLog
from rendertrust.frame_range import parse
from sql.disputes import DisputeShown
from web.console.job_frames import is_displayed
from web.console.receipt_page import compared_of, distance_of, job_type_of, meaning_of, verifier_of
from web.gateway import Gateway
from web.jobs.attempt_logs import attempts_of
from web.objects.download_names import stored_key
from web.routes.disputes import sheet_of


@attrs.frozen
class DeliveredFile:
    """The delivered result of a disputed unit. ``is_displayed``: browsers can display it.
    ``is_stored``: it is in the gateway's store.
    """

    href: str
    size: int | None
    is_displayed: bool
    attempt: int
    is_stored: bool


@attrs.frozen
class ReceiptSummary:
    """A receipt in words. ``meaning``: what its verdict means."""

    verdict: str
    meaning: str
    compared: str
    distance: str | None
    verifier: str | None
    device_class: str
    issued_at: datetime
    sha256: str


async def delivered_of(
    gateway: Gateway, row: DisputeShown, *, is_for_operator: bool
) -> DeliveredFile | None:
    """Return the result of the disputed unit; None if there is none, or it has been deleted.

    Operators get it only if its creator reported a problem, not if the gateway withholds a share.
    """
    if not is_for_operator:
        return await delivered_file(gateway, row.job_id, row.unit)
    found = None if row.by_gateway else await delivered_file(gateway, row.job_id, row.unit)
    href = f"/console/disputes/{row.id}/delivered"
    return attrs.evolve(found, href=href) if found is not None and found.is_stored else None


async def delivered_file(gateway: Gateway, job_id: UUID, number: int) -> DeliveredFile | None:
    """Return the result of a unit; None if there is none, or it has been deleted."""
    jobs = gateway.tables.jobs
    job, units = await jobs.past(job_id, None), await jobs.unit_page(job_id, number - 1, 1)
    unit = next((each for each in units if each.number == number), None)
    if job is None or unit is None or unit.state != "COMPLETED" or unit.result_key is None:
        return None
    frames = 1 if unit.frames is None else len(parse(unit.frames))
    return DeliveredFile(
        f"/console/frames/{job_id}?unit={number}&of={unit.attempt}",
        unit.result_size,
        is_displayed(job.plan.job_type, job.plan.params, frames),
        unit.attempt,
        stored_key(gateway, job.user_id, unit) is not None,
    )


async def log_of(gateway: Gateway, row: DisputeShown) -> AttemptLog | None:
    """Return the log of the attempt that delivered the disputed unit, if lines of it are kept."""
    logs = await attempts_of(gateway, row.job_id, row.unit)
    found = [one for one in logs if one.completed and one.lines]
    return max(found, key=lambda one: one.attempt, default=None)


async def receipt_of(gateway: Gateway, row: DisputeShown) -> ReceiptSummary | None:
    """Return the receipt of the disputed unit, which its creator, its operator and admins may see;
    None if its node signed nothing.
    """
    shown = await gateway.tables.receipts.shown(row.job_id, row.unit)
    if shown is None:
        return None
    document = orjson.loads(shown.document)
    return ReceiptSummary(
        verdict=document["verdict"],
        meaning=meaning_of(document["verdict"], document.get("reason"), job_type_of(document)),
        compared=compared_of(shown),
        distance=distance_of(shown),
        verifier=verifier_of(shown),
        device_class=shown.device_class,
        issued_at=shown.issued_at,
        sha256=shown.hash.hex(),
    )


async def has_sheet(gateway: Gateway, row: DisputeShown) -> bool:
    """Return True if a verifier has uploaded a comparison sheet, before or after the decision."""
    try:
        return await sheet_of(gateway, row.job_id, row.unit, None) is not None
    except ObjectsUnavailable:
        return False
