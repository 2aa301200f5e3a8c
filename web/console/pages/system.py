"""System page: this gateway's process, its dependencies, and its log level."""

import asyncio
import platform
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import attrs
from msgspec import Meta
from prometheus_client import PROCESS_COLLECTOR

import rendertrust
from actors.ports import Clock
from web.console.alerts import NAMES
from web.console.registry import SYSTEM, Nav, Pages
from web.console.tables import Column, SortQuery, order_by, table
from web.console.view import ACCOUNT_GONE, ADMINS, OVERSEERS, Redirect, Shown, View
from web.http.problem import Problem
from web.process.log_writer import LINES
from web.process.logging_setup import level_now, set_level
from web.process.loop_lag import LagReading
from web.process.readiness import Probe, readiness_of

pages = Pages()
PATH: Final = "/console/system"
LEVELS: Final = ("debug", "info", "warning", "error")
ANSWERS: Final = (
    Column("Name", "name"),
    Column("State", "state"),
    Column("Answered in", "took", "number"),
)
WAITING: Final = "The first readings arrive in a few seconds."


@attrs.frozen
class LogLevelForm:
    level: Literal["debug", "info", "warning", "error"]
    reason: Annotated[str, Meta(max_length=500)] = ""


@attrs.frozen
class ProbeResult:
    """A dependency's answer to a probe; ``took`` None: no answer in time."""

    name: str
    took: float | None

    @property
    def state(self) -> str:
        return "away" if self.took is None else "connected"


@attrs.frozen
class SystemQuery(SortQuery):
    sort: Annotated[str, order_by(answers=ANSWERS)] = ""


@pages.page(
    "/system",
    "System",
    "system.html",
    who=OVERSEERS,
    nav=Nav("System", "y", 90, "pulse", SYSTEM),
    live=("figures", "lag", "answers", "process"),
    every=2.0,
    rest=1.0,
    inside=True,
)
async def system(view: View[SystemQuery]) -> Shown:
    """Return the state of this gateway only."""
    gateway = view.gateway
    memory = gateway.console
    readings = memory.lag.readings()
    return {
        "readings": readings,
        "worst": max((each.worst for each in readings), default=None),
        "chart": chart_of(readings),
        "tasks": len(asyncio.all_tasks()),
        "pool": gateway.database.pool_use(),
        "sockets": view.gateway.connections.living,
        "answers": table(
            await answers_of(gateway.monitoring.probes, gateway.ports.clock),
            ANSWERS,
            view.query.sort,
            "",
            "answers",
        ),
        "process": process_of(),
        "here": memory.gateways.living(gateway.url())[0],
        "python": platform.python_version(),
        "version": rendertrust.__version__,
        "level": level_now(),
        "usual": gateway.settings.logs.level,
        "levels": LEVELS,
        "dropped": LINES.dropped,
    }


@pages.action("/system/log-level", who=ADMINS)
async def log_level(view: View[LogLevelForm]) -> Redirect | Problem:
    """Set the level of this gateway's log, until it ends or reloads its settings."""
    wanted, before = view.query.level, level_now()
    target = f"gateway:{view.gateway.console.gateways.id}"
    reason = view.query.reason.strip() or "by hand, in the console"
    act = await view.doer.act("log.level", target, reason, {"level": wanted, "before": before})
    if act is None:
        return ACCOUNT_GONE
    await view.gateway.tables.audit.note(act)
    set_level(wanted)
    return Redirect(PATH, f"Lines of level {wanted} and above are written now.")


async def answers_of(probes: Mapping[str, Probe], clock: Clock) -> list[ProbeResult]:
    """Probe all dependencies at once and return how long each took."""
    took: dict[str, float] = {}

    def timed(name: str, probe: Probe) -> Probe:
        async def ask() -> bool:
            begun = clock.monotonic()
            found = await probe()
            took[name] = clock.monotonic() - begun
            return found

        return ask

    found = await readiness_of({name: timed(name, probe) for name, probe in probes.items()})
    return [
        ProbeResult(NAMES.get(name, name), took.get(name) if answer == "connected" else None)
        for name, answer in found.checks.items()
    ]


def process_of() -> Mapping[str, float]:
    """Return the operating system's figures of the process; empty if there are none."""
    samples = (sample for family in PROCESS_COLLECTOR.collect() for sample in family.samples)
    return {sample.name.removeprefix("process_"): sample.value for sample in samples}


def chart_of(readings: Sequence[LagReading]) -> Mapping[str, Any]:
    """Return the chart of the loop's lag over the last ten minutes, in milliseconds."""
    values = [round(each.worst * 1000, 2) for each in readings]
    drawn = {
        "at": [int(each.at) for each in readings],
        "kind": "line",
        "series": [{"label": "ms late", "values": values, "tone": "accent"}],
    }
    said = f"Now {values[-1]:g} ms, maximum {max(values):g} ms late." if values else WAITING
    return {"drawn": drawn, "said": said}
