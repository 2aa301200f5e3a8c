"""Disputes: a creator claims that a unit was not worth its charge; a check or an admin decides."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import attrs
from aiohttp import web
from msgspec import Meta

from actors.ledger.effects import DisputeDecide, DisputeOpen
from actors.ledger.messages import Commit, Found, GuardFailed, GuardReason, Posted
from actors.ports import ObjectInfo
from rendertrust import money
from rendertrust.api.earnings import Dispute, DisputeAnswer, Disputes, PictureRegion
from rendertrust.api.jobs import ResultUrl
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.relay_frames import SHEET_BYTES_MAX
from rendertrust.value_types import Credits, Id
from sql.disputes import DisputeShown
from sql.earnings import GivenComparison
from web.gateway import Gateway
from web.http.operations import TOKEN_REFUSED, Answer, Audience, Call, Operations, Scope
from web.http.pagination import NOT_THERE, Cursor, next_of, span_of
from web.http.problem import Fault, Problem, invalid
from web.http.responses import from_row
from web.identity.acting_user import ActingUser
from web.identity.roles import UserRole
from web.jobs.job_control import UNIT_NOT_FOUND
from web.jobs.job_view import URL_SECONDS
from web.money.ledger_client import commit
from web.openapi.examples import earnings as examples
from web.openapi.examples import jobs
from web.routes.admin import Because, doer_of
from web.routes.thumbnails import HARMLESS

operations = Operations()
PICTURE_MAX: Final = 512 << 10  # bytes
LAST: Final = 1 - 2**-20  # places are from 0 up to, but not including, 1
COMPARISONS_MOST: Final = 20  # most open disputes with a comparison, per creator
WHOLE: Final = 1 + 2**-20  # the right or lower edge of a picture, with rounding
OTHER: Final = "other"
OUTSIDE: Final = invalid([Fault("region", "value", "reaches beyond the picture")])
PNG: Final = b"\x89PNG\r\n\x1a\n"
NO_PICTURE: Final = Problem(
    404, "The unit's dispute has no picture", code=RefusalCode.PICTURE_NOT_FOUND
)
WRONG_PICTURE: Final = invalid([Fault("comparison.picture", "value", "is not a PNG in base64")])
TOO_LARGE: Final = invalid([Fault("comparison.picture", "value", "is larger than 512 KiB")])
DISPUTE_NOT_FOUND: Final = Problem(404, "Dispute not found", code=RefusalCode.DISPUTE_NOT_FOUND)
NOT_ONES_OWN: Final = Problem(
    409,
    "You cannot decide a dispute that you are a party to: ask another admin",
    code=RefusalCode.OWN_MATTER,
)
TOO_MANY: Final = Problem(
    409,
    f"You have {COMPARISONS_MOST} open disputes with a comparison: wait until one is decided,"
    " or dispute the unit without a comparison",
    code=RefusalCode.UNIT_NOT_DISPUTABLE,
)
# The reason for a refusal, by what the Ledger found.
_WHY: Final[Mapping[Found | None, str]] = {
    GuardReason.UNCHARGED: "The unit cost nothing, so there is nothing to refund",
    GuardReason.WINDOW_CLOSED: "The dispute window of the unit has closed",
    GuardReason.DISPUTED: "The unit is already disputed, or its dispute was already decided",
}
Complaining = Annotated[str, Meta(min_length=1, max_length=500)]
DisputeState = Literal["open", "upheld", "rejected"]


@attrs.frozen
class Spot:
    """The place of a region, as fractions of the space that the frame leaves around the region.

    0 is at the left or upper edge of the frame, 1 at the right or lower edge.
    """

    x: Annotated[float, Meta(ge=0, le=1)]
    y: Annotated[float, Meta(ge=0, le=1)]


@attrs.frozen
class Comparison:
    """The result of `rendertrust verify --scene`: its ``verdict`` and ``reason``.

    ``places`` are the regions that differ most. ``picture`` is the side-by-side PNG in base64, at
    most 512 KiB.
    """

    verdict: Literal["exact", "consistent", "different", "undecided"]
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    places: Annotated[list[Spot], Meta(max_length=8)] = attrs.field(factory=list[Spot])
    picture: Annotated[str, Meta(max_length=PICTURE_MAX * 4 // 3 + 4)] | None = attrs.field(
        default=None, repr=False
    )


@attrs.frozen
class Region:
    """A rectangle of a picture, as fractions of its width and height; 0, 0 is the upper left."""

    x: Annotated[float, Meta(ge=0, lt=1)]
    y: Annotated[float, Meta(ge=0, lt=1)]
    width: Annotated[float, Meta(gt=0, le=1)]
    height: Annotated[float, Meta(gt=0, le=1)]

    @property
    def is_inside(self) -> bool:
        """True if the region does not reach beyond the picture, apart from rounding."""
        return self.x + self.width <= WHOLE and self.y + self.height <= WHOLE

    @property
    def shares(self) -> Sequence[float]:
        return (self.x, self.y, self.width, self.height)


@attrs.frozen
class Complaint:
    """A new dispute: why the unit was not worth its charge, for the admin who decides.

    With a ``comparison``, one of the gateway's verifiers renders the whole frame and decides the
    dispute. If no verifier can, an admin decides. ``problem`` is the kind of problem (default
    ``other``), and ``region`` its place in the picture.
    """

    reason: Complaining
    comparison: Comparison | None = None
    problem: Literal["black", "noise", "missing", "size", "differs", "other"] | None = None
    region: Region | None = None


@attrs.frozen
class UnitOfJob:
    """A unit of a job, by its number from 0."""

    unit: Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,8})$", description="a whole number")]


@attrs.frozen
class DisputeQuery(Cursor):
    state: DisputeState | None = None


@attrs.frozen
class AdminQuery(DisputeQuery):
    """Filter for admins. ``by_gateway``: true for disputes that the gateway opened, false for all
    others.
    """

    by_gateway: bool | None = None


@attrs.frozen
class DisputeToDecide(Dispute):
    """A dispute as admins see it.

    ``share`` is what the unit earned for ``operator_id`` (null: the unit earned nothing, or its
    node is unowned).
    ``withheld_until``, for an open dispute that the gateway opened: if no check has decided the
    dispute by then, an admin decides. An admin may also decide earlier.
    """

    user_id: UUID
    operator_id: UUID | None
    share: Credits
    withheld_until: datetime | None


@attrs.frozen
class DisputesToDecide:
    """A page of disputes. ``count`` is the number of matching disputes, ``next`` the ``after`` of
    the next page.
    """

    disputes: list[DisputeToDecide]
    count: int
    next: Id | None


@operations.post(
    "/api/v1/jobs/{job_id}/units/{unit}/dispute",
    scope=Scope.JOBS_WRITE,
    words=UnitOfJob,
    answers={201: Dispute, 200: Dispute},
    refusals={409: "The unit cannot be disputed, or can no longer be disputed"},
    absent=UNIT_NOT_FOUND,
    request_example=examples.COMPLAINT,
    example=examples.DISPUTE,
)
async def open_dispute(call: Call[Complaint]) -> Answer | Problem:
    """Dispute a completed unit of your job, once, before the dispute window of the unit closes.

    The unit's earning stays pending until the decision. Repeating the request answers 200.
    """
    job, unit = call.ids["job_id"], int(call.words["unit"])
    given = given_of(call.body.comparison)
    if isinstance(given, Problem):
        return given
    if (fault := outside(call.body.region)) is not None:
        return fault
    done = await opened(call.gateway, call.caller, job, unit, call.body.reason, given=given)
    if isinstance(done, Problem):
        return done
    row = await reported(call.gateway, done.row, call.body.problem, call.body.region)
    return Answer(201 if done.is_new else 200, shown(row))


def outside(region: Region | None) -> Problem | None:
    """Return the fault of a region that reaches beyond the picture."""
    return None if region is None or region.is_inside else OUTSIDE


async def reported(
    gateway: Gateway, row: DisputeShown, problem: str | None, region: Region | None
) -> DisputeShown:
    """Store what the creator reports about their dispute, and return the dispute with it.

    The first report of a dispute counts. Raises Unavailable.
    """
    if row.by_gateway or (problem is None and region is None):
        return row
    kept = gateway.tables.disputes
    await kept.keep_problem(row.id, problem or OTHER, None if region is None else region.shares)
    return await kept.one(row.id) or row


def given_of(told: Comparison | None) -> GivenComparison | Problem | None:
    """Return the comparison that comes with a dispute, or its fault."""
    if told is None:
        return None
    places = [(min(spot.x, LAST), min(spot.y, LAST)) for spot in told.places]
    picture = None
    if told.picture is not None:
        try:
            picture = base64.b64decode(told.picture, validate=True)
        except ValueError:
            return WRONG_PICTURE
        if not picture.startswith(PNG):
            return WRONG_PICTURE
        if len(picture) > PICTURE_MAX:
            return TOO_LARGE
    return GivenComparison(told.verdict, told.reason, places, picture)


@operations.get(
    "/api/v1/jobs/{job_id}/units/{unit}/dispute/picture",
    scope=Scope.JOBS_READ,
    words=UnitOfJob,
    answers={200: bytes},
    media="image/png",
    refusals={404: "No such dispute of yours or about your work, or it has no picture"},
    absent=UNIT_NOT_FOUND,
)
async def picture(call: Call) -> web.Response | Problem:
    """Get the side-by-side picture that a creator sent with a dispute.

    The picture is for this creator, and for the operator of the node that delivered the frame.
    """
    job, unit = call.ids["job_id"], int(call.words["unit"])
    found = await call.gateway.tables.disputes.comparison_picture(job, unit, call.caller)
    if found is None:
        return NO_PICTURE
    return web.Response(body=found, content_type="image/png", headers=HARMLESS)


@operations.get(
    "/api/v1/jobs/{job_id}/units/{unit}/dispute/check/picture",
    scope=Scope.JOBS_READ,
    words=UnitOfJob,
    refusals={404: "No such dispute of yours or about your work, or no verifier made a picture"},
    absent=UNIT_NOT_FOUND,
    example=jobs.RESULT,
)
async def check_picture(call: Call) -> ResultUrl | Problem:
    """Get the download address of the side-by-side picture that a verifier made for a dispute.

    The PNG shows the delivered frame, the verifier's own render, and their difference. It is for
    the creator, for the operator of the node that delivered the frame, and for admins. It is there
    once a verifier has rendered the frame of a dispute with a comparison, and is kept as long as
    the result.
    """
    job, unit, claims = call.ids["job_id"], int(call.words["unit"]), call.claims
    assert claims is not None, "the operation needs a token"
    is_overseer = claims.role in (UserRole.ADMIN, UserRole.AUDITOR) and claims.scopes is None
    who = None if is_overseer else call.caller
    found = await sheet_of(call.gateway, job, unit, who)
    if found is None:
        return NO_PICTURE
    url = await call.gateway.ports.objects.presign_get(
        found.key, within=URL_SECONDS, base=call.base
    )
    sha256 = None if found.sha256 is None else found.sha256.hex()
    return ResultUrl(str(job), url, URL_SECONDS, found.size, sha256)


async def sheet_of(gateway: Gateway, job: UUID, unit: int, who: UUID | None) -> ObjectInfo | None:
    """Return the comparison sheet of the unit's dispute, if a verifier has uploaded one.

    ``who``: the user who asks and must be the unit's creator or operator; None: anybody may.
    Raises ObjectsUnavailable.
    """
    result = await gateway.tables.disputes.result(job, unit, who)
    found = None if result is None else await gateway.ports.objects.head(result.sheet_key)
    return None if found is None or found.size > SHEET_BYTES_MAX else found


@attrs.frozen
class Opened:
    """A dispute; ``is_new`` is true if this request opened it."""

    row: DisputeShown
    is_new: bool


async def opened(
    gateway: Gateway,
    user: UUID,
    job: UUID,
    unit: int,
    reason: str,
    *,
    given: GivenComparison | None = None,
) -> Opened | Problem:
    """Dispute a unit of the user's job. Raises AskFailed, Unavailable."""
    if given is not None:
        refusal = await _refusal_of_comparison(gateway, user, job, unit)
        if refusal is not None:
            return refusal
    window = timedelta(hours=gateway.settings.earnings.dispute_hours)
    id_ = gateway.ports.random.uuid()
    effect = DisputeOpen(id_, job, unit, user, reason, window, comparison=given)
    outcome = await commit(gateway, Commit(effects=(effect,)))
    found = outcome.found if isinstance(outcome, GuardFailed) else None
    if found is GuardReason.ABSENT:
        return UNIT_NOT_FOUND
    row = await gateway.tables.disputes.of_unit(job, unit)
    is_new = isinstance(outcome, Posted)
    is_same = found is GuardReason.DISPUTED and row is not None and row.reason == reason
    if row is not None and (is_new or is_same):
        if given is not None and is_same and row.state == "OPEN" and not row.by_gateway:
            await gateway.tables.disputes.keep_comparison(row.id, given)
        return Opened(row, is_new=is_new)
    return Problem(
        409,
        _WHY.get(found, f"The unit is {found}; only COMPLETED units can be disputed"),
        code=RefusalCode.UNIT_NOT_DISPUTABLE,
    )


