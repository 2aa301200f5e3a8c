"""Events of a job, as a stream or page by page."""

from typing import Annotated, Final

import attrs
from aiohttp import hdrs, web
from msgspec import Meta

from actors.event_hub.messages import Follower
from rendertrust.api.refusal_code import RefusalCode
from sql.events import Event, shown
from web.events.event_stream import PAGE, EventStream
from web.http.operations import Call, Operations, Scope
from web.http.problem import Fault, Problem, invalid
from web.jobs.job_control import JOB_NOT_FOUND
from web.openapi.examples import jobs as examples

operations = Operations()
LAST: Final = "Last-Event-ID"
STREAM: Final = "text/event-stream"
NUMBER_MAX: Final = 10**9
BEYOND: Final = Problem(
    409,
    "This job has fewer events than you have seen; start again without a number",
    code=RefusalCode.EVENT_NUMBER_UNKNOWN,
)

Number = Annotated[int, Meta(ge=0, le=NUMBER_MAX)]


@attrs.frozen
class EventQuery:
    """Query. ``after``: the number of the last event that you have seen."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    after: Number = 0


@attrs.frozen
class EventList:
    """A page of events in order.

    ``next`` is the ``after`` of the next page; ``ended``: the job has ended. ``next`` is null if
    nothing more has happened yet.
    """

    events: list[Event]
    next: int | None
    ended: bool


@operations.get(
    "/api/v1/jobs/{job_id}/events",
    scope=Scope.JOBS_READ,
    answers={200: EventList, 204: None},
    also=(STREAM,),
    headers={LAST: "For a stream: the number of the last event that you have seen."},
    refusals={409: "The job has fewer events than you have seen"},
    streams=True,
    absent=JOB_NOT_FOUND,
    example=examples.EVENTS,
)
async def events(call: Call[None, EventQuery]) -> EventList | web.StreamResponse | Problem:
    """Get the events of your job; none is omitted or repeated.

    With `Accept: text/event-stream` the answer continues until the job ends, with `end` as its last
    event. Each event has its number as `id` and its `type` as `event`. Events `unit.progress` have
    no id, and only the newest one is sent. A client that reconnects with `Last-Event-ID` continues
    after that event, at any gateway; the answer is 204 if the job has ended and the client has seen
    all events. Otherwise the answer is a page in JSON.
    """
    if call.request.method == "HEAD" or STREAM not in call.request.headers.get(hdrs.ACCEPT, ""):
        return await _page(call)
    after = _after(call)
    if isinstance(after, Problem):
        return after
    job = call.ids["job_id"]
    first = await call.gateway.tables.events.page(job, call.caller, after, PAGE)
    if first is None:
        return JOB_NOT_FOUND
    if not first.events and await _is_beyond(call, after):
        return BEYOND
    if first.ended and after > 0 and not first.events:
        return web.Response(status=204)
    follower = Follower(job, call.caller, after)
    return await EventStream(call.gateway, call.request, follower).serve(first)


async def _page(call: Call[None, EventQuery]) -> EventList | Problem:
    job, query = call.ids["job_id"], call.query
    page = await call.gateway.tables.events.page(job, call.caller, query.after, query.limit + 1)
    if page is None:
        return JOB_NOT_FOUND
    if not page.events and await _is_beyond(call, query.after):
        return BEYOND
    found = page.events[: query.limit]
    more = len(page.events) > query.limit
    return EventList(
        [shown(job, row) for row in found], found[-1].number if more else None, page.ended
    )


async def _is_beyond(call: Call[None, EventQuery], after: int) -> bool:
    """Return True if the client has seen later events than exist: an older database was
    restored.
    """
    job = call.ids["job_id"]
    return after > 0 and (await call.gateway.tables.events.newest([job])).get(job, 0) < after


def _after(call: Call[None, EventQuery]) -> int | Problem:
    """Return the number of the last event that the client has seen; browsers that reconnect send it
    in the header.
    """
    text = call.request.headers.get(LAST)
    if text is None:
        return call.query.after
    if not (text.isascii() and text.isdigit() and int(text[:10]) <= NUMBER_MAX and len(text) <= 10):
        return invalid([Fault(LAST, "value", "is not the number of an event")])
    return int(text)
