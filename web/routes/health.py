"""Health, version, readiness and metrics of the gateway."""

from functools import partial
from typing import Final, Literal

import attrs
from aiohttp import hdrs, web
from prometheus_async.aio.web import server_stats

import rendertrust
from web.http.operations import Audience, Call, Operations
from web.openapi.examples import reference as examples
from web.process.readiness import Readiness, log_state, readiness_of
from web.process.response_cache import CachedBody

operations = Operations(audience=Audience.PUBLIC)


@attrs.frozen
class Health:
    status: Literal["healthy"]


@attrs.frozen
class Version:
    name: str
    version: str
    environment: str


HEALTHY = Health("healthy")
OPENMETRICS: Final = "application/openmetrics-text"


@operations.get(
    "/health",
    rate="probe",
    example=examples.HEALTH,
)
@operations.get(
    "/api/v1/health",
    rate="probe",
    example=examples.HEALTH,
)
async def health(call: Call) -> Health:
    """Answer that this process is alive."""
    return HEALTHY


@operations.get(
    "/version",
    rate="probe",
    example=examples.VERSION,
)
async def version(call: Call) -> Version:
    """Get the version of the gateway."""
    return Version("RenderTrust", rendertrust.__version__, call.gateway.settings.environment)


@operations.get("/metrics", rate="probe", answers={200: str}, media="text/plain")
async def metrics(call: Call) -> web.StreamResponse:
    """Get metrics for Prometheus, at most a second old.

    The figures of the database and the dependencies are at most some ten seconds old.
    """
    gateway = call.gateway

    async def made() -> CachedBody:
        await gateway.monitoring.figures.show(gateway.tree.snapshot())
        answer = await server_stats(call.request)
        assert isinstance(answer.body, bytes), "server_stats answers with bytes"
        return CachedBody(answer.body, answer.content_type)

    plain, openly = gateway.monitoring.metrics
    is_open = OPENMETRICS in call.request.headers.get(hdrs.ACCEPT, "")
    text = await (openly if is_open else plain).get(made)
    answer = web.Response(body=text.body)
    answer.content_type = text.media
    return answer


@operations.get(
    "/api/v1/health/ready",
    rate="probe",
    example=examples.READINESS,
)
async def ready(call: Call) -> Readiness:
    """Get whether the gateway's dependencies answer, and whether the gateway can write; always 200.

    The answer is at most a second old.
    """
    gateway = call.gateway

    async def made() -> Readiness:
        log = partial(log_state, gateway.database, gateway.halts)
        return await readiness_of(gateway.monitoring.probes, log)

    return await gateway.monitoring.readiness.get(made)
