"""``rendertrust jobs``: list, show, watch and cancel jobs, download results and receipts."""

from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

import attrs
import click

from rendertrust.cli import (
    exit_codes,
    job_grid,
    job_outcome,
    job_progress,
    orphan_tiles,
    path_checks,
    value_text,
)
from rendertrust.cli.command import Group, paged
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.job_control import (
    called,
    cap,
    job_argument,
    named,
    pause,
    priority,
    rename,
    resume,
    retry,
    stop,
    unit_of,
)
from rendertrust.cli.job_events import events
from rendertrust.cli.job_log import log
from rendertrust.cli.job_units import download, units, video
from rendertrust.cli.node_names import node_of
from rendertrust.cli.output import SHORT, Printer, encoded
from rendertrust.cli.result_download import fetched
from rendertrust.cli.session import CliSession, pass_session
from rendertrust.job_status import STATUSES
from rendertrust.money import shortened

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Job, JobList, ReceiptFile
    from rendertrust.client.arguments import Checks

# The columns of the table, which fit 80 characters on a terminal. --json prints every field.
COLUMNS: Final = ("NAME", "ID", "STATUS", "DONE", "PRICE", "SUBMITTED")
ALL_COLUMNS: Final = ("ID", "STATUS", "DONE", "PRICE", "SUBMITTED", "TYPE", "NODE", "NAME")
NAME_SHOWN: Final = 20  # characters of a name in the table
PAUSES: Final = {"owner": "by its owner", "cap": "by its cap", "stopped": "stopped, being verified"}


@click.group(cls=Group)
def jobs() -> None:
    """List, show, watch and change jobs; download results."""


for each in (units, retry, pause, resume, stop, rename, priority, cap, download, video):
    jobs.add_command(each)
jobs.add_command(events)
jobs.add_command(log)


@jobs.command("list")
@click.option(
    "--status",
    type=click.Choice(STATUSES, case_sensitive=False),
    help="Show only jobs with this status.",
)
@click.option("--name", help="Show only jobs with this in their names, in any case.")
@click.option("--checks", is_flag=True, help="Show the checks of scenes instead.")
@paged
@pass_session
def list_jobs(
    session: CliSession,
    /,
    *,
    status: str | None,
    name: str | None,
    checks: bool,
    limit: int,
    offset: int,
) -> None:
    """List your jobs, newest first, without the free checks of scenes.

    With --name, your newest 10,000 jobs are searched.
    """
    which: Checks = "only" if checks else "none"
    found = session.fetch(
        lambda client: client.jobs(
            status, name=name or None, checks=which, limit=limit, offset=offset
        )
    )
    if not found.jobs:
        session.output.note(_none(name, checks=checks))
        return
    _table(session, found)
    session.output.more(offset + len(found.jobs), found.count)


def _none(name: str | None, *, checks: bool) -> str:
    if name:
        return f"No {'check' if checks else 'job'} has {name!r} in its name."
    if checks:
        return "No checks. Check a scene: rendertrust preflight SCENE.blend --farm"
    return "No jobs. Submit one: rendertrust submit SCENE.blend --watch"


def _table(session: CliSession, found: "JobList") -> None:
    if session.output.terminal:
        rows = [
            (value_text.cut(named(job), NAME_SHOWN), job.id[:SHORT], *_row(job, session.output))
            for job in found.jobs
        ]
        session.output.table(COLUMNS, rows)
        return
    session.output.table(ALL_COLUMNS, [_whole(job, session.output) for job in found.jobs])


def _whole(job: "Job", output: Printer) -> tuple[str, ...]:
    kind = value_text.harmless(job.job_type)
    return (job.id, *_row(job, output), kind, node_of(job) or "-", named(job))


def _row(job: "Job", output: Printer) -> tuple[str, ...]:
    time = value_text.ago if output.terminal else value_text.stamp
    done = value_text.percent(None if job.verifying else job.progress)
    words = job_grid.words_of(job)
    return (words, done, output.amount(job.price) if job.price else "-", time(job.created_at))


@jobs.command()
@job_argument
@pass_session
def show(session: CliSession, job: UUID) -> None:
    """Show all facts about a job."""
    found = session.fetch(lambda client: client.job(job))
    session.output.facts(facts(found))


def _given_back(job: "Job") -> str | None:
    if not job.given_back:
        return None
    found = f"{job.given_back} of {job.units} units"
    return f"{found}, by a later check or an admin: rendertrust jobs units {job.id}"


def facts(job: "Job") -> dict[str, str | None]:
    """Return the facts about a job by name."""
    times = {
        "submitted": job.created_at,
        "starts after": job.start_after,
        "dispatched": job.dispatched_at,
        "ended": job.completed_at,
    }
    return {
        "name": None if job.name is None else named(job),
        "job": job.id,
        "status": job_grid.words_of(job),
        "progress": None
        if job.progress is None or job.verifying
        else value_text.percent(job.progress),
        "error": None if not job.error_message else value_text.harmless(job.error_message),
        "type": value_text.harmless(job.job_type),
        "payload": value_text.harmless(job.payload_ref),
        "node": node_of(job, whole=True),
        "retries": str(job.retry_count),
        **_of_many(job),
        "price": _amount(job.price),
        "charged": _amount(job.charged),
        "refunded": _given_back(job),
        "mails": job.notify,
        "webhook": None if job.webhook is None else value_text.harmless(job.webhook),
        "result": None if job.result_ref is None else value_text.harmless(job.result_ref),
        **{name: None if at is None else value_text.stamp(at) for name, at in times.items()},
    }


