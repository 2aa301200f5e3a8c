"""Disputes page: creators open disputes, operators answer them, and admins decide them.

Operators see the disputes about their nodes' work, with the disputed picture but without the
creator's words.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import attrs
from msgspec import Meta

from sql.disputes import DisputableUnit, DisputeShown
from sql.page import Page
from web.console.dispute_evidence import (
    delivered_file,
    delivered_of,
    has_sheet,
    log_of,
    receipt_of,
)
from web.console.registry import RENDERING, Nav, Pages
from web.console.tables import SORTED_MOST, Column, one_of, order_by, page_of, table
from web.console.view import ADMINS, ExternalRedirect, Picture, Redirect, Shown, View
from web.gateway import Gateway
from web.http.problem import Fault, Problem, invalid
from web.identity.acting_user import ActingUser
from web.jobs.job_control import JOB_NOT_FOUND
from web.jobs.job_view import URL_SECONDS
from web.objects.download_names import result_address
from web.routes.admin import Because
from web.routes.dispute_answers import ANSWER_MOST, AnswerText, answered, is_about_work
from web.routes.disputes import (
    DISPUTE_NOT_FOUND,
    Region,
    decided,
    opened,
    reported,
    sheet_of,
)

pages = Pages()
PATH: Final = "/console/disputes"
ROWS: Final = 50
USUAL: Final = "-opened_at"
PROBLEMS: Final = {
    "black": "It is black or empty",
    "noise": "It has noise or artefacts",
    "missing": "Something is missing",
    "size": "It has the wrong size or format",
    "differs": "It differs from my own render",
    "other": "Something else",
}
HALF_A_PLACE: Final = invalid(
    [
        Fault(
            "place",
            "value",
            "needs all four numbers, in percent of the picture: left and top below 100, width and"
            " height above 0",
        )
    ]
)
OUTSIDE_FORM: Final = invalid(
    [
        Fault(
            "place",
            "value",
            "reaches beyond the picture: left and width, and top and height, must be at most 100"
            " together",
        )
    ]
)
TABS: Final = (("Open", "open"), ("Upheld", "upheld"), ("Rejected", "rejected"))
STATES: Final = ("OPEN", "UPHELD", "REJECTED")
Tab: TypeAlias = tuple[str, str | None, int, bool]  # label, parameter, number, and True if shown
WITHHELD: Final = "withheld"
WORK: Final = "work"
OWN: Final = (
    Column("Work", "job_id"),
    Column("Why", "reason"),
    Column("Amount", "amount", "number"),
    Column("State", "state"),
    Column("Opened", "opened_at", "time"),
    Column("Decided", "decided_at", "time"),
)
OF_BOTH: Final = (OWN[0], Column("About", "about"), *OWN[1:])
ALL: Final = (OWN[0], Column("User", "email"), *OWN[1:])


@attrs.frozen
class DisputesQuery:
    is_: Annotated[str, one_of(WITHHELD, WORK, *(word for _, word in TABS))] = ""
    sort: Annotated[str, order_by((*ALL, OF_BOTH[1]))] = ""
    offset: Annotated[int, Meta(ge=0, le=SORTED_MOST)] = 0


@attrs.frozen
class DisputeLine:
    """A row of the list. ``is_about_work``: the user's node did the disputed work."""

    dispute: DisputeShown
    is_about_work: bool

    @property
    def about(self) -> str:
        """The user's part in the dispute."""
        return "Your node's work" if self.is_about_work else "Your job"

    @property
    def job_id(self) -> UUID:
        """The job."""
        return self.dispute.job_id

    @property
    def email(self) -> str:
        """The address of the creator."""
        return self.dispute.email

    @property
    def reason(self) -> str:
        """The creator's words, or for the operator the kind of problem."""
        if not self.is_about_work:
            return self.dispute.reason
        if self.dispute.by_gateway:
            return "The gateway withholds the earning"
        return PROBLEMS[self.dispute.problem or "other"]

    @property
    def amount(self) -> int:
        """The charge, or for the operator the earning."""
        return self.dispute.share if self.is_about_work else self.dispute.charge

    @property
    def state(self) -> str:
        """The state of the dispute."""
        return self.dispute.state

    @property
    def opened_at(self) -> datetime:
        """When it was opened."""
        return self.dispute.opened_at

    @property
    def decided_at(self) -> datetime | None:
        """When it was decided."""
        return self.dispute.decided_at


