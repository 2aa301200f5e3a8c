"""Is it alive, what is it, is it ready, and its metrics."""

import asyncio
from collections.abc import Mapping
from typing import Literal

import attrs
from aiohttp import web
from prometheus_async.aio.web import server_stats

import rendertrust
from web.gateway import Probe
from web.middleware.actors import show_actors
from web.operations import Audience, Call, Operations

operations = Operations()
Connection = Literal["connected", "unavailable"]
PROBE_SECONDS = 1.5


@attrs.frozen
class Health:
    status: Literal["healthy"]


@attrs.frozen
class Version:
    name: str
    version: str
    environment: str


@attrs.frozen
class Readiness:
    """``checks`` names every dependency: ``connected`` or ``unavailable``."""

    status: Literal["ready", "degraded"]
    checks: Mapping[str, Connection]


HEALTHY = Health("healthy")


@operations.get("/health", audience=Audience.PUBLIC, rate="probe", answers={200: Health})
@operations.get("/api/v1/health", audience=Audience.PUBLIC, rate="probe", answers={200: Health})
async def health(call: Call) -> Health:
    """Whether this process answers."""
    return HEALTHY


@operations.get("/version", audience=Audience.PUBLIC, rate="probe", answers={200: Version})
async def version(call: Call) -> Version:
    """What this is."""
    return Version("RenderTrust", rendertrust.__version__, call.gateway.settings.environment)


@operations.get("/metrics", audience=Audience.PUBLIC, rate="probe", answers={200: None})
async def metrics(call: Call) -> web.StreamResponse:
    """Figures for Prometheus."""
    show_actors(call.gateway.snapshot())
    return await server_stats(call.request)


@operations.get(
    "/api/v1/health/ready", audience=Audience.PUBLIC, rate="probe", answers={200: Readiness}
)
async def ready(call: Call) -> Readiness:
    """Whether what this gateway depends on is there; always 200."""
    found: dict[str, Connection] = {}

    async def ask(name: str) -> None:
        answers = await _answered(call.gateway.probes[name])
        found[name] = "connected" if answers else "unavailable"

    async with asyncio.TaskGroup() as group:
        for name in call.gateway.probes:
            group.create_task(ask(name))
    checks: dict[str, Connection] = {name: found[name] for name in call.gateway.probes}
    degraded = "unavailable" in checks.values()
    return Readiness("degraded" if degraded else "ready", checks)


async def _answered(probe: Probe) -> bool:
    """Whether a dependency answers now; one that hangs does not."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await probe()
    except TimeoutError:
        return False
