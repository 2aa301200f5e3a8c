"""The live view of a job on a terminal: running frames, counts, and a bar of the whole job."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs
from rich.text import Text

from rendertrust.cli import job_grid, unit_table, value_text
from rendertrust.cli.node_names import label, names_of, node_of
from rendertrust.cli.output import SHORT
from rendertrust.job_words import part_rendered
from rendertrust.money import credit_count

if TYPE_CHECKING:
    from rendertrust.client import Job, Unit

NAME_SHOWN: Final = 40  # characters of the job's name
FRAME_SHOWN: Final = 16  # characters of a unit's frames
BAR_MOST: Final = 60
BAR_LEAST: Final = 10
COUNTED: Final = {
    "COMPLETED": "completed",
    "VERIFYING": "verifying",
    "DISPATCHED": "assigned",
    "QUEUED": "waiting",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}
_STYLES: Final = {"COMPLETED": "green", "FAILED": "red", "RUNNING": "cyan", "DISPATCHED": "cyan"}


@attrs.frozen
class JobScreen:
    """A moment of a job, to be drawn: the job, its units, and the seconds that are left.

    ``ascii_only``: the terminal has no characters for bars.
    """

    job: "Job"
    units: "Sequence[Unit]"
    left: float | None
    now: datetime = attrs.field(factory=lambda: datetime.now(UTC))
    ascii_only: bool = False

    def lines(self, width: int, height: int) -> list[Text]:
        """Return the lines to draw, at most ``height`` - 1."""
        below = [*self._counts(), self._bar(width), *self._remarks()]
        rows = self._rows(max(1, height - len(below) - 3))
        return [self._head(), *rows, *below][: max(1, height - 1)]

    def _head(self) -> Text:
        job = self.job
        name = value_text.cut(value_text.harmless(job.name or job.job_type), NAME_SHOWN)
        words = f"  {name} ({job.id[:SHORT]})"
        if job.units == 1 and job.node_id is not None:
            begun = None if job.ended else job.dispatched_at
            since = "" if begun is None else f", {self._since(begun)}"
            again = f", attempt {job.retry_count + 1}" if job.retry_count else ""
            words += f"  node {node_of(job)}{again}{since}"
        return Text.assemble((job_grid.words_of(job), _STYLES.get(job.status, "bold")), words)

    def _rows(self, most: int) -> list[Text]:
        """Return a line for each running unit, but at most ``most`` lines below their heading."""
        running = [unit for unit in self.units if unit.state == "RUNNING"]
        if not running or self.job.units == 1:
            return []
        running.sort(key=lambda unit: unit.number)
        shown = running if len(running) <= most else running[: most - 1]
        names = names_of(self.units)
        cells = [self._cells(unit, names) for unit in shown]
        wide = max([5, *(len(row[0]) for row in cells)])
        long = max([8, *(len(row[1]) for row in cells)])
        rows = [Text(f"{'FRAME':>{wide}}  {'NODE':<{long}}   DONE       TIME", "bold")]
        rows += [
            Text(f"{frame:>{wide}}  {node:<{long}}  {done:>5}  {time:>9}  {more}".rstrip())
            for frame, node, done, time, more in cells
        ]
        hidden = len(running) - len(shown)
        return [*rows, Text(f"{'…':>{wide}}  and {hidden} more running")] if hidden else rows

    def _cells(self, unit: "Unit", names: Mapping[str, str]) -> tuple[str, str, str, str, str]:
        more = [f"attempt {unit.attempt}"] if unit.attempt > 1 else []
        if unit.copy_node_id is not None:
            more.append(f"also on {label(names, unit.copy_node_id)}")
        return (
            value_text.cut(unit_table.frame_of(unit), FRAME_SHOWN),
            label(names, unit.node_id),
            value_text.percent(unit.progress),
            "-" if unit.started_at is None else self._since(unit.started_at),
            ", ".join(more),
        )

    def _since(self, at: datetime) -> str:
        return value_text.duration((self.now - at).total_seconds())

    def _counts(self) -> list[Text]:
        """Return how many units are in each other state, and what the job has cost so far."""
        job = self.job
        counts = Counter(unit.state for unit in self.units)
        told = [f"{counts[state]} {word}" for state, word in COUNTED.items() if counts[state]]
        words = "" if job.units == 1 else ", ".join(told)
        if job.charged is not None and job.charged.strip("0."):
            cost = credit_count(job.charged)
            words += f"; {cost}" if words else cost
        return [Text(words)] if words else []

    def _bar(self, width: int) -> Text:
        part = self._part()
        words = "" if part is None else f"  {value_text.percent(part)}"
        if words and self.job.units > 1 and not self.job.ended:
            words += " rendered"
        if self.left is not None and not self.job.ended:
            words += f"  done about {value_text.clock(self.left, self.now)}"
        cells = max(BAR_LEAST, min(BAR_MOST, width - len(words) - 2))
        full = int(cells * (part or 0.0))
        done, rest = ("#", ".") if self.ascii_only else ("█", "░")
        style = _STYLES.get(self.job.status, "cyan")
        return Text.assemble((done * full, style), (rest * (cells - full), "dim"), words)

    def _part(self) -> float | None:
        """Return how much of the job is rendered, 0 to 1; its results may still be verified."""
        job = self.job
        if job.status == "COMPLETED":
            return 1.0
        if job.units == 1:
            return job.progress
        running = sum(unit.progress or 0.0 for unit in self.units if unit.state == "RUNNING")
        counts = Counter(unit.state for unit in self.units)
        done = max(job.done, counts["COMPLETED"])  # the units are read after the job
        return part_rendered(job.units, done, counts["VERIFYING"] + running)

    def _remarks(self) -> list[Text]:
        """Return why the estimate rose, why units wait, how the last one failed, and what to do."""
        job = self.job
        found = [job_grid.reason(job, job.id[:SHORT])]
        if not job.ended and self.left is not None:
            found.append(job_grid.LATER.get(job.eta_reason or "", ""))
        if not job.ended and not any(unit.state == "RUNNING" for unit in self.units):
            waits = (one.waiting for one in self.units if one.state == "QUEUED" and one.waiting)
            found += [one.words for one in waits][:1]
        failed = [unit for unit in self.units if unit.state == "FAILED" and unit.error_message]
        if failed:
            last = max(failed, key=lambda unit: (unit.ended_at or self.now, unit.number))
            found.append(f"{unit_table.named(last)} failed: {last.error_message}")
        return [Text(value_text.harmless(words)) for words in found if words]
