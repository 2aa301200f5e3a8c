"""Progress of a job of many units: a live table on a terminal, lines in a pipe, or JSON."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from rendertrust.cli import unit_table, value_text
from rendertrust.cli.output import Printer
from rendertrust.cli.progress_rate import ProgressRate
from rendertrust.cli.unit_table import UnitTable
from rendertrust.job_status import AT_WORK, STOPPED

if TYPE_CHECKING:
    from rich.table import Table

    from rendertrust.client import AsyncClient, Job, Unit

# Called with the job, the changed units and the remaining seconds (None if unknown).
Show: TypeAlias = "Callable[[Job, Sequence[Unit], float | None], None]"
LOOK_SECONDS: Final = 2.0  # units may begin without a change of the job itself
COLUMNS: Final = ("FRAME", "STATE", "TRY", "NODE", "TIME", "CREDITS", "")
_STYLES: Final = {"COMPLETED": "green", "FAILED": "red", "RUNNING": "cyan", "DISPATCHED": "cyan"}
BAR_WIDTH: Final = 20
_AROUND_TABLE: Final = 4  # lines of the screen above and below the rows of the table


async def followed(
    output: Printer,
    client: "AsyncClient",
    first: "Job",
    jobs: "AsyncIterator[Job]",
    heard: "Callable[[Job], None]" = lambda _: None,
) -> "Job":
    """Show a job until it ends, and return it; ``jobs`` yields its changes after ``first``.

    ``heard`` is called with each change. Raise the same errors as ``AsyncClient.watch``.
    """
    pace, seen = ProgressRate(), UnitTable(client, first.id)
    with screen(output, seen) as show:
        async for job in ticking(first, jobs):
            heard(job)
            changed = await _looked(seen, job)
            show(job, changed, pace.add(time.monotonic(), job.progress if _moves(job) else None))
            if job.ended:
                return job
    raise AssertionError("a watch ends with the job")


async def _looked(seen: UnitTable, job: "Job") -> "list[Unit]":
    """Return the changed units.

    Return an empty list while the gateway is away, because the watch itself waits for the gateway.
    """
    from rendertrust.client import NoAnswer, Unavailable

    try:
        return await seen.look(job)
    except (NoAnswer, Unavailable):
        if job.ended:
            raise
        return []


def _moves(job: "Job") -> bool:
    return not job.ended and job.status != "PAUSED"


async def ticking(first: "Job", jobs: "AsyncIterator[Job]") -> "AsyncIterator[Job]":
    """Yield the job at each change and also every few seconds, until the job ends."""
    last = first
    coming = asyncio.ensure_future(anext(jobs))
    try:
        yield last
        while not last.ended:
            done, _ = await asyncio.wait({coming}, timeout=LOOK_SECONDS)
            if done:
                last = coming.result()
                coming = asyncio.ensure_future(anext(jobs))
            yield last
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


def screen(output: Printer, seen: UnitTable) -> AbstractContextManager[Show]:
    """Return the display for a terminal, a pipe or --json."""
    if output.json:
        return _documents(output)
    return _table(output, seen) if output.terminal else _lines(output)


@contextmanager
def _documents(output: Printer) -> "Generator[Show]":
    last: Any = None

    def show(job: "Job", changed: "Sequence[Unit]", left: float | None) -> None:
        nonlocal last
        for unit in changed:
            told = attrs.asdict(unit)
            del told["download_url"]  # a presigned URL grants access, and expires soon
            output.document({"event": "unit", "job_id": job.id, "unit": told})
        if job != last:
            event = "ended" if job.ended else "progress"
            eta = None if left is None else round(left, 1)
            output.document({"event": event, "job": job, "eta_seconds": eta})
            last = job

    yield show


@contextmanager
def _lines(output: Printer) -> "Generator[Show]":
    """Print a line for each changed unit, and a line for the job when its status changes."""
    last: tuple[object, ...] = ()

    def show(job: "Job", changed: "Sequence[Unit]", left: float | None) -> None:
        nonlocal last
        for unit in changed:
            if last or unit.state != "QUEUED":  # no line for units that are queued at the start
                output.say(unit_table.line(unit))
        now = (job.status, job.paused)
        if now != last:
            output.say(summary(job, left))
            last = now

    yield show


def summary(job: "Job", left: float | None) -> str:
    """Return ``RUNNING 12 of 48 done, 1 failed, 120.0000 credits, eta 3 min``."""
    words = [f"{job.status} {job.done} of {job.units} done"]
    words += [f"{job.failed} failed"] if job.failed else []
    words += [f"{job.charged} credits"] if job.charged is not None else []
    words += [f"eta {value_text.duration(left)}"] if left is not None and not job.ended else []
    return ", ".join(words) + reason(job)


def reason(job: "Job") -> str:
    """Return why the job is paused, and what to do about it."""
    if job.status != "PAUSED":
        return ""
    if job.paused == STOPPED:
        return " (stopped; delivered frames are being verified, and charged if valid)"
    if job.paused == "cap":
        return f" (at its cap; raise it: rendertrust jobs cap {job.id} CREDITS)"
    return f" (resume it: rendertrust jobs resume {job.id})"


@contextmanager
def _table(output: Printer, seen: UnitTable) -> "Generator[Show]":
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    console = Console(file=output.results)
    with Live(console=console, refresh_per_second=4, vertical_overflow="crop") as live:

        def show(job: "Job", changed: "Sequence[Unit]", left: float | None) -> None:
            rows = chosen(list(seen.units.values()), max(4, console.height - _AROUND_TABLE))
            below = Table.grid(padding=(0, 1))
            bar = ProgressBar(total=job.units, completed=job.done, width=BAR_WIDTH)
            below.add_row(bar, Text(summary(job, left)))
            live.update(Group(drawn(rows), below))

        yield show


def chosen(units: "Sequence[Unit]", most: int) -> "list[Unit]":
    """Return the units to show, by number: running, failed, just completed, or next in turn."""
    if len(units) <= most:
        return sorted(units, key=lambda unit: unit.number)

    def worth(unit: "Unit") -> tuple[int, float]:
        ended = unit.ended_at.timestamp() if unit.ended_at is not None else 0.0
        if unit.state in AT_WORK:
            return 0, unit.number
        if unit.state == "FAILED":
            return 1, -ended
        if unit.state == "COMPLETED":
            return 2, -ended
        return 3, unit.number

    return sorted(sorted(units, key=worth)[:most], key=lambda unit: unit.number)


def drawn(units: "Sequence[Unit]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in COLUMNS:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for unit in units:
        style = _STYLES.get(unit.state, "")
        table.add_row(
            *(
                Text(cell, style if at == 1 else "")
                for at, cell in enumerate(unit_table.cells(unit))
            )
        )
    return table
