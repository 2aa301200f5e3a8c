"""Alerts: facts that need attention, with a reason and a link."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

import attrs

from supervisors.snapshot import Snapshot
from web.console.farm_readiness import FarmReadiness
from web.console.ledger_health import LedgerHealth, soundness_of
from web.gateway import Gateway
from web.process.readiness import readiness_of

Level: TypeAlias = Literal["warn", "bad"]
FULL_PART: Final = 0.8  # fraction of a mailbox's capacity from which there is an alert
NAMES: Final = {
    "database": "PostgreSQL",
    "redis": "Redis",
    "objects": "The object store",
    "scheduler": "The Scheduler",
    "ledger": "The Ledger",
    "log": "The log",
}
NOT_READY: Final = {
    "scheduler": "The Scheduler has not read all open jobs yet, or does not answer",
    "ledger": "The Ledger cannot write",
    "log": "The books are halted: the log is halted, or cannot be read",
}
WITHHELD: Final = "withheld for 30 days without a deciding check: an admin must decide"
ACTORS: Final = "/console/actors"
LEDGER: Final = "/console/ledger"
READINESS: Final = "/console/readiness"
SYSTEM: Final = "/console/system"


@attrs.frozen
class Alert:
    """An alert. ``href`` is where to see more, or ''.

    ``is_missing``: something was never set up or done, so nothing is broken.
    """

    level: Level
    text: str
    href: str = ""
    is_missing: bool = False

    @property
    def heading(self) -> str:
        """Return the word before the text."""
        if self.is_missing:
            return "Missing"
        return "Broken" if self.level == "bad" else "Warning"


async def alerts_of(gateway: Gateway, nodes: Mapping[str, int]) -> list[Alert]:
    """Return the alerts, the worst first."""
    found = [*await _dependencies(gateway), *actors_of(gateway.tree.snapshot())]
    found += broken(await soundness_of(gateway))
    due = (await gateway.tables.disputes.withheld()).due
    if due:
        what = "1 earning is" if due == 1 else f"{due:,} earnings are"
        found.append(Alert("warn", f"{what} {WITHHELD}", "/console/disputes?is=withheld"))
    if nodes["UNHEALTHY"]:
        said = f"{_several(nodes['UNHEALTHY'], 'node')} unhealthy"
        found.append(Alert("warn", said, "/console/fleet?is=unhealthy"))
    found += [
        Alert("bad", f"{item.name}: {item.said.removesuffix('.')}", READINESS, item.is_missing)
        for item in await FarmReadiness(gateway).items()
        if item.state == "bad"
    ]
    return sorted(found, key=lambda alert: alert.level != "bad")


async def _dependencies(gateway: Gateway) -> list[Alert]:
    found = await readiness_of(gateway.monitoring.probes)
    return [
        Alert("bad", NOT_READY.get(name, f"{NAMES.get(name, name)} does not answer"), SYSTEM)
        for name, answer in found.checks.items()
        if answer != "connected"
    ]


def broken(sound: LedgerHealth) -> Iterator[Alert]:
    """Yield an alert if the audits found a violation, with the first finding."""
    if sound.state == "broken":
        yield Alert("bad", f"The ledger is inconsistent: {sound.said[0]}", LEDGER)


def actors_of(part: Snapshot) -> Iterator[Alert]:
    """Yield alerts about actors in this part of the tree."""
    state = part.state.value
    if state in ("down", "restarting"):
        why = f": {part.last_error}" if part.last_error else ""
        yield Alert("bad" if state == "down" else "warn", f"{part.name} is {state}{why}", ACTORS)
    figures = part.statistics
    if figures is not None and figures.capacity and figures.depth > FULL_PART * figures.capacity:
        yield Alert("warn", f"{part.name} has {figures.depth:,} messages waiting", ACTORS)
    for child in part.children:
        yield from actors_of(child)


def _several(number: int, noun: str) -> str:
    return f"1 {noun} is" if number == 1 else f"{number:,} {noun}s are"
