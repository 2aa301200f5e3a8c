"""New job page: uploads a file from the browser and submits a job, both through the API."""

from typing import Annotated, Final

import attrs
from msgspec import Meta

from rendertrust.frame_range import TEXT_MAX
from rendertrust.job_spec import CHUNK_MAX, FORMATS, SAMPLES_MAX, SIDE_LEAST, SIDE_MAX
from sql.prices import EVERY_OTHER
from web.console.registry import Pages
from web.console.view import Redirect, Shown, View
from web.jobs.validation import START_MOST
from web.routes import jobs, preflights, quotes, uploads

pages = Pages()
ORDERS: Final = (
    ("sequential", "one after the other"),
    ("every_nth", "every tenth, then the others"),
    ("middle_first", "both ends, then the middle"),
)
POOLS: Final = (
    ("any", "anybody's"),
    ("trusted", "mine and those of users I trust"),
    ("mine", "mine and my organisations': free"),
)
SENT_AT_ONCE: Final = uploads.PUT_BYTES_MAX
pages.call("/api/uploads", uploads.operations, uploads.announce)
pages.call("/api/uploads/{upload_id}/complete", uploads.operations, uploads.complete)
pages.call("/api/jobs/dispatch", jobs.operations, jobs.dispatch)
pages.call("/api/jobs/quote", quotes.operations, quotes.quote)
pages.call("/api/jobs/preflight", preflights.operations, preflights.preflight)


Word = Annotated[str, Meta(max_length=100)]


@attrs.frozen
class NewJobQuery:
    """The form's initial values. ``payload_ref``: the reference of an uploaded file."""

    type: Word = "render"
    payload_ref: Annotated[str, Meta(max_length=500)] = ""
    frames: Annotated[str, Meta(max_length=TEXT_MAX)] = ""
    width: Word = ""
    height: Word = ""
    samples: Word = ""
    format: Word = ""
    chunk: Word = ""
    tiles: Word = ""
    order: Word = ""
    params: Annotated[str, Meta(max_length=4000)] = ""
    pool: Word = ""
    priority: Word = ""
    max_credits: Word = ""
    start_after: Word = ""
    queue: Word = ""


@pages.page("/jobs/new", "New job", "new_job.html")
async def new_job(view: View[NewJobQuery]) -> Shown | Redirect:
    """Return the form.

    The script asks for the price while the form is filled in (POST /jobs/quote), and for a
    preflight on demand (POST /jobs/preflight).
    """
    if not view.may_change:
        return Redirect("/console/jobs")
    gateway = view.gateway
    prices = await gateway.tables.prices.now()
    return {
        "formats": FORMATS,
        "orders": ORDERS,
        "chunk_most": CHUNK_MAX,
        "frames_most": TEXT_MAX,
        "samples_most": SAMPLES_MAX,
        "side": (SIDE_LEAST, SIDE_MAX),
        "most": SENT_AT_ONCE,
        "given": view.query,
        # a query without a pool is a new form, where waiting is preset
        "waits": bool(view.query.queue) or not view.query.pool,
        "types": [each.job_type for each in prices if each.job_type != EVERY_OTHER],
        "pools": POOLS,
        "start_days": START_MOST.days,
    }
