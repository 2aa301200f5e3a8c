"""Webhook endpoints: URLs that receive the events of a user's jobs, and their deliveries."""

from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust import webhooks
from rendertrust.api.events import Deliveries, Delivery, Hook, Hooks, HookWithSecret, Reply
from rendertrust.api.refusal_code import RefusalCode
from sql.webhooks import ENDPOINTS_MAX, DeliveryRow, EndpointPatch, EndpointRow, NewEndpoint
from supervisors.engines.webhook_http import refused
from web.gateway import Gateway
from web.http.operations import Call, Operations, Scope
from web.http.pagination import next_of
from web.http.problem import Fault, Problem, invalid
from web.http.responses import from_row
from web.openapi.examples import reference as examples
from web.routes.auth import Done

ENDPOINT_NOT_FOUND: Final = Problem(404, "Endpoint not found", code=RefusalCode.ENDPOINT_NOT_FOUND)
operations = Operations(absent=ENDPOINT_NOT_FOUND)
DELIVERY_NOT_FOUND: Final = Problem(404, "Delivery not found", code=RefusalCode.DELIVERY_NOT_FOUND)
SECRET_BYTES: Final = 32
FORMER_FOR: Final = timedelta(hours=24)  # how long the former secret also signs deliveries

Url = Annotated[str, Meta(min_length=1, max_length=2000)]
_JOB, _UNIT = (
    "|".join(name.removeprefix(family) for name in webhooks.EVENTS if name.startswith(family))
    for family in ("job.", "unit.")
)
Type = Annotated[
    str,
    Meta(
        pattern=f"^(job\\.(\\*|{_JOB})|unit\\.(\\*|{_UNIT}))$",
        description="a type of events, like job.completed, or job.* or unit.*",
    ),
]
Types = Annotated[list[Type], Meta(min_length=1, max_length=20)]


@attrs.frozen
class NewHook:
    """A new endpoint. ``types``: the events to send; `job.*` and `unit.*` stand for all of
    these.
    """

    url: Url
    types: Types = attrs.field(factory=lambda: ["job.*"])


@attrs.frozen
class HookWish:
    """Changes of an endpoint. ``enabled``: whether events are sent; enabling sends pending events
    at once.
    """

    url: Url | None = None
    types: Types | None = None
    enabled: bool | None = None


