"""Share links of the user's own pictures: the page that makes one, and the lists that end them."""

from typing import Annotated, Any, Final
from uuid import UUID

import attrs
from msgspec import Meta

from web.console.registry import Pages
from web.console.tables import Column, Table, order_by, table
from web.console.view import Redirect, Shown, View
from web.gateway import Gateway
from web.http.problem import Problem
from web.jobs.job_control import JOB_NOT_FOUND
from web.jobs.shared_pictures import picture_of
from web.routes.share_links import SHARE_LINK_NOT_FOUND, revoke_link, share

pages = Pages()
ACCOUNT: Final = "/console/account"
LISTED_MOST: Final = 1_000
SHARES: Final = (
    Column("Picture", "job_id"),
    Column("Made", "created_at", "time"),
    Column("Expires", "expires_at", "time"),
)
LIFETIMES: Final = ((1, "In a day"), (7, "In 7 days"), (30, "In 30 days"), (90, "In 90 days"))
Number = Annotated[int, Meta(ge=0, le=10**7)]


@attrs.frozen
class SharePageQuery:
    unit: Number = 0
    sort: Annotated[str, order_by(shares=SHARES)] = ""


@attrs.frozen
class ShareForm:
    unit: Number
    days: Annotated[int, Meta(ge=1, le=90)] = 7


@attrs.frozen
class RevokedShareForm:
    which: UUID


async def shares_of(view: View[Any], sort: str, job: UUID | None = None) -> Table:
    """Return the user's share links; with ``job``, only those of the job."""
    rows = view.gateway.tables.share_links
    found = await rows.page(view.who.user, job, view.now, LISTED_MOST, 0)
    return table(found, SHARES, sort, "-created_at", "shares")


def is_sharing(gateway: Gateway) -> bool:
    """Return True if the farm lets creators share pictures."""
    return gateway.settings.sharing.enabled


@pages.page(
    "/jobs/{id}/share",
    "Share a picture",
    "share.html",
    absent=JOB_NOT_FOUND,
    own=True,
    beginning="jobs_beginning",
)
async def ask(view: View[SharePageQuery]) -> Shown | Problem:
    """Return the form for a link to the picture of a unit, and the links of the job."""
    job, user, gateway = view.ids["id"], view.who.user, view.gateway
    row = await gateway.tables.jobs.by_id(job, user)
    if row is None:
        return JOB_NOT_FOUND
    picture = await picture_of(gateway, user, job, view.query.unit)
    return {
        "job": row,
        "unit": view.query.unit,
        "named": None if picture is None else picture.frame,
        "is_on": is_sharing(gateway),
        "may_share": is_sharing(gateway) and picture is not None and view.may_change,
        "lifetimes": LIFETIMES,
        "shares": await shares_of(view, view.query.sort, job),
    }


@pages.action("/jobs/{id}/share", absent=JOB_NOT_FOUND, form_on="/jobs/{id}/share")
async def make(view: View[ShareForm]) -> Redirect | Problem:
    """Make a link, which the next page shows once."""
    job, form = view.ids["id"], view.query
    unit = (view.who.user, job, form.unit)
    made = await share(view.gateway, *unit, days=form.days, base=view.base)
    if isinstance(made, Problem):
        return made
    said = "The link is made. Copy it now: it is not shown again."
    return Redirect(f"/console/jobs/{job}/share?unit={form.unit}", said, once=made.link)


@pages.action("/jobs/{id}/share/revoke", absent=SHARE_LINK_NOT_FOUND)
async def revoke(view: View[RevokedShareForm]) -> Redirect | Problem:
    """Revoke a link, on a page of its job."""
    return await _revoked(view, f"/console/jobs/{view.ids['id']}/share")


@pages.action("/account/shares/revoke", absent=SHARE_LINK_NOT_FOUND, on_own_account=True)
async def revoke_on_account(view: View[RevokedShareForm]) -> Redirect | Problem:
    """Revoke a link, on the user's account page."""
    return await _revoked(view, ACCOUNT)


async def _revoked(view: View[RevokedShareForm], there: str) -> Redirect | Problem:
    done = await revoke_link(view.gateway, view.who.user, view.query.which)
    return done if isinstance(done, Problem) else Redirect(there, "The link is revoked.")
