"""New job page: uploads files from the browser, checks and submits a job, through the API."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Final, get_args

import attrs
from msgspec import Meta

from rendertrust.frame_range import TEXT_MAX
from rendertrust.job_spec import (
    CHUNK_MAX,
    FORMATS,
    SAMPLES_MAX,
    SIDE_LEAST,
    SIDE_MAX,
    Container,
    Notify,
    Order,
    Pool,
    Priority,
)
from sql.prices import EVERY_OTHER
from web.console.registry import Pages
from web.console.value_markup import address
from web.console.view import Redirect, Shown, View
from web.downloads.addons import offered_addons
from web.jobs.validation import START_MOST
from web.routes import jobs, preflights, quotes, uploads

pages = Pages()
ORDERS: Final[Mapping[Order, str]] = {
    "sequential": "one after the other",
    "every_nth": "every tenth, then the others",
    "middle_first": "both ends, then the middle",
}
POOLS: Final[Mapping[Pool, str]] = {
    "any": "anybody's nodes",
    "trusted": "my nodes and those of users I trust",
    "mine": "my nodes and my organisations': free",
}
MAILS: Final[Mapping[Notify, str]] = {
    "all": "when it completes, fails or reaches its cap",
    "failure": "only if it fails or reaches its cap",
    "none": "none",
}
CHOICES: Final = ("all", "test", "one", "some")  # of the frames to render
# Initial values of the settings that are folded; other values unfold them.
FOLDED: Final[Mapping[str, tuple[str, ...]]] = {
    "type": ("render",),
    "pool": ("", "any"),
    "priority": ("", "normal"),
    "order": ("", "sequential"),
    "chunk": ("", "1"),
    **dict.fromkeys(
        ("tiles", "params", "max_credits", "start_after", "notify", "webhook", "or_newer"),
        ("",),
    ),
}
pages.call("/api/uploads", uploads.operations, uploads.announce)
pages.call("/api/uploads/{upload_id}/parts", uploads.operations, uploads.parts)
pages.call("/api/uploads/{upload_id}/complete", uploads.operations, uploads.complete)
pages.call("/api/jobs/dispatch", jobs.operations, jobs.dispatch)
pages.call("/api/jobs/quote", quotes.operations, quotes.quote)
pages.call("/api/jobs/preflight", preflights.operations, preflights.preflight)


Word = Annotated[str, Meta(max_length=100)]


@attrs.frozen
class NewJobQuery:
    """The form's initial values: the draft of a job.

    ``payload_ref`` and ``manifest``: references of uploads. ``scene_name``: the name of the scene's
    file. ``scene_range``: its first and last frame, like 1:24. ``what``: which frames to render.
    ``bought``: the user comes back from buying credits.
    """

    type: Word = "render"
    payload_ref: Annotated[str, Meta(max_length=500)] = ""
    manifest: Annotated[str, Meta(max_length=500)] = ""
    name: Word = ""
    scene_name: Annotated[str, Meta(max_length=255)] = ""
    scene_range: Word = ""
    what: Word = ""
    frames: Annotated[str, Meta(max_length=TEXT_MAX)] = ""
    width: Word = ""
    height: Word = ""
    samples: Word = ""
    format: Word = ""
    chunk: Word = ""
    tiles: Word = ""
    order: Word = ""
    video: Word = ""
    params: Annotated[str, Meta(max_length=4000)] = ""
    pool: Word = ""
    priority: Word = ""
    max_credits: Word = ""
    start_after: Word = ""
    queue: Word = ""
    or_newer: Word = ""
    notify: Word = ""
    webhook: Word = ""
    bought: Word = ""


@pages.page("/jobs/new", "New job", "new_job.html")
async def new_job(view: View[NewJobQuery]) -> Shown | Redirect:
    """Return the form.

    The script uploads the files that are dropped or chosen, and asks for a preflight
    (POST /jobs/preflight) and, while the form is filled in, for the price (POST /jobs/quote).
    """
    if not view.may_change:
        return Redirect("/console/jobs")
    gateway = view.gateway
    prices = await gateway.tables.prices.now()
    return {
        "formats": FORMATS,
        "orders": ORDERS.items(),
        "containers": get_args(Container),
        "priorities": get_args(Priority),
        "chunk_most": CHUNK_MAX,
        "frames_most": TEXT_MAX,
        "samples_most": SAMPLES_MAX,
        "side": (SIDE_LEAST, SIDE_MAX),
        "given": view.query,
        "what": what_of(view.query),
        "more": any(getattr(view.query, name) not in usual for name, usual in FOLDED.items()),
        # a query without a pool is a new form, where waiting is preset
        "waits": bool(view.query.queue) or not view.query.pool,
        "addons": await asyncio.to_thread(offered_addons, gateway.settings),
        "types": [each.job_type for each in prices if each.job_type != EVERY_OTHER],
        "pools": POOLS.items(),
        "start_days": START_MOST.days,
        "mails": MAILS.items(),
        "endpoints": await gateway.tables.endpoints.of_user(view.who.user),
        "presets": [
            (each.name, address(view.path, each.fields))
            for each in await gateway.tables.presets.of(view.who.user)
        ],
    }


def what_of(query: NewJobQuery) -> str:
    """Return which frames are chosen: the whole animation, unless the draft says otherwise."""
    if query.what in CHOICES:
        return query.what
    return "some" if query.frames else "all"