async def _refusal_of_comparison(
    gateway: Gateway, user: UUID, job: UUID, unit: int
) -> Problem | None:
    """Return why a dispute may carry no comparison; None if it may."""
    others = await gateway.tables.disputes.comparisons_beside(user, job, unit)
    return TOO_MANY if others >= COMPARISONS_MOST else None


@operations.get(
    "/api/v1/disputes",
    scope=Scope.JOBS_READ,
    example=examples.DISPUTES,
)
async def index(call: Call[None, DisputeQuery]) -> Disputes | Problem:
    """List your disputes, newest first."""
    found = await _page(call, call.caller)
    if found is None:
        return NOT_THERE
    rows, count = found
    page = call.query
    shown_rows = tuple(shown(row) for row in rows[: page.limit])
    return Disputes(shown_rows, count, next_of(rows, page.limit))


@operations.get(
    "/api/v1/admin/disputes",
    audience=Audience.ADMIN,
    example=examples.OPEN_DISPUTES,
)
async def to_decide(call: Call[None, AdminQuery]) -> DisputesToDecide | Problem:
    """List the disputes of all users, newest first."""
    found = await _page(call, None, by_gateway=call.query.by_gateway)
    if found is None:
        return NOT_THERE
    rows, count = found
    disputes = [whole(row) for row in rows[: call.query.limit]]
    return DisputesToDecide(disputes, count, next_of(rows, call.query.limit))


