"""Disputes page: creators open disputes, admins decide them, and both see the transfers.

The operator of a unit whose dispute has a comparison sees the comparison and the decision.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import attrs
from msgspec import Meta

from actors.ports import ObjectsUnavailable
from rendertrust.frame_range import parse
from sql.disputes import DisputableUnit, DisputeShown
from sql.page import Page
from web.console.job_frames import is_displayed
from web.console.registry import RENDERING, Nav, Pages
from web.console.tables import SORTED_MOST, Column, one_of, order_by, page_of, table
from web.console.view import ADMINS, ExternalRedirect, Picture, Redirect, Shown, View
from web.gateway import Gateway
from web.http.problem import Problem
from web.identity.acting_user import ActingUser
from web.jobs.job_control import JOB_NOT_FOUND
from web.jobs.job_view import URL_SECONDS
from web.routes.admin import Because
from web.routes.disputes import DISPUTE_NOT_FOUND, Complaining, decided, opened, sheet_of

pages = Pages()
PATH: Final = "/console/disputes"
ROWS: Final = 50
USUAL: Final = "-opened_at"
TABS: Final = (("Open", "open"), ("Upheld", "upheld"), ("Rejected", "rejected"))
WITHHELD: Final = "withheld"
OWN: Final = (
    Column("Work", "job_id"),
    Column("Why", "reason"),
    Column("Charge", "charge", "number"),
    Column("State", "state"),
    Column("Opened", "opened_at", "time"),
    Column("Decided", "decided_at", "time"),
)
ALL: Final = (OWN[0], Column("User", "email"), *OWN[1:])


@attrs.frozen
class DisputesQuery:
    is_: Annotated[str, one_of(WITHHELD, *(word for _, word in TABS))] = ""
    sort: Annotated[str, order_by(ALL)] = ""
    offset: Annotated[int, Meta(ge=0, le=SORTED_MOST)] = 0


@attrs.frozen
class DisputedUnitForm:
    """Form that names the unit to dispute. For a frame in tiles, ``unit`` is the unit that merges
    the tiles.
    """

    unit: Annotated[int, Meta(ge=0, le=10**7)] = 0


@attrs.frozen
class ComplaintForm:
    reason: Complaining
    unit: Annotated[int, Meta(ge=0, le=10**7)]


@pages.page(
    "/disputes",
    "Disputes",
    "disputes.html",
    nav=Nav("Disputes", "e", 45, "warn", RENDERING),
    live=("tabs", "rows"),
    topics=("jobs",),
    every=10.0,
    rest=1.0,
)
async def disputes(view: View[DisputesQuery]) -> Shown:
    """Return the user's disputes, or all users' for admins and auditors."""
    views, query = view.gateway.tables.disputes, view.query
    withheld = query.is_ == WITHHELD
    state, which = ("OPEN", True) if withheld else (query.is_.upper() or None, None)
    found = await views.page(view.owner, state, Page(SORTED_MOST), by_gateway=which) or ()
    counts = await views.counts(view.owner)
    of_gateway = await views.withheld() if view.owner is None else None
    columns = ALL if view.owner is None else OWN
    return {
        "rows": page_of(table(found, columns, query.sort, USUAL), query.offset, ROWS),
        "everybody": view.owner is None,
        "tabs": [
            ("All", None, sum(counts.values()), not query.is_),
            *((name, word, counts.get(word.upper(), 0), word == query.is_) for name, word in TABS),
            *([("Withheld", WITHHELD, of_gateway.number, withheld)] if of_gateway else []),
        ],
        "now": view.now,
    }


@pages.page(
    "/disputes/{id}",
    "Dispute",
    "dispute.html",
    live=("state",),
    topics=("jobs",),
    every=5.0,
    rest=1.0,
    absent=DISPUTE_NOT_FOUND,
)
async def dispute(view: View) -> Shown | Problem:
    """Return a dispute: subject, state, and the transfers of its decision."""
    views, everybody = view.gateway.tables.disputes, view.owner is None
    row = await _visible(view)
    if row is None:
        return DISPUTE_NOT_FOUND
    is_about_ones_work = view.owner not in (None, row.user_id)
    return {
        "title": f"Dispute of job {str(row.job_id)[:8]}",
        "row": row,
        "is_about_ones_work": is_about_ones_work,
        "entries": () if is_about_ones_work else await views.entries(row.id, everybody=everybody),
        "comparison": await views.comparison(row.id),
        "has_sheet": await _has_sheet(view.gateway, row),
        "delivered": None if is_about_ones_work else await delivered_of(view.gateway, row),
        "everybody": everybody,
        "now": view.now,
        "may_decide": view.is_admin
        and row.state == "OPEN"
        and view.who.user not in (row.user_id, row.operator_id),
    }


async def _visible(view: View[Any]) -> DisputeShown | None:
    """Return the dispute if the user may see it.

    The operator of the disputed unit may if the dispute has a comparison.
    """
    views = view.gateway.tables.disputes
    row = await views.one(view.ids["id"])
    if row is None or view.owner in (None, row.user_id):
        return row
    is_operators = row.operator_id == view.owner and await views.comparison(row.id) is not None
    return row if is_operators else None


async def _has_sheet(gateway: Gateway, row: DisputeShown) -> bool:
    """Return True if a check has ended, and its verifier has uploaded a comparison sheet."""
    if row.state == "OPEN" and row.finding is None:
        return False
    try:
        return await sheet_of(gateway, row.job_id, row.unit, None) is not None
    except ObjectsUnavailable:
        return False


@attrs.frozen
class DeliveredFile:
    """The delivered result of a disputed unit; ``is_displayed``: browsers can display it."""

    href: str
    size: int | None
    is_displayed: bool


async def delivered_of(gateway: Gateway, row: DisputeShown) -> DeliveredFile | None:
    """Return the result of the disputed unit; None if there is none, or it has been deleted."""
    jobs = gateway.tables.jobs
    job, units = (
        await jobs.past(row.job_id, None),
        await jobs.unit_page(row.job_id, row.unit - 1, 1),
    )
    unit = next((each for each in units if each.number == row.unit), None)
    if job is None or unit is None or unit.state != "COMPLETED" or unit.result_key is None:
        return None
    frames = 1 if row.frames is None else len(parse(row.frames))
    return DeliveredFile(
        f"/console/frames/{row.job_id}?unit={row.unit}&of={unit.attempt}",
        unit.result_size,
        is_displayed(job.plan.job_type, job.plan.params, frames),
    )


@pages.page("/disputes/{id}/picture", "Picture", "", absent=DISPUTE_NOT_FOUND)
async def picture(view: View) -> Picture | Problem:
    """Return the side-by-side picture of a dispute, as its creator sent it."""
    row = await _visible(view)
    views = view.gateway.tables.disputes
    found = row and await views.comparison_picture(row.job_id, row.unit, view.owner)
    return Picture(found, "image/png") if found else DISPUTE_NOT_FOUND


@pages.page("/disputes/{id}/check", "Picture", "", absent=DISPUTE_NOT_FOUND)
async def check_picture(view: View) -> ExternalRedirect | Problem:
    """Redirect to the side-by-side picture that a verifier made for a dispute."""
    row = await _visible(view)
    found = row and await sheet_of(view.gateway, row.job_id, row.unit, None)
    if not found:
        return DISPUTE_NOT_FOUND
    objects = view.gateway.ports.objects
    return ExternalRedirect(
        await objects.presign_get(found.key, within=URL_SECONDS, base=view.base)
    )


@pages.page(
    "/jobs/{id}/dispute",
    "Dispute",
    "dispute_new.html",
    absent=JOB_NOT_FOUND,
)
async def ask(view: View[DisputedUnitForm]) -> Shown | Problem:
    """Return the form for a dispute: the charged units, and the reason."""
    job, user = view.ids["id"], view.who.user
    row = await view.gateway.tables.jobs.by_id(job, user)
    if row is None:
        return JOB_NOT_FOUND
    return {
        "job": row,
        "unit": view.query.unit,
        "units": await disputable(view.gateway, user, job, view.query.unit, view.now),
        "hours": view.gateway.settings.earnings.dispute_hours,
    }


async def disputable(
    gateway: Gateway, user: UUID, job: UUID, unit: int, now: datetime
) -> Sequence[DisputableUnit]:
    """Return what can be disputed now: the given unit, or the tiles that it merges."""
    since = window_of(gateway, now)
    return await gateway.tables.disputes.open_to(user, job, unit, since=since, now=now)


def window_of(gateway: Gateway, now: datetime) -> datetime:
    """Return the time since which a unit must have ended to be disputable now."""
    return now - timedelta(hours=gateway.settings.earnings.dispute_hours)


@pages.action("/jobs/{id}/dispute", absent=JOB_NOT_FOUND, form_on="/jobs/{id}/dispute")
async def open_one(view: View[ComplaintForm]) -> Redirect | Problem:
    """Open a dispute, in the same way as the API."""
    form = view.query
    done = await opened(view.gateway, view.who.user, view.ids["id"], form.unit, form.reason)
    if isinstance(done, Problem):
        return done
    words = (
        "The dispute is open: an admin decides it."
        if done.is_new
        else "The unit was already disputed."
    )
    return Redirect(f"{PATH}/{done.row.id}", words)


@pages.action("/disputes/{id}/uphold", who=ADMINS, absent=DISPUTE_NOT_FOUND)
async def uphold(view: View[Because]) -> Redirect | Problem:
    """Uphold a dispute: the charge is refunded and the unit's earning reversed."""
    return await _decide(view, upheld=True, said="The dispute is upheld: the charge is refunded.")


@pages.action("/disputes/{id}/reject", who=ADMINS, absent=DISPUTE_NOT_FOUND)
async def reject(view: View[Because]) -> Redirect | Problem:
    """Reject a dispute."""
    return await _decide(view, upheld=False, said="The dispute is rejected: the charge remains.")


async def _decide(view: View[Any], *, upheld: bool, said: str) -> Redirect | Problem:
    doer = ActingUser(view.gateway, view.who.user, view.request_id)
    done = await decided(doer, view.ids["id"], view.query.reason, upheld=upheld)
    return done if isinstance(done, Problem) else Redirect(f"{PATH}/{view.ids['id']}", said)