@attrs.frozen
class DeliveryQuery:
    """Page of deliveries. ``after``: the id of the last delivery of the previous page."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    after: UUID | None = None


@operations.post(
    "/api/v1/webhooks/endpoints",
    scope=Scope.JOBS_WRITE,
    answers={201: HookWithSecret},
    refusals={409: f"You already have {ENDPOINTS_MAX} endpoints"},
    request_example=examples.NEW_ENDPOINT,
    example=examples.CREATED_ENDPOINT,
)
async def create(call: Call[NewHook]) -> HookWithSecret | Problem:
    """Create an endpoint for events of your jobs.

    The secret is shown in this answer and never again.
    """
    gateway, body = call.gateway, call.body
    if (fault := url_fault(call.gateway, body.url)) is not None:
        return invalid([fault])
    secret, types = gateway.ports.random.token(SECRET_BYTES), list(dict.fromkeys(body.types))
    new = NewEndpoint(
        gateway.ports.random.uuid(), body.url, types, secret, gateway.ports.clock.now()
    )
    row = await gateway.tables.endpoints.insert(call.caller, new)
    if row is None:
        return Problem(
            409,
            f"You already have {ENDPOINTS_MAX} endpoints; delete one first",
            code=RefusalCode.TOO_MANY_ENDPOINTS,
        )
    return with_secret(row)


@operations.get(
    "/api/v1/webhooks/endpoints",
    scope=Scope.JOBS_READ,
    example=examples.ENDPOINTS,
)
async def index(call: Call) -> Hooks:
    """List your endpoints, oldest first."""
    rows = await call.gateway.tables.endpoints.of_user(call.caller)
    return Hooks(tuple(shown(row) for row in rows))


@operations.patch(
    "/api/v1/webhooks/endpoints/{endpoint_id}",
    scope=Scope.JOBS_WRITE,
    request_example=examples.ENDPOINT_CHANGE,
    example=examples.ENDPOINT,
)
async def change(call: Call[HookWish]) -> Hook | Problem:
    """Change the address or the events of an endpoint; enable or disable it."""
    body, now = call.body, call.gateway.ports.clock.now()
    if body.url is not None and (fault := url_fault(call.gateway, body.url)) is not None:
        return invalid([fault])
    wish = EndpointPatch(body.url, body.types, body.enabled)
    row = await call.gateway.tables.endpoints.change(
        call.ids["endpoint_id"], call.caller, wish, now
    )
    return ENDPOINT_NOT_FOUND if row is None else shown(row)


@operations.post(
    "/api/v1/webhooks/endpoints/{endpoint_id}/rotate",
    scope=Scope.JOBS_WRITE,
    example=examples.CREATED_ENDPOINT,
)
async def rotate(call: Call) -> HookWithSecret | Problem:
    """Create a new secret, shown only once. For a day deliveries are signed with both secrets."""
    gateway = call.gateway
    secret, until = gateway.ports.random.token(SECRET_BYTES), gateway.ports.clock.now() + FORMER_FOR
    row = await gateway.tables.endpoints.rotate(call.ids["endpoint_id"], call.caller, secret, until)
    return ENDPOINT_NOT_FOUND if row is None else with_secret(row)


@operations.delete(
    "/api/v1/webhooks/endpoints/{endpoint_id}",
    scope=Scope.JOBS_WRITE,
    example=examples.ENDPOINT_DELETED,
)
async def delete(call: Call) -> Done | Problem:
    """Delete an endpoint; its pending deliveries fail."""
    if not await call.gateway.tables.endpoints.delete(call.ids["endpoint_id"], call.caller):
        return ENDPOINT_NOT_FOUND
    return Done("The endpoint was deleted")


@operations.get(
    "/api/v1/webhooks/endpoints/{endpoint_id}/deliveries",
    scope=Scope.JOBS_READ,
    example=examples.DELIVERIES,
)
async def deliveries(call: Call[None, DeliveryQuery]) -> Deliveries | Problem:
    """List the deliveries of an endpoint, newest first."""
    endpoint, page, rows = call.ids["endpoint_id"], call.query, call.gateway.tables.endpoints
    if await rows.by_id(endpoint, call.caller) is None:
        return ENDPOINT_NOT_FOUND
    found = await rows.deliveries(endpoint, call.caller, page.limit + 1, page.after)
    shown_rows = tuple(delivery(row) for row in found[: page.limit])
    return Deliveries(shown_rows, next_of(found, page.limit))


@operations.post(
    "/api/v1/webhooks/deliveries/{delivery_id}/replay",
    scope=Scope.JOBS_WRITE,
    absent=DELIVERY_NOT_FOUND,
    example=examples.DELIVERY,
)
async def replay(call: Call) -> Delivery | Problem:
    """Send a delivery again under the same id, whatever its state."""
    now = call.gateway.ports.clock.now()
    row = await call.gateway.tables.endpoints.replay(call.ids["delivery_id"], call.caller, now)
    return DELIVERY_NOT_FOUND if row is None else delivery(row)


def url_fault(gateway: Gateway, url: str) -> Fault | None:
    """Return the fault of an address, as far as it shows without resolving the name."""
    reason = refused(url, private=gateway.settings.webhooks.private)
    return None if reason is None else Fault("url", "value", reason)


def shown(row: EndpointRow) -> Hook:
    return from_row(Hook, row, enabled=row.disabled_at is None)


def with_secret(row: EndpointRow) -> HookWithSecret:
    """Return the endpoint with its secret, for the only answer that shows the secret."""
    return HookWithSecret(**attrs.asdict(shown(row)), secret=webhooks.secret_text(row.secret))


def delivery(row: DeliveryRow) -> Delivery:
    answers = tuple(
        Reply(datetime.fromisoformat(one["at"]), one["status"], one["error"]) for one in row.answers
    )
    return from_row(Delivery, row, answers=answers)
