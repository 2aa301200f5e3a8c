"""Is it alive, what is it, is it ready, and its metrics."""

from typing import Literal

import attrs
from aiohttp import web
from prometheus_async.aio.web import server_stats

import rendertrust
from web.http.operations import Audience, Call, Operations
from web.openapi.examples import reference as examples
from web.process.readiness import Readiness, log_state, readiness_of

operations = Operations()


@attrs.frozen
class Health:
    status: Literal["healthy"]


@attrs.frozen
class Version:
    name: str
    version: str
    environment: str


HEALTHY = Health("healthy")


@operations.get(
    "/health",
    audience=Audience.PUBLIC,
    rate="probe",
    answers={200: Health},
    example=examples.HEALTH,
)
@operations.get(
    "/api/v1/health",
    audience=Audience.PUBLIC,
    rate="probe",
    answers={200: Health},
    example=examples.HEALTH,
)
async def health(call: Call) -> Health:
    """Whether this process answers."""
    return HEALTHY


@operations.get(
    "/version",
    audience=Audience.PUBLIC,
    rate="probe",
    answers={200: Version},
    example=examples.VERSION,
)
async def version(call: Call) -> Version:
    """What this is."""
    return Version("RenderTrust", rendertrust.__version__, call.gateway.settings.environment)


@operations.get(
    "/metrics", audience=Audience.PUBLIC, rate="probe", answers={200: str}, media="text/plain"
)
async def metrics(call: Call) -> web.StreamResponse:
    """Figures for Prometheus."""
    await call.gateway.figures.show(call.gateway.snapshot())
    return await server_stats(call.request)


@operations.get(
    "/api/v1/health/ready",
    audience=Audience.PUBLIC,
    rate="probe",
    answers={200: Readiness},
    example=examples.READINESS,
)
async def ready(call: Call) -> Readiness:
    """Whether what this gateway depends on is there, and whether it writes; always 200."""
    gateway = call.gateway
    return await readiness_of(gateway.probes, lambda: log_state(gateway.database, gateway.halts))
