"""Share links: anybody who has one sees a verified picture and its receipt, without an account."""

from typing import Annotated, Final
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from rendertrust.api.share_links import CreatedShareLink, ShareLink, ShareLinks
from sql.link_tokens import BYTES, link_token
from sql.share_links import DAYS_MAX, NewShareLink, ShareLinkRow, share_kind, share_link_of
from web.gateway import Gateway
from web.http.operations import Call, Operations, Scope
from web.http.pagination import Window
from web.http.problem import Problem
from web.http.responses import from_row
from web.jobs.job_control import UNIT_NOT_FOUND
from web.jobs.shared_pictures import picture_of
from web.openapi.examples import jobs as examples
from web.routes.auth import Done
from web.routes.units import UnitWord

operations = Operations()
SHARING_OFF: Final = Problem(
    403, "Pictures cannot be shared here: an admin can turn this on", code=RefusalCode.SHARING_OFF
)
NOT_SHAREABLE: Final = Problem(
    409,
    "Only a verified picture of one whole frame of a completed job can be shared, while it is kept",
    code=RefusalCode.PICTURE_NOT_SHAREABLE,
)
SHARE_LINK_NOT_FOUND: Final = Problem(
    404, "Share link not found", code=RefusalCode.SHARE_LINK_NOT_FOUND
)


@attrs.frozen
class NewLink:
    """The lifetime of a new link."""

    days: Annotated[int, Meta(ge=1, le=DAYS_MAX)] = 7


@attrs.frozen
class ShareWindow(Window):
    """Query. ``job_id``: only the links to pictures of this job."""

    job_id: UUID | None = None


@operations.post(
    "/api/v1/jobs/{job_id}/units/{number}/share-links",
    answers={201: CreatedShareLink},
    scope=Scope.JOBS_WRITE,
    words=UnitWord,
    refusals={
        403: "Pictures cannot be shared at this gateway",
        409: "The picture is not verified or no longer kept, or you have too many links",
    },
    absent=UNIT_NOT_FOUND,
    request_example=examples.NEW_SHARE_LINK,
    example=examples.CREATED_SHARE_LINK,
)
async def create(call: Call[NewLink]) -> CreatedShareLink | Problem:
    """Make a public link to the verified picture of a unit.

    Whoever has the link sees the picture and its receipt, and can download both. The link is shown
    in this answer and never again.
    """
    unit = (call.ids["job_id"], int(call.words["number"]))
    days, base = call.body.days, call.base
    return await share(call.gateway, call.caller, *unit, days=days, base=base)


@operations.get(
    "/api/v1/share-links",
    scope=Scope.JOBS_READ,
    example=examples.SHARE_LINKS,
)
async def index(call: Call[None, ShareWindow]) -> ShareLinks:
    """List your share links that have not expired, newest first."""
    rows, window = call.gateway.tables.share_links, call.query
    of, now = (call.caller, window.job_id), call.gateway.ports.clock.now()
    found = await rows.page(*of, now, window.limit, window.offset)
    return ShareLinks(tuple(map(shown, found)), await rows.count(*of, now))


@operations.delete(
    "/api/v1/share-links/{link_id}",
    scope=Scope.JOBS_WRITE,
    absent=SHARE_LINK_NOT_FOUND,
    example=examples.SHARE_LINK_REVOKED,
)
async def revoke(call: Call) -> Done | Problem:
    """Revoke a share link; it stops working at once."""
    return await revoke_link(call.gateway, call.caller, call.ids["link_id"])


async def share(
    gateway: Gateway, user: UUID, job: UUID, number: int, *, days: int, base: str | None
) -> CreatedShareLink | Problem:
    """Make a link to a user's own picture. ``base``: the gateway's address, as the user sees it;
    None: the address in the settings.
    """
    if not gateway.settings.sharing.enabled:
        return SHARING_OFF
    if await picture_of(gateway, user, job, number) is None:
        known = await gateway.tables.jobs.by_id(job, user)
        return UNIT_NOT_FOUND if known is None or number >= known.units else NOT_SHAREABLE
    random, now = gateway.ports.random, gateway.ports.clock.now()
    token = link_token(share_kind(days), random.token(BYTES), now)
    new = NewShareLink(random.uuid(), user, job, number, token.sha256, now, token.expires_at)
    most = gateway.settings.sharing.links_max
    row = await gateway.tables.share_links.insert(new, most)
    if row is None:
        return Problem(
            409,
            f"You already have {most} share links; revoke one first",
            code=RefusalCode.TOO_MANY_SHARE_LINKS,
        )
    link = share_link_of(base or gateway.url(), token.text)
    return CreatedShareLink(**attrs.asdict(shown(row)), link=link)


async def revoke_link(gateway: Gateway, user: UUID, id_: UUID) -> Done | Problem:
    """Revoke a link of a user."""
    if not await gateway.tables.share_links.revoke(id_, user):
        return SHARE_LINK_NOT_FOUND
    return Done("The share link was revoked")


def shown(row: ShareLinkRow) -> ShareLink:
    return from_row(ShareLink, row)