@operations.post(
    "/api/v1/admin/disputes/{dispute_id}/uphold",
    audience=Audience.ADMIN,
    refusals={409: "The dispute was already decided otherwise, or you are a party to it"},
    absent=DISPUTE_NOT_FOUND,
    request_example=examples.DECISION,
    example=examples.UPHELD_DISPUTE,
)
async def uphold(call: Call[Because]) -> DisputeToDecide | Problem:
    """Uphold a dispute: the charge is refunded, and the unit's earning is reversed."""
    return await _decide(call, upheld=True)


@operations.post(
    "/api/v1/admin/disputes/{dispute_id}/reject",
    audience=Audience.ADMIN,
    refusals={409: "The dispute was already decided otherwise, or you are a party to it"},
    absent=DISPUTE_NOT_FOUND,
    request_example=examples.DECISION,
    example=examples.REJECTED_DISPUTE,
)
async def reject(call: Call[Because]) -> DisputeToDecide | Problem:
    """Reject a dispute: the unit's earning matures when the dispute window is over."""
    return await _decide(call, upheld=False)


async def _decide(call: Call[Because], *, upheld: bool) -> DisputeToDecide | Problem:
    id_, reason = call.ids["dispute_id"], call.body.reason
    row = await decided(doer_of(call), id_, reason, upheld=upheld)
    return row if isinstance(row, Problem) else whole(row)


