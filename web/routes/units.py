"""Units of a job: list them with state, result and cost; retry a failed one."""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

import attrs
from msgspec import Meta

from actors.kernel import AskFailed
from actors.notifier.messages import Notifier, ProgressOfUnits
from actors.ports import place_of
from rendertrust import money
from rendertrust.api.units import Unit, Units
from sql.jobs import PagedUnit
from sql.units import is_result_of
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem
from web.http.responses import from_row
from web.jobs.job_control import JOB_NOT_FOUND, UNIT_NOT_FOUND
from web.jobs.job_view import PROGRESS_SECONDS, URL_SECONDS
from web.jobs.retry import retry_units
from web.jobs.wait_reasons import reasons_of
from web.openapi.examples import jobs as examples

operations = Operations()
NUMBER_MAX: Final = 10**7

Number = Annotated[int, Meta(ge=0, le=NUMBER_MAX)]


@attrs.frozen
class UnitQuery:
    """Page of units. ``after``: the number of the last unit of the previous page."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    after: Annotated[int, Meta(ge=-1, le=NUMBER_MAX)] = -1


@attrs.frozen
class UnitWord:
    """the unit's number within the job"""

    number: Number


@operations.get(
    "/api/v1/jobs/{job_id}/units",
    scope=Scope.JOBS_READ,
    absent=JOB_NOT_FOUND,
    example=examples.UNITS,
)
async def units(call: Call[None, UnitQuery]) -> Units | Problem:
    """List the units of a job by number, with the results of complete units."""
    job, page = call.ids["job_id"], call.query
    row = await call.gateway.tables.jobs.by_id(job, call.caller)
    if row is None:
        return JOB_NOT_FOUND
    rows = await call.gateway.tables.jobs.unit_page(job, page.after, page.limit + 1)
    reasons = await reasons_of(call.gateway, row, rows[: page.limit])
    progress = await _progress_of(call, job, rows)
    shown = [
        attrs.evolve(
            await _shown(call, unit),
            waiting=reasons.get(unit.number),
            progress=progress.get((unit.number, unit.attempt)),
        )
        for unit in rows[: page.limit]
    ]
    return Units(tuple(shown), row.units, _next(rows, page.limit))


@operations.post(
    "/api/v1/jobs/{job_id}/units/{number}/retry",
    scope=Scope.JOBS_WRITE,
    words=UnitWord,
    refusals={
        402: "Insufficient credits",
        404: "Job or unit not found",
        409: (
            "The unit has not failed or was underquoted, its job was cancelled,"
            " or the input has expired"
        ),
    },
    absent=UNIT_NOT_FOUND,
    example=examples.UNIT_AGAIN,
)
async def retry(call: Call) -> Unit | Problem:
    """Retry a failed unit; the same price as before is held again.

    For a frame in tiles all failed tiles are retried. A unit that takes far more than its quote is
    refused: `code` is `underquoted`, and `new_price` is about what its `frames` cost as a new job,
    instead of `price`.
    """
    job, number, gateway = call.ids["job_id"], int(call.words["number"]), call.gateway
    if await gateway.tables.jobs.by_id(job, call.caller) is None:
        return JOB_NOT_FOUND
    refused = await retry_units(gateway, job, call.caller, (number,))
    if refused is not None:
        return refused
    rows = await gateway.tables.jobs.unit_page(job, number - 1, 1)
    return await _shown(call, rows[0]) if rows else UNIT_NOT_FOUND


def _next(rows: Sequence[PagedUnit], limit: int) -> int | None:
    return rows[limit - 1].number if len(rows) > limit else None


async def _progress_of(
    call: Call[None, UnitQuery], job: UUID, rows: Sequence[PagedUnit]
) -> dict[tuple[int, int], float]:
    """Return the progress of the running units by number and attempt, as far as it is known."""
    running = {(row.number, row.attempt) for row in rows if row.state == "RUNNING"}
    if not running:
        return {}
    notifier = call.gateway.registry.ref(Notifier)
    try:
        reported = await notifier.ask(ProgressOfUnits(job), within=PROGRESS_SECONDS)
    except AskFailed:
        return {}
    found = {(one.unit, one.attempt): one.value for one in reported}
    return {key: found[key] for key in running & found.keys()}


async def _shown(call: Call[None, UnitQuery] | Call, row: PagedUnit) -> Unit:
    done = row.state == "COMPLETED"
    return from_row(
        Unit,
        row,
        frames=row.frames or row.frame,
        charged=money.render(row.paid),
        waits_for=row.missing,
        given_back=row.refund_reason,
        size=row.result_size,
        sha256=None if row.result_sha256 is None else row.result_sha256.hex(),
        download_url=await _url(call, row) if done or row.state == "VERIFYING" else None,
    )


async def _url(call: Call[None, UnitQuery] | Call, row: PagedUnit) -> str | None:
    """Return the result's download URL; None unless the gateway derived its key for this user."""
    place = None if row.result_key is None else place_of(row.result_key)
    if place is None or place.bucket != call.gateway.settings.objects.bucket:
        return None
    if not is_result_of(call.caller, place.key):
        return None
    return await call.gateway.ports.objects.presign_get(
        place.key, within=URL_SECONDS, base=call.base
    )
