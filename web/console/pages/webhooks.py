"""Webhooks page: a user's endpoints and their deliveries; replay."""

from typing import Annotated, Final, Literal

import attrs
from msgspec import Meta

from rendertrust import webhooks
from sql.webhooks import ENDPOINTS_MAX, EndpointPatch, NewEndpoint
from web.console.registry import RENDERING, Nav, Pages
from web.console.tables import SORTED_MOST, Column, SortQuery, order_by, page_of, table
from web.console.view import Redirect, Shown, View
from web.http.problem import Problem, invalid
from web.routes.endpoints import (
    DELIVERY_NOT_FOUND,
    ENDPOINT_NOT_FOUND,
    FORMER_FOR,
    SECRET_BYTES,
    url_fault,
)

pages = Pages()
PATH: Final = "/console/webhooks"
ROWS: Final = 50
ENDPOINTS: Final = (
    Column("URL", "url"),
    Column("Events"),
    Column("State", "state"),
    Column("Since", "created_at", "time"),
)
DELIVERIES: Final = (
    Column("Event", "type"),
    Column("Job", "job_id"),
    Column("State", "state"),
    Column("Tries", "tries", "number"),
    Column("Answers", "answer"),
    Column("When", "created_at", "time"),
)
TOLD: Final = {"jobs": ("job.*",), "all": ("job.*", "unit.*")}


@attrs.frozen
class NewWebhookForm:
    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    told: Literal["jobs", "all"] = "jobs"


@attrs.frozen
class EnableForm:
    to: Literal["on", "off"]


@attrs.frozen
class WebhooksQuery(SortQuery):
    sort: Annotated[str, order_by(ENDPOINTS)] = ""


@attrs.frozen
class WebhookQuery:
    """Query of the page.

    ``offset`` counts within the newest ``SORTED_MOST``; the API lists older ones.
    """

    sort: Annotated[str, order_by(DELIVERIES)] = ""
    offset: Annotated[int, Meta(ge=0, le=SORTED_MOST)] = 0


@pages.page(
    "/webhooks",
    "Webhooks",
    "webhooks.html",
    nav=Nav("Webhooks", "w", 60, "link", RENDERING),
    live=("rows",),
    own=True,
    topics=("jobs",),
    rest=1.0,
)
async def hooks(view: View[WebhooksQuery]) -> Shown:
    """Return the user's own endpoints, for every role."""
    found = await view.gateway.tables.endpoints.of_user(view.who.user)
    shown = table(found, ENDPOINTS, view.query.sort, "created_at")
    return {"endpoints": shown, "most": ENDPOINTS_MAX}


@pages.page(
    "/webhooks/{endpoint_id}",
    "Webhook",
    "webhook.html",
    live=("state", "rows"),
    own=True,
    topics=("jobs",),
    every=2.0,
    rest=1.0,
    absent=ENDPOINT_NOT_FOUND,
    beginning="endpoints_beginning",
)
async def hook(view: View[WebhookQuery]) -> Shown | Problem:
    """Return the deliveries of an endpoint, newest first."""
    endpoint, rows = view.ids["endpoint_id"], view.gateway.tables.endpoints
    row = await rows.by_id(endpoint, view.who.user)
    if row is None:
        return ENDPOINT_NOT_FOUND
    found = await rows.deliveries(endpoint, view.who.user, SORTED_MOST, None)
    whole = table(found, DELIVERIES, view.query.sort, "-created_at")
    shown = page_of(whole, view.query.offset, ROWS)
    names = await view.gateway.tables.jobs.names({each.job_id for each in shown.rows})
    return {"endpoint": row, "deliveries": shown, "names": names}


@pages.action("/webhooks", form_on="/webhooks")
async def create(view: View[NewWebhookForm]) -> Redirect | Problem:
    """Create an endpoint."""
    gateway, form = view.gateway, view.query
    url = form.url.strip()
    fault = url_fault(gateway, url)
    if fault is not None:
        return invalid([fault])
    secret = gateway.ports.random.token(SECRET_BYTES)
    new = NewEndpoint(gateway.ports.random.uuid(), url, TOLD[form.told], secret, view.now)
    if await gateway.tables.endpoints.insert(view.who.user, new) is None:
        return Problem(409, f"You already have {ENDPOINTS_MAX} endpoints; delete one first")
    return Redirect(
        PATH, f"Events are sent to the endpoint from now on. Its secret: {_shown(secret)}"
    )


@pages.action("/webhooks/{endpoint_id}/rotate", absent=ENDPOINT_NOT_FOUND)
async def rotate(view: View) -> Redirect | Problem:
    """Create a new secret; for a day both secrets sign."""
    gateway, endpoint = view.gateway, view.ids["endpoint_id"]
    secret = gateway.ports.random.token(SECRET_BYTES)
    until = view.now + FORMER_FOR
    if await gateway.tables.endpoints.rotate(endpoint, view.who.user, secret, until) is None:
        return ENDPOINT_NOT_FOUND
    return Redirect(
        f"{PATH}/{endpoint}", f"For a day both secrets sign. The new one: {_shown(secret)}"
    )


@pages.action("/webhooks/{endpoint_id}/switch", absent=ENDPOINT_NOT_FOUND)
async def switch(view: View[EnableForm]) -> Redirect | Problem:
    """Enable or disable an endpoint."""
    endpoint, enabled = view.ids["endpoint_id"], view.query.to == "on"
    wish = EndpointPatch(enabled=enabled)
    if await view.gateway.tables.endpoints.change(endpoint, view.who.user, wish, view.now) is None:
        return ENDPOINT_NOT_FOUND
    said = (
        "The endpoint is enabled; pending deliveries are sent first."
        if enabled
        else "The endpoint is disabled."
    )
    return Redirect(f"{PATH}/{endpoint}", said)


@pages.action("/webhooks/{endpoint_id}/delete", absent=ENDPOINT_NOT_FOUND)
async def delete(view: View) -> Redirect | Problem:
    """Delete an endpoint; its pending deliveries fail."""
    if not await view.gateway.tables.endpoints.delete(view.ids["endpoint_id"], view.who.user):
        return ENDPOINT_NOT_FOUND
    return Redirect(PATH, "The endpoint was deleted; its pending deliveries are not sent.")


@pages.action("/webhooks/deliveries/{delivery_id}/replay", absent=DELIVERY_NOT_FOUND)
async def replay(view: View) -> Redirect | Problem:
    """Send a delivery again under its id."""
    delivery = view.ids["delivery_id"]
    row = await view.gateway.tables.endpoints.replay(delivery, view.who.user, view.now)
    if row is None:
        return DELIVERY_NOT_FOUND
    return Redirect(f"{PATH}/{row.endpoint_id}", f"{row.type} is queued again.")


def _shown(secret: bytes) -> str:
    return f"{webhooks.secret_text(secret)}; save it, it cannot be shown again."