async def decided(
    doer: ActingUser, id_: UUID, reason: str, *, upheld: bool
) -> DisputeShown | Problem:
    """Decide a dispute as an admin. Raises AskFailed, Unavailable."""
    kept = doer.gateway.tables.disputes
    row = await kept.one(id_)
    if row is None:
        return DISPUTE_NOT_FOUND
    if doer.user in (row.user_id, row.operator_id):
        return NOT_ONES_OWN
    name = "dispute.uphold" if upheld else "dispute.reject"
    details = {"job": str(row.job_id), "unit": row.unit, "charge": money.render(row.charge)}
    act = await doer.act(name, f"dispute:{id_}", reason, details)
    if act is None:
        return TOKEN_REFUSED
    effect = DisputeDecide(row.job_id, row.unit, row.user_id, upheld, act.reason)
    outcome = await commit(doer.gateway, Commit(effects=(effect,), act=act))
    if isinstance(outcome, GuardFailed):
        return Problem(
            409,
            f"The dispute was already decided: it is {outcome.found.lower()}",
            code=RefusalCode.DISPUTE_DECIDED,
        )
    return await kept.one(id_) or DISPUTE_NOT_FOUND


async def _page(
    call: Call[None, Any], user: UUID | None, *, by_gateway: bool | None = None
) -> tuple[list[DisputeShown], int] | None:
    page, kept = call.query, call.gateway.tables.disputes
    state = None if page.state is None else page.state.upper()
    rows = await kept.page(user, state, span_of(page), by_gateway=by_gateway)
    if rows is None:
        return None
    counts = await kept.counts(user, by_gateway=by_gateway)
    return list(rows), sum(counts.values()) if state is None else counts.get(state, 0)


def shown(row: DisputeShown) -> Dispute:
    """Return the row as its creator sees it."""
    return from_row(Dispute, row, **_words(row))


def whole(row: DisputeShown) -> DisputeToDecide:
    """Return the row as admins see it."""
    return from_row(DisputeToDecide, row, **_words(row))


def _words(row: DisputeShown) -> Mapping[str, Any]:
    return {"state": row.state.lower(), "region": region_of(row), "answer": answer_of(row)}


def answer_of(row: DisputeShown) -> DisputeAnswer | None:
    """Return what the operator answered."""
    if row.answer is None or row.answered_at is None:
        return None
    place = None if row.answer_region is None else PictureRegion(*row.answer_region)
    return DisputeAnswer(row.answer, place, row.answered_at)


def region_of(row: DisputeShown) -> PictureRegion | None:
    """Return the place of the problem in the picture."""
    return None if row.region is None else PictureRegion(*row.region)