@attrs.frozen
class DisputedUnitForm:
    """Form that names the unit to dispute. For a frame in tiles, ``unit`` is the unit that merges
    the tiles.
    """

    unit: Annotated[int, Meta(ge=0, le=10**7)] = 0


Percent = Annotated[
    str, Meta(pattern=r"^$|^(100|[0-9]{1,2})(\.[0-9]{1,2})?$", description="a number from 0 to 100")
]


@attrs.frozen(kw_only=True)
class PlaceFields:
    """A place in the picture, in percent of its width and height; all empty: the whole picture."""

    left: Percent = ""
    top: Percent = ""
    width: Percent = ""
    height: Percent = ""

    def region(self) -> Region | Problem | None:
        """Return the place, or what is wrong with it."""
        texts = (self.left, self.top, self.width, self.height)
        if not any(texts):
            return None
        if not all(texts):
            return HALF_A_PLACE
        x, y, width, height = (float(text) / 100 for text in texts)
        region = Region(x, y, width, height)
        if not width or not height or x >= 1 or y >= 1:
            return HALF_A_PLACE
        return region if region.is_inside else OUTSIDE_FORM


@attrs.frozen
class ProblemForm(PlaceFields):
    """Form of a problem and its place in the picture."""

    problem: Literal["black", "noise", "missing", "size", "differs", "other"]
    unit: Annotated[int, Meta(ge=0, le=10**7)]
    reason: Annotated[str, Meta(max_length=500)] = ""


@attrs.frozen
class DisputeAnswerForm(PlaceFields):
    """Form of an operator's answer, and its place in the picture."""

    text: AnswerText


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
    """Return the disputes of the user's jobs and about their nodes' work; those of all users for
    admins and auditors.
    """
    query, user = view.query, view.owner
    if user is None:
        return await _of_everybody(view)
    views = view.gateway.tables.disputes
    own, of_work = await views.counts(user), await views.counts_about_work(user)
    is_work, state = query.is_ == WORK, query.is_.upper() or None
    if is_work:
        found = await views.about_work(user, None, Page(SORTED_MOST)) or ()
    else:
        found = await views.of_user(user, state, SORTED_MOST)
    lines = [DisputeLine(row, is_about_work(row, user)) for row in found]
    tabs = _tabs(query.is_, {word: own.get(word, 0) + of_work.get(word, 0) for word in STATES})
    if of_work:
        tabs.append(("About your nodes", WORK, sum(of_work.values()), is_work))
    return _listed(view, lines, OF_BOTH if of_work else OWN, tabs)


async def _of_everybody(view: View[DisputesQuery]) -> Shown:
    views, which = view.gateway.tables.disputes, view.query.is_
    withheld = await views.withheld()
    state, by_gateway = ("OPEN", True) if which == WITHHELD else (which.upper() or None, None)
    found = await views.page(None, state, Page(SORTED_MOST), by_gateway=by_gateway) or ()
    tabs = _tabs(which, await views.counts(None))
    tabs.append(("Withheld", WITHHELD, withheld.number, which == WITHHELD))
    return _listed(view, [DisputeLine(row, is_about_work=False) for row in found], ALL, tabs)


def _tabs(chosen: str, counts: Mapping[str, int]) -> list[Tab]:
    """Return the tabs of all disputes and of each state."""
    tabs: list[Tab] = [("All", None, sum(counts.values()), not chosen)]
    by_state = [(name, word, counts.get(word.upper(), 0), word == chosen) for name, word in TABS]
    return [*tabs, *by_state]


