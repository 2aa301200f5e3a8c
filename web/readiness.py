"""Whether what the gateway depends on is there: each dependency is asked, all at once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, TypeAlias

import attrs

Probe: TypeAlias = Callable[[], Awaitable[bool]]
Connection: TypeAlias = Literal["connected", "unavailable"]
PROBE_SECONDS: Final = 1.5


@attrs.frozen
class Readiness:
    """``checks`` names every dependency: ``connected`` or ``unavailable``."""

    status: Literal["ready", "degraded"]
    checks: Mapping[str, Connection]


async def readiness_of(probes: Mapping[str, Probe]) -> Readiness:
    """Ask all dependencies; one that hangs is not there. Takes 1.5 s at most."""
    found: dict[str, Connection] = {}

    async def ask(name: str) -> None:
        found[name] = "connected" if await _answers(probes[name]) else "unavailable"

    async with asyncio.TaskGroup() as group:
        for name in probes:
            group.create_task(ask(name))
    checks: dict[str, Connection] = {name: found[name] for name in probes}
    degraded = "unavailable" in checks.values()
    return Readiness("degraded" if degraded else "ready", checks)


async def _answers(probe: Probe) -> bool:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await probe()
    except TimeoutError:
        return False