def _amount(text: str | None) -> str | None:
    return None if text is None else shortened(text)


def _of_many(job: "Job") -> dict[str, str | None]:
    if job.units == 1:
        return {}
    failed = f", {job.failed} failed" if job.failed else ""
    return {
        "units": f"{job.units}, {job.done} done{failed}",
        "priority": job.priority,
        "cap": _amount(job.max_credits),
        "paused": PAUSES.get(job.paused or ""),
        "tiles": orphan_tiles.words(job),
    }


@jobs.command()
@job_argument
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Stop watching after this many seconds (exit code 8).",
)
@pass_session
def watch(session: CliSession, job: UUID, timeout: float | None) -> None:
    """Show the progress of a job until it has ended."""
    try:
        ended = session.run(
            lambda client: job_progress.followed(session.output, client, str(job), timeout)
        )
    except KeyboardInterrupt:
        raise CommandExit(job_outcome.interrupted(session.output, str(job))) from None
    job_outcome.require_completed(ended)
    if (charged := job_outcome.charge(ended)) is not None:
        session.output.say(charged)
    verb = "result" if ended.units == 1 else "download"
    id_ = session.output.short(job)
    session.output.note(f"Download the result: rendertrust jobs {verb} {id_} --out .")


@jobs.command()
@job_argument
@pass_session
def cancel(session: CliSession, job: UUID) -> None:
    """Cancel a job that no node has begun. The credits held for the job are released."""
    cancelled = session.fetch(lambda client: _cancel(client, job))
    session.output.say(f"Job {called(cancelled)} is {job_grid.words_of(cancelled).lower()}.")


async def _cancel(client: "AsyncClient", job: UUID) -> "Job":
    from rendertrust.client import BadRequest

    try:
        return await client.cancel(job)
    except BadRequest as error:
        hint = f"See its status: rendertrust jobs show {job}"
        ending = Exit(exit_codes.FAILURE, "not_cancellable", str(error), hint, {"status": 400})
        raise CommandExit(ending) from error


@jobs.command()
@job_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Save the result to this file or folder (default: print its URL, valid for an hour).",
)
@pass_session
def result(session: CliSession, job: UUID, out: Path | None) -> None:
    """Download the result of a completed job: a picture, a video, or a zip of all frames."""
    place = None if out is None else path_checks.placed(out)
    session.run(lambda client: _result(session, client, job, place))


@jobs.command()
@job_argument
@click.option("--frame", type=int, help="The frame, if the job has several.")
@click.option(
    "--unit", type=click.IntRange(0), help="The unit instead of a frame; units are numbered from 0."
)
@click.option(
    "--out",
    "--output",
    "out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the receipt to this file, for `rendertrust verify`.",
)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the list of the job's files here, for `rendertrust verify --manifest`.",
)
@pass_session
def receipt(
    session: CliSession,
    /,
    job: UUID,
    *,
    frame: int | None,
    unit: int | None,
    out: Path | None,
    manifest: Path | None,
) -> None:
    """Show the receipt of a unit: a statement on the work, signed by node and gateway.

    The receipt is verified first. Anybody with the picture can check the receipt: rendertrust
    verify RECEIPT PICTURE
    """
    found = session.run(lambda client: _receipt(client, job, frame, unit))
    if manifest is not None:
        session.run(lambda client: client.download_manifest(job, path_checks.placed(manifest)))
    gone, file = found.withdrawn, found.document
    if gone is not None:
        session.output.note(
            f"Withdrawn by entry {gone.entry_id}: the result was found invalid and "
            "the charge refunded."
        )
    if out is None:
        session.output.document(file)
        session.output.say(encoded(file))
        return
    out.write_text(encoded(file) + "\n", "utf-8")
    session.output.document({"job_id": str(job), "output": str(out)})
    if found.proof is None and found.entry_id is not None:
        session.output.note("The receipt is not in the log yet; ask for the proof again later.")
    session.output.note(f"Written to {out}; check the receipt: rendertrust verify {out} PICTURE")


async def _receipt(
    client: "AsyncClient", job: UUID, frame: int | None, unit: int | None
) -> "ReceiptFile":
    from rendertrust.client import NotFound

    number = await unit_of(client, job, frame, unit)
    try:
        return await client.receipt(job, unit=number)
    except NotFound as error:
        found = await client.job(job)
        if number is not None or found.units == 1:
            raise
        hint = f"Choose one: rendertrust jobs receipt {job} --frame N"
        detail = f"The job has {found.units} units, each with a receipt"
        raise CommandExit(Exit(exit_codes.USAGE, "usage", detail, hint)) from error


async def _result(session: CliSession, client: "AsyncClient", job: UUID, out: Path | None) -> None:
    from rendertrust.client import NotFound

    try:
        if out is not None:
            session.output.document(await fetched(session.output, client, str(job), out))
            return
        found = await client.result(job)
    except NotFound as error:
        raise _without_result(await client.job(job), str(error)) from error
    session.output.document(attrs.asdict(found))
    session.output.say(found.download_url)


def _without_result(job: "Job", detail: str) -> Exception:
    if not job.ended:
        hint = f"Watch it: rendertrust jobs watch {job.id}"
        return CommandExit(
            Exit(exit_codes.STILL_RUNNING, "still_running", detail, hint, {"job": job})
        )
    job_outcome.require_completed(job)
    hint = f"See what the job has: rendertrust jobs show {job.id}"
    return CommandExit(Exit(exit_codes.NOT_FOUND, "no_result", detail, hint, {"job": job}))
