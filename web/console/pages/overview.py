"""Overview page: the state of everything at a glance."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import attrs

from actors.ports import place_of
from rendertrust.job_name import file_stem
from sql.overview import Inbox, JobThumbnail, Minute, Overview, OwnerInbox
from sql.units import is_result_of
from web.console.alerts import alerts_of
from web.console.job_frames import address_of
from web.console.registry import Nav, Pages
from web.console.tables import Column, SortQuery, Table, order_by, table
from web.console.view import ExternalRedirect, Shown, View
from web.http.problem import Problem
from web.objects.archives import unit_stem
from web.objects.download_names import named_address

pages = Pages()
MINUTES: Final = 60
PICTURES: Final = 8
GATEWAYS: Final = (
    Column("Address", "url"),
    Column("Version", "version"),
    Column("Up since", "since", "time"),
)
MONEY: Final = (
    Column("Day", "day", "time"),
    Column("Bought", "bought", "number"),
    Column("Charged", "charged", "number"),
    Column("Operators", "earned", "number"),
    Column("Platform", "platform", "number"),
    Column("Paid out", "paid", "number"),
)
DISPUTES: Final = "/console/disputes?is=open"
OWN_DISPUTES: Final = "/console/disputes?is=work"
OWN_QUARANTINED: Final = "/console/fleet?is=quarantined"
OWN_NODES: Final = "/console/fleet"
REQUESTED: Final = "/console/payouts?is=requested"
SENT: Final = "/console/payouts?is=approved"
NO_PICTURE: Final = Problem(404, "There is no such picture")


@attrs.frozen
class InboxItem:
    """Something that waits for an admin or the owner of nodes, and the page where it is done."""

    text: str
    href: str


@attrs.frozen
class OverviewQuery(SortQuery):
    sort: Annotated[str, order_by(gateways=GATEWAYS, money=MONEY)] = ""


@pages.page(
    "",
    "Overview",
    "overview.html",
    nav=Nav("Overview", "o", 0, "home"),
    live=("alerts", "figures", "throughput", "pictures", "gateways", "money"),
    topics=("jobs",),
    every=5.0,
    rest=0.5,
)
async def overview(view: View[OverviewQuery]) -> Shown:
    """Return nodes, jobs, credits, log, throughput, pictures, inbox, gateways and money by day."""
    rows, owner, now = Overview(view.gateway.database), view.owner, view.now
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    everything = owner is None
    nodes, log = await rows.nodes(owner), await rows.log()
    return {
        "jobs": await rows.jobs(owner, today),
        "nodes": nodes,
        "money": await rows.money(owner, today),
        "sold": view.gateway.console.prices.of_credits,
        "log": log,
        "anchoring": bool(view.gateway.settings.chain.url),
        "chart": throughput_of(await rows.throughput(owner, begin), begin),
        "images": [shot_of(each) for each in await rows.pictures(owner, PICTURES)],
        "alerts": await alerts_of(view.gateway, nodes) if everything else [],
        "inbox": inbox_of(await rows.inbox())
        if owner is None
        else inbox_of_owner(await rows.inbox_of_owner(owner)),
        "days": await days_of(view) if everything else None,
        "gateways": table(
            view.gateway.console.gateways.living(view.gateway.url()),
            *(GATEWAYS, view.query.sort, "", "gateways"),
        ),
        "here": view.gateway.console.gateways.id,
        "everything": everything,
    }


async def days_of(view: View[OverviewQuery]) -> Table:
    """Return the table of money by day."""
    days = await view.gateway.console.money.days(view.gateway.database, view.now)
    return table(days, MONEY, view.query.sort, "-day", "money")


def inbox_of(found: Inbox) -> Sequence[InboxItem]:
    """Return what waits for an admin, each with the page where it is done."""
    return _items(
        (found.disputes, "dispute", "waits for a decision", "wait for a decision", DISPUTES),
        (found.requested, "payout", "waits for approval", "wait for approval", REQUESTED),
        (found.approved, "payout", "is approved, not yet paid", "are approved, not yet paid", SENT),
    )


def inbox_of_owner(found: OwnerInbox) -> Sequence[InboxItem]:
    """Return what waits for the owner of nodes."""
    disputed = ("dispute", "about your work waits for an answer", "about your work wait for one")
    return _items(
        (found.disputes, *disputed, OWN_DISPUTES),
        (found.quarantined, "node", "is in quarantine", "are in quarantine", OWN_QUARANTINED),
        (found.failing, "node", "fails often", "fail often", OWN_NODES),
    )


def _items(*items: tuple[int, str, str, str, str]) -> Sequence[InboxItem]:
    return [
        InboxItem(f"1 {noun} {one}" if number == 1 else f"{number:,} {noun}s {many}", href)
        for number, noun, one, many, href in items
        if number
    ]


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
    units = await view.gateway.tables.jobs.unit_page(view.ids["job"], -1, 1)
    stem = file_stem(row.name)
    stem = unit_stem(stem, units[0]) if units else stem
    return ExternalRedirect(await named_address(view.gateway, place.key, stem, view.base))


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
        "name": row.name,
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
    if not done + sum(failed):
        said = "No job ended in the last hour."
    return {"drawn": drawn, "said": said}
