"""Addresses of results that browsers save under the job's name."""

from uuid import UUID

from actors.ports import ObjectMissing, ObjectsUnavailable, place_of
from rendertrust.file_types import HEAD_BYTES, suffix_of
from sql.jobs import PagedUnit, PastJob
from sql.units import is_result_of
from web.gateway import Gateway
from web.jobs.job_view import URL_SECONDS
from web.objects.archives import unit_stem


async def result_address(
    gateway: Gateway, job: PastJob, number: int, stem: str, base: str | None
) -> str | None:
    """Return an address of the result of a unit; None if there is none.

    ``stem``: the beginning of its file name, before the frame.
    """
    units = await gateway.tables.jobs.unit_page(job.id, number - 1, 1)
    unit = next((each for each in units if each.number == number), None)
    key = None if unit is None else stored_key(gateway, job.user_id, unit)
    if unit is None or key is None:
        return None
    return await named_address(gateway, key, unit_stem(stem, unit), base)


def stored_key(gateway: Gateway, user: UUID, unit: PagedUnit) -> str | None:
    """Return the key of a completed unit's result; None unless it is in the gateway's store."""
    place = None if unit.result_key is None else place_of(unit.result_key)
    if unit.state != "COMPLETED" or place is None:
        return None
    is_ours = place.bucket == gateway.settings.objects.bucket and is_result_of(user, place.key)
    return place.key if is_ours else None


async def named_address(gateway: Gateway, key: str, stem: str, base: str | None) -> str:
    """Return an address of a result; ``stem``: its file name without the suffix of its type."""
    objects = gateway.ports.objects
    try:
        suffix = suffix_of(await objects.piece(key, 0, HEAD_BYTES))
    except (ObjectMissing, ObjectsUnavailable):
        suffix = ""
    name = f"{stem}{suffix}"
    return await objects.presign_get(key, within=URL_SECONDS, base=base, name=name)