def _listed(
    view: View[DisputesQuery],
    lines: Sequence[DisputeLine],
    columns: Sequence[Column],
    tabs: Sequence[Tab],
) -> Shown:
    query = view.query
    return {
        "rows": page_of(table(lines, columns, query.sort, USUAL), query.offset, ROWS),
        "everybody": view.owner is None,
        "of_both": columns is OF_BOTH,
        "tabs": tabs,
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
    beginning="disputes_beginning",
)
async def dispute(view: View) -> Shown | Problem:
    """Return a dispute: subject, state, evidence, and the transfers of its decision.

    The operator of the disputed unit sees the problem, the delivered picture, the pictures of the
    comparison and the receipt, but not the creator's words and the log. They may answer once,
    before the decision.
    """
    views, everybody = view.gateway.tables.disputes, view.owner is None
    row = await _visible(view)
    if row is None:
        return DISPUTE_NOT_FOUND
    is_about_ones_work = view.owner not in (None, row.user_id)
    about = f"job {str(row.job_id)[:8]}" if is_about_ones_work else row.job_name
    unnamed = "other" if is_about_ones_work and not row.by_gateway else ""
    return {
        "title": f"Dispute of {about}",
        "row": row,
        "is_about_ones_work": is_about_ones_work,
        "entries": () if is_about_ones_work else await views.entries(row.id, everybody=everybody),
        "comparison": await views.comparison(row.id),
        "has_sheet": await has_sheet(view.gateway, row),
        "problem": PROBLEMS.get(row.problem or unnamed),
        "delivered": await delivered_of(view.gateway, row, is_for_operator=is_about_ones_work),
        "log": None if is_about_ones_work else await log_of(view.gateway, row),
        "receipt": await receipt_of(view.gateway, row),
        "everybody": everybody,
        "now": view.now,
        "may_answer": row.state == "OPEN"
        and row.answer is None
        and is_about_work(row, view.who.user),
        "answer_most": ANSWER_MOST,
        "may_decide": view.is_admin
        and row.state == "OPEN"
        and view.who.user not in (row.user_id, row.operator_id),
    }


async def _visible(view: View[Any]) -> DisputeShown | None:
    """Return the dispute if the user may see it: its creator, the operator of the disputed unit,
    admins and auditors.
    """
    row = await view.gateway.tables.disputes.one(view.ids["id"])
    may = row is not None and view.owner in (None, row.user_id, row.operator_id)
    return row if may else None


@pages.page("/disputes/{id}/delivered", "Picture", "", absent=DISPUTE_NOT_FOUND)
async def delivered_picture(view: View) -> ExternalRedirect | Problem:
    """Redirect to the delivered file, for the operator whose node made it, if its creator reported
    a problem.
    """
    row = await _visible(view)
    job = None if row is None else await view.gateway.tables.jobs.past(row.job_id, None)
    if row is None or job is None or row.by_gateway:
        return DISPUTE_NOT_FOUND
    stem = str(row.job_id)[:8]  # operators do not see the job's name
    where = await result_address(view.gateway, job, row.unit, stem, view.base)
    return DISPUTE_NOT_FOUND if where is None else ExternalRedirect(where)


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
    "Report a problem",
    "dispute_new.html",
    absent=JOB_NOT_FOUND,
)
async def ask(view: View[DisputedUnitForm]) -> Shown | Problem:
    """Return the form for a problem: the charged units, the kinds of problems, and the picture."""
    job, user = view.ids["id"], view.who.user
    row = await view.gateway.tables.jobs.by_id(job, user)
    if row is None:
        return JOB_NOT_FOUND
    return {
        "job": row,
        "unit": view.query.unit,
        "problems": PROBLEMS.items(),
        "picture": await delivered_file(view.gateway, job, view.query.unit),
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
async def open_one(view: View[ProblemForm]) -> Redirect | Problem:
    """Open a dispute, in the same way as the API."""
    form = view.query
    region, reason = form.region(), form.reason.strip() or PROBLEMS[form.problem]
    if isinstance(region, Problem):
        return region
    done = await opened(view.gateway, view.who.user, view.ids["id"], form.unit, reason)
    if isinstance(done, Problem):
        return done
    await reported(view.gateway, done.row, form.problem, region)
    words = (
        "The dispute is open: an admin decides it."
        if done.is_new
        else "The unit was already disputed."
    )
    return Redirect(f"{PATH}/{done.row.id}", words)


@pages.action("/disputes/{id}/answer", absent=DISPUTE_NOT_FOUND, form_on="/disputes/{id}")
async def answer(view: View[DisputeAnswerForm]) -> Redirect | Problem:
    """Keep what the operator of the disputed unit answers, in the same way as the API."""
    region, id_ = view.query.region(), view.ids["id"]
    if isinstance(region, Problem):
        return region
    done = await answered(view.gateway, view.who.user, id_, view.query.text, region)
    if isinstance(done, Problem):
        return done
    return Redirect(f"{PATH}/{id_}", "Your answer is kept: the admin who decides reads it.")


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
