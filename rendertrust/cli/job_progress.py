"""Progress of a job: a bar on a terminal, lines in a pipe, JSON lines for programs."""

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from rendertrust.cli import job_grid, value_text
from rendertrust.cli.output import Printer
from rendertrust.cli.progress_rate import ProgressRate

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
    job = await anext(changes)
    if job.units > 1:
        return await job_grid.followed(output, client, job, changes, heard)
    pace = ProgressRate()
    with screen(output) as show:
        while True:
            heard(job)
            show(job, pace.add(time.monotonic(), job.progress if not job.ended else None))
            if job.ended:
                return job
            job = await anext(changes)


def screen(output: Printer) -> AbstractContextManager[Show]:
    """Return the display for a terminal, a pipe or --json."""
    if output.json:
        return _documents(output)
    return _bar(output) if output.terminal else _lines(output)


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
        now, key = time.monotonic(), (job.status, job.node_id, tenth)
        if key != last or now - told_at >= LINE_SECONDS:
            output.say(line(job, left))
            last, told_at = key, now

    yield show


def line(job: "Job", left: float | None) -> str:
    """Return ``RUNNING 45 % node 1a2b3c4d eta 12 s``.

    Leave out the node while no node has the job.
    """
    words = [job.status]
    if job.progress is not None and not job.ended:
        words.append(value_text.percent(job.progress))
    if job.node_id is not None:
        words.append(f"node {value_text.short(job.node_id)}")
    if job.retry_count:
        words.append(f"attempt {job.retry_count + 1}")
    if left is not None:
        words.append(f"eta {value_text.duration(left)}")
    return " ".join(words)


@contextmanager
def _bar(output: Printer) -> "Generator[Show]":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=output.results)) as bar:
        task = bar.add_task("", total=None, words="")

        def show(job: "Job", left: float | None) -> None:
            # Without a total the bar shows activity: the job is running, but its progress is
            # unknown.
            done = 1.0 if job.status == "COMPLETED" else job.progress
            bar.update(
                task,
                description=job.status,
                completed=done or 0.0,
                total=None if done is None and not job.ended else 1.0,
                words=line(job, left).removeprefix(job.status).strip(),
            )

        yield show
