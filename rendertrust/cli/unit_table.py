"""Units of a running job, read again only while the units may still change."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from rendertrust.cli import node_names, value_text
from rendertrust.job_status import ENDED
from rendertrust.money import credit_count, shortened
from rendertrust.verdict_reason import explain

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Job, Unit

PAGE: Final = 100


@attrs.define
class UnitTable:
    """The last known state of each unit, by number."""

    client: "AsyncClient"
    job_id: str
    units: "dict[int, Unit]" = attrs.field(factory=dict[int, "Unit"])

    async def look(self, job: "Job") -> "list[Unit]":
        """Return the units that changed since the last call, by number.

        Read all units of an ended job.
        """
        changed: list[Unit] = []
        for first in range(0, max(job.units, 1), PAGE):
            if not job.ended and self._is_settled(first, job.units):
                continue
            page = await self.client.units(self.job_id, limit=PAGE, after=first - 1)
            changed += [unit for unit in page.units if self._moved(unit)]
            self.units |= {unit.number: unit for unit in page.units}
        return changed

    def _is_settled(self, first: int, count: int) -> bool:
        numbers = range(first, min(first + PAGE, count))
        known = [self.units.get(number) for number in numbers]
        return all(unit is not None and unit.state in ENDED for unit in known)

    def _moved(self, unit: "Unit") -> bool:
        before = self.units.get(unit.number)
        return before is None or _essence(before) != _essence(unit)


def _essence(unit: "Unit") -> tuple[object, ...]:
    return (unit.state, unit.attempt, unit.node_id, unit.error_message)


def named(unit: "Unit") -> str:
    """Return ``frame 12``, ``frames 1-8``, ``frame 12 tile 3`` or ``unit 0``."""
    if unit.frames is None:
        return f"unit {unit.number}"
    tile = "" if unit.tile is None else f" tile {unit.tile}"
    return f"frame{'s' if is_several(unit) else ''} {unit.frames}{tile}"


def is_several(unit: "Unit") -> bool:
    """Return True if the unit has more than one frame."""
    return any(sign in (unit.frames or "").lstrip("-") for sign in "-,")


def frame_of(unit: "Unit") -> str:
    """Return ``12``, ``1-8`` or ``12 tile 3``; the unit's number if it has no frame number."""
    name = unit.frames or str(unit.number)
    return name if unit.tile is None else f"{name} tile {unit.tile}"


def cells(unit: "Unit", names: Mapping[str, str]) -> tuple[str, ...]:
    """Return a unit's row: frames, state, attempts, node, time, credits, error or reason.

    ``names`` has the names of nodes by id. The time is that on the node, and that of the
    verification if there was one.
    """
    seconds = unit.seconds if unit.state in ENDED else None
    return (
        frame_of(unit),
        unit.state,
        str(unit.attempt),
        node_names.label(names, unit.node_id),
        "-" if seconds is None else _time(seconds, unit.verifying_seconds),
        shortened(unit.charged) if unit.state == "COMPLETED" else "-",
        value_text.harmless(_why(unit)),
    )


def _time(seconds: float, verifying: float | None) -> str:
    rendered = value_text.duration(seconds)
    return rendered if verifying is None else f"{rendered} + {value_text.duration(verifying)}"


def _why(unit: "Unit") -> str:
    """Return why a unit waits, was refunded or is not verified, or else the unit's last error."""
    if unit.waiting is not None and unit.state not in ENDED:
        return unit.waiting.words
    if unit.given_back is not None:
        return f"refunded: {unit.given_back}"
    if unit.unverified_reason is not None:
        return f"not verified: {explain(unit.unverified_reason)}"
    return unit.error_message or ""


def line(unit: "Unit", names: Mapping[str, str]) -> str:
    """Return ``frame 12 COMPLETED node studio 4 s 10 credits``."""
    words = [named(unit), unit.state]
    if unit.node_id is not None:
        words.append(f"node {node_names.label(names, unit.node_id)}")
    if unit.attempt > 1:
        words.append(f"attempt {unit.attempt}")
    if unit.state == "COMPLETED":
        words += [] if unit.seconds is None else [value_text.duration(unit.seconds)]
        words.append(credit_count(unit.charged))
    if unit.error_message:
        words.append(f"({value_text.harmless(unit.error_message)})")
    return " ".join(words)
