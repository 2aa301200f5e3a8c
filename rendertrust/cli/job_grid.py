"""Progress of a job of many units: a live view on a terminal, lines in a pipe, or JSON."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from rendertrust.cli import unit_table, value_text
from rendertrust.cli.node_names import names_of
from rendertrust.cli.output import Printer
from rendertrust.cli.progress_rate import GatewayEstimate
from rendertrust.cli.unit_table import UnitTable
from rendertrust.job_status import STOPPED
from rendertrust.job_words import job_words
from rendertrust.money import credit_count

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Job, Unit

# Called with the job, the changed units and the remaining seconds (None if unknown).
Show: TypeAlias = "Callable[[Job, Sequence[Unit], float | None], None]"
LOOK_SECONDS: Final = 2.0  # units may begin without a change of the job itself
# Why a job is done later than the gateway told before.
LATER: Final = {
    "fewer_nodes": "later because fewer nodes work on it",
    "more_work": "later because frames are rendered again",
    "slower": "later because frames take longer",
    "no_node": "later because no node worked on it for a while",
}


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
    told, seen = GatewayEstimate(), UnitTable(client, first.id)
    with screen(output, seen) as show:
        async for job in ticking(first, jobs):
            heard(job)
            changed = await _looked(seen, job)
            show(job, changed, told.left(time.monotonic(), job))
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


async def ticking(
    first: "Job", jobs: "AsyncIterator[Job]", seconds: float | None = LOOK_SECONDS
) -> "AsyncIterator[Job]":
    """Yield the job at each change, and also every so many ``seconds``, until the job ends."""
    last = first
    coming = asyncio.ensure_future(anext(jobs))
    try:
        yield last
        while not last.ended:
            done, _ = await asyncio.wait({coming}, timeout=seconds)
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
    from rendertrust.cli import live_lines

    return _view(output, seen) if live_lines.is_possible(output) else _lines(output, seen)


@contextmanager
def _view(output: Printer, seen: UnitTable) -> "Generator[Show]":
    from rendertrust.cli import live_lines
    from rendertrust.cli.job_screen import JobScreen

    with live_lines.live(output) as lines:

        def show(job: "Job", changed: "Sequence[Unit]", left: float | None) -> None:
            moment = JobScreen(job, list(seen.units.values()), left, ascii_only=lines.is_ascii)
            lines.draw(moment.lines(*lines.size))

        yield show


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
def _lines(output: Printer, seen: UnitTable) -> "Generator[Show]":
    """Print a line for each changed unit, and a line for the job when its status changes."""
    last: tuple[object, ...] = ()

    def show(job: "Job", changed: "Sequence[Unit]", left: float | None) -> None:
        nonlocal last
        for unit in changed:
            if last or unit.state != "QUEUED":  # no line for units that are queued at the start
                output.say(unit_table.line(unit, names_of(seen.units.values())))
        now = (job.status, job.paused, job.verifying)
        if now != last:
            output.say(summary(job, left))
            last = now

    yield show


def words_of(job: "Job", progress: float | None = None) -> str:
    """Return the job's state in the words of the console, like ``Rendering 45 %``."""
    return job_words(
        job.status, job.job_type, progress=progress, paused=job.paused, verifying=job.verifying
    )


def summary(job: "Job", left: float | None) -> str:
    """Return ``Rendering 30 %, 12 of 48 done, 1 failed, 120 credits, done about 14:32``."""
    words = [words_of(job, job.progress), f"{job.done} of {job.units} done"]
    words += [f"{job.failed} failed"] if job.failed else []
    words += [credit_count(job.charged)] if job.charged is not None else []
    if left is not None and not job.ended:
        words += [f"done about {value_text.clock(left)}"]
        words += [LATER[job.eta_reason]] if job.eta_reason in LATER else []
    why = reason(job, job.id)
    return ", ".join(words) + (f" ({why})" if why else "")


def reason(job: "Job", job_id: str) -> str:
    """Return why the job is paused, and what to do about it; '' if it is not paused."""
    if job.status != "PAUSED":
        return ""
    if job.paused == STOPPED:
        return "stopped; delivered frames are being verified, and charged if valid"
    if job.paused == "cap":
        return f"at its cap; raise it: rendertrust jobs cap {job_id} CREDITS"
    return f"resume it: rendertrust jobs resume {job_id}"
