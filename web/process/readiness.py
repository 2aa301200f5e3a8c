"""Readiness: do the gateway's dependencies answer, and could a job be submitted now?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, Literal, TypeAlias

import attrs

from actors.kernel import AskFailed
from actors.ledger.messages import IsAccepting, Ledger
from actors.scheduler.messages import IsLoaded, Scheduler
from sql.database import Database, Unavailable
from sql.halts import Halts, read_backlog
from supervisors.registry import Registry

Probe: TypeAlias = Callable[[], Awaitable[bool]]
Connection: TypeAlias = Literal["connected", "unavailable"]
PROBE_SECONDS: Final = 1.5


@attrs.frozen
class LogState:
    """The log, for information: how many leaves it has, and how many of them no anchor covers.

    ``unanchored`` is null where nothing is anchored; ``unanchored_since``: when the oldest
    checkpoint without an anchor was signed, or, without such a checkpoint, when the oldest entry
    without an anchor was booked. ``halted``: why nothing may be written, or null.
    """

    leaves: int
    unanchored: int | None
    unanchored_since: datetime | None
    halted: str | None


@attrs.frozen
class Readiness:
    """``checks`` has each dependency that submissions need: ``connected`` or ``unavailable``.

    ``database``, ``redis`` and ``objects`` answer. ``scheduler``: the Scheduler has read all open
    units, so jobs are accepted. ``ledger``: the Ledger can write. ``log``: no halt forbids writing.
    The member ``log`` beside ``checks`` is null before the log exists, and while the database does
    not answer.
    """

    status: Literal["ready", "degraded"]
    checks: Mapping[str, Connection]
    log: LogState | None = None


async def readiness_of(
    probes: Mapping[str, Probe], log: Callable[[], Awaitable[LogState | None]] | None = None
) -> Readiness:
    """Check all dependencies and the log concurrently, for at most 1.5 s.

    A timeout is a failure.
    """
    found: dict[str, Connection] = {}
    known: LogState | None = None

    async def ask(name: str) -> None:
        found[name] = "connected" if await _answers(probes[name]) else "unavailable"

    async with asyncio.TaskGroup() as group:
        for name in probes:
            group.create_task(ask(name))
        if log is not None:
            known = await log()
    checks: dict[str, Connection] = {name: found[name] for name in probes}
    halted = known is not None and known.halted is not None
    degraded = halted or "unavailable" in checks.values()
    return Readiness("degraded" if degraded else "ready", checks, known)


def needs_of_submissions(registry: Registry, halts: Halts) -> dict[str, Probe]:
    """Return probes of what a submission needs besides the dependencies."""

    async def is_loaded() -> bool:
        try:
            return await registry.ref(Scheduler).ask(IsLoaded(), within=PROBE_SECONDS)
        except AskFailed:
            return False

    async def is_accepting() -> bool:
        try:
            return await registry.ref(Ledger).ask(IsAccepting(), within=PROBE_SECONDS)
        except AskFailed:
            return False

    async def may_write() -> bool:
        try:
            return await halts.now() is None
        except Unavailable:
            return False

    return {"scheduler": is_loaded, "ledger": is_accepting, "log": may_write}


async def _answers(probe: Probe) -> bool:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await probe()
    except TimeoutError:
        return False


async def log_state(database: Database, halts: Halts) -> LogState | None:
    """Read the state of the log; None while unknown. A backlog of anchors is no failure."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            halt, backlog = await halts.now(), await read_backlog(database)
    except (Unavailable, TimeoutError):
        return None
    why = None if halt is None else halt.text
    if backlog is None:
        return None if why is None else LogState(0, None, None, why)
    if not halts.chain:
        return LogState(backlog.size, None, None, why)
    return LogState(backlog.size, backlog.size - backlog.anchored, backlog.since, why)
