"""Progress of a job: a live view on a terminal, lines in a pipe, JSON lines for programs."""

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from rendertrust.cli import job_grid, value_text
from rendertrust.cli.node_names import node_of
from rendertrust.cli.output import Printer
from rendertrust.cli.progress_rate import EstimateOfOne

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Job

# Called with the job and the remaining seconds (None if unknown).
Show: TypeAlias = "Callable[[Job, float | None], None]"
LINE_STEP: Final = 0.1
LINE_SECONDS: Final = 10.0


async def followed(
    output: Printer,
    client: "AsyncClient",
    job_id: str,
    within: float | None = None,
    heard: "Callable[[Job], None]" = lambda _: None,
) -> "Job":
    """Show a job until it ends, and return it.

    Call ``heard`` at each change. Raise the same errors as ``AsyncClient.watch``.
    """
    changes = client.watch(job_id, within=within)
    first = await anext(changes)
    if first.units > 1:
        return await job_grid.followed(output, client, first, changes, heard)
    told = EstimateOfOne()
    seconds = job_grid.LOOK_SECONDS if output.terminal else None
    with screen(output) as show:
        async for job in job_grid.ticking(first, changes, seconds):
            heard(job)
            show(job, told.left(time.monotonic(), job))
            if job.ended:
                return job
    raise AssertionError("a watch ends with the job")


def screen(output: Printer) -> AbstractContextManager[Show]:
    """Return the display for a terminal, a pipe or --json."""
    if output.json:
        return _documents(output)
    from rendertrust.cli import live_lines

    return _view(output) if live_lines.is_possible(output) else _lines(output)


@contextmanager
def _documents(output: Printer) -> "Generator[Show]":
    def show(job: "Job", left: float | None) -> None:
        output.document(
            {
                "event": "ended" if job.ended else "progress",
                "job": job,
                "eta_seconds": None if left is None else round(left, 1),
            }
        )

    yield show


@contextmanager
def _lines(output: Printer) -> "Generator[Show]":
    """Print a line when the status or the node changes and at each 10 % of progress.

    At other changes, print a line at most every ten seconds.
    """
    last: tuple[object, ...] = ()
    told_at = 0.0

    def show(job: "Job", left: float | None) -> None:
        nonlocal last, told_at
        tenth = None if job.progress is None else int(job.progress / LINE_STEP)
        now, key = time.monotonic(), (job.status, job.verifying, job.node_id, tenth)
        if key != last or now - told_at >= LINE_SECONDS:
            output.say(line(job, left))
            last, told_at = key, now

    yield show


def line(job: "Job", left: float | None) -> str:
    """Return ``Rendering 45 % node studio done about 14:32``.

    Leave out the node while no node has the job.
    """
    words = [job_grid.words_of(job, job.progress)]
    if job.node_id is not None:
        words.append(f"node {node_of(job)}")
    if job.retry_count:
        words.append(f"attempt {job.retry_count + 1}")
    if left is not None:
        words.append(f"done about {value_text.clock(left)}")
    return " ".join(words)


@contextmanager
def _view(output: Printer) -> "Generator[Show]":
    from rendertrust.cli import live_lines
    from rendertrust.cli.job_screen import JobScreen

    with live_lines.live(output) as lines:

        def show(job: "Job", left: float | None) -> None:
            moment = JobScreen(job, (), left, ascii_only=lines.is_ascii)
            lines.draw(moment.lines(*lines.size))

        yield show
