"""Overview page: the state of everything at a glance."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import attrs

from actors.ports import place_of
from sql.overview import JobThumbnail, Minute, Overview
from sql.units import is_result_of
from web.console.alerts import alerts_of
from web.console.job_frames import address_of
from web.console.registry import Nav, Pages
from web.console.tables import Column, SortQuery, order_by, table
from web.console.view import ExternalRedirect, Shown, View
from web.http.problem import Problem

pages = Pages()
MINUTES: Final = 60
PICTURES: Final = 8
URL_SECONDS: Final = 3600
GATEWAYS: Final = (
    Column("Address", "url"),
    Column("Version", "version"),
    Column("Up since", "since", "time"),
)
NO_PICTURE: Final = Problem(404, "There is no such picture")


@attrs.frozen
class OverviewQuery(SortQuery):
    sort: Annotated[str, order_by(gateways=GATEWAYS)] = ""


@pages.page(
    "",
    "Overview",
    "overview.html",
    nav=Nav("Overview", "o", 0, "home"),
    live=("alerts", "figures", "throughput", "pictures", "gateways"),
    topics=("jobs",),
    every=5.0,
    rest=0.5,
)
async def overview(view: View[OverviewQuery]) -> Shown:
    """Return nodes, jobs, credits, log, throughput, pictures, alerts and gateways."""
    rows, owner, now = Overview(view.gateway.database), view.owner, view.now
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    everything = owner is None
    nodes, log = await rows.nodes(owner), await rows.log()
    return {
        "jobs": await rows.jobs(owner, today),
        "nodes": nodes,
        "money": await rows.money(owner, today),
        "log": log,
        "anchoring": bool(view.gateway.settings.chain.url),
        "chart": throughput_of(await rows.throughput(owner, begin), begin),
        "images": [shot_of(each) for each in await rows.pictures(owner, PICTURES)],
        "alerts": await alerts_of(view.gateway, nodes, log) if everything else [],
        "gateways": table(
            view.gateway.console.gateways.living(view.gateway.url()),
            *(GATEWAYS, view.query.sort, "", "gateways"),
        ),
        "here": view.gateway.console.gateways.id,
        "everything": everything,
    }


@pages.page("/pictures/{job}", "Picture", "", absent=NO_PICTURE)
async def picture(view: View) -> ExternalRedirect | Problem:
    """Redirect to a job's picture, if the user may see it."""
    row = await Overview(view.gateway.database).result(view.owner, view.ids["job"])
    place = None if row is None or row.result_ref is None else place_of(row.result_ref)
    ours = view.gateway.settings.objects.bucket
    if row is None or place is None or place.bucket != ours:
        return NO_PICTURE
    if not is_result_of(row.user_id, place.key):
        return NO_PICTURE
    return ExternalRedirect(
        await view.gateway.ports.objects.presign_get(place.key, within=URL_SECONDS, base=view.base)
    )


def shot_of(row: JobThumbnail) -> Mapping[str, Any]:
    """Return a picture, as a thumbnail if there is one, and its link."""
    whole = f"/console/pictures/{row.id}"
    small = (
        None
        if row.frame is None
        else address_of(row.id, row.frame, row.made_at or row.completed_at)
    )
    return {
        "id": row.id,
        "file": row.file,
        "frames": row.frames,
        "at": row.completed_at,
        "src": small or whole,
        "href": whole if row.units == 1 else f"/console/jobs/{row.id}",
    }


def throughput_of(minutes: Sequence[Minute], begin: datetime) -> Mapping[str, Any]:
    """Return the chart's data: every minute of the last hour, including empty ones."""
    known = {each.minute: each for each in minutes}
    at = [begin + timedelta(minutes=number) for number in range(MINUTES)]
    completed = [known[m].completed if m in known else 0 for m in at]
    failed = [known[m].failed if m in known else 0 for m in at]
    drawn = {
        "at": [int(minute.timestamp()) for minute in at],
        "kind": "bars",
        "whole": True,
        "series": [
            {"label": "completed", "values": completed, "tone": "accent"},
            {"label": "failed", "values": failed, "tone": "bad"},
        ],
    }
    most, done = max(completed), sum(completed)
    said = (
        f"{done:,} job{'' if done == 1 else 's'} completed and {sum(failed):,} failed in the "
        f"last hour; maximum {most:,} completed in a minute."
    )
    return {"drawn": drawn, "said": said}
