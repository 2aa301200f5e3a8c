"""``rendertrust jobs pause|resume|stop|rename|priority|cap|retry``: change a job, or retry it."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args
from uuid import UUID

import click

from rendertrust.cli import (
    exit_codes,
    job_grid,
    option_types,
    orphan_tiles,
    unit_table,
    value_text,
)
from rendertrust.cli.command import Command
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.id_prefix import JOB
from rendertrust.cli.output import SHORT
from rendertrust.cli.session import CliSession, pass_session
from rendertrust.job_name import NAME_MAX, is_job_name
from rendertrust.job_spec import Priority
from rendertrust.job_words import job_words
from rendertrust.money import credit_count

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Job, Unit

Reply = TypeVar("Reply")
job_argument: Final = click.argument("job", type=JOB)


@click.command(cls=Command)
@job_argument
@pass_session
def pause(session: CliSession, job: UUID) -> None:
    """Pause a job. Running units are finished and charged; no other units begin."""
    _say(session, asked(session, job, lambda client: client.pause(job)))


@click.command(cls=Command)
@job_argument
@pass_session
def resume(session: CliSession, job: UUID) -> None:
    """Resume a paused job."""
    _say(session, asked(session, job, lambda client: client.resume(job)))


@click.command(cls=Command)
@job_argument
@pass_session
def stop(session: CliSession, job: UUID) -> None:
    """Stop a job for good. Finished frames are kept and charged; unfinished frames are not charged.

    Of an unfinished frame in tiles, complete tiles stay charged. Frames that are still being
    verified are charged if valid.
    """
    stopped = asked(session, job, lambda client: client.stop(job))
    _say(session, stopped)
    orphan_tiles.tell(session.output, stopped)


@click.command(cls=Command)
@job_argument
@click.argument("name")
@pass_session
def rename(session: CliSession, job: UUID, name: str) -> None:
    """Rename a job. Its files are downloaded under the new name from then on."""
    if not is_job_name(name):
        raise click.UsageError(f"A name has 1 to {NAME_MAX} characters on one line")
    renamed = session.fetch(lambda client: client.rename(job, name))
    session.output.say(f"Job {renamed.id} is called {named(renamed)}.")


@click.command(cls=Command)
@job_argument
@click.argument("level", type=click.Choice(get_args(Priority)))
@pass_session
def priority(session: CliSession, job: UUID, level: Any) -> None:
    """Set a job's priority: low, normal or high.

    The priority orders your own jobs, and sets your share beside other users.
    """
    changed = asked(session, job, lambda client: client.change(job, priority=level))
    session.output.document(changed)
    session.output.say(f"Job {job} has {changed.priority} priority.")


@click.command(cls=Command)
@job_argument
@click.argument("amount", metavar="[CREDITS]", type=option_types.CREDITS, required=False)
@click.option("--none", "uncapped", is_flag=True, help="Remove the cap; leave out CREDITS then.")
@pass_session
def cap(session: CliSession, job: UUID, amount: str | None, *, uncapped: bool) -> None:
    """Set the cap of a job, in CREDITS. The job pauses before its cost would exceed the cap."""
    if (amount is None) is not uncapped:
        raise click.UsageError("Give CREDITS or --none")
    changed = asked(
        session, job, lambda client: client.change(job, max_credits=amount, uncapped=uncapped)
    )
    session.output.document(changed)
    said = "has no cap" if uncapped else f"may cost {credit_count(changed.max_credits or '')}"
    session.output.say(f"Job {job} {said}.")
    if changed.paused == "cap":
        session.output.say("The job stays paused: the next unit would exceed the cap.")


@click.command(cls=Command)
@job_argument
@click.option("--frame", type=int, help="Retry this failed frame.")
@click.option(
    "--unit", type=click.IntRange(0), help="Retry this failed unit; units are numbered from 0."
)
@click.option("--failed", is_flag=True, help="Retry all failed units.")
@pass_session
def retry(
    session: CliSession, job: UUID, frame: int | None, unit: int | None, *, failed: bool
) -> None:
    """Retry failed frames of a job. The price of these frames is held again.

    A failed or cancelled job of a single unit needs no option, and is submitted again as a new job
    at the present price.
    """
    if sum((frame is not None, unit is not None, failed)) > 1:
        raise click.UsageError("Give one of --frame, --unit and --failed")
    if frame is None and unit is None and not failed:
        session.run(lambda client: _whole(session, client, job))
        return
    done = asked(session, job, lambda client: _retry(session, client, job, frame, unit))
    session.output.document({"units": done, "count": len(done)})
    for one in done:
        verb = "are" if unit_table.is_several(one) else "is"
        session.output.say(f"{unit_table.named(one).capitalize()} {verb} {one.state}.")
    session.output.note(f"Watch it: rendertrust jobs watch {session.output.short(job)}")


async def _whole(session: CliSession, client: "AsyncClient", job: UUID) -> None:
    """Retry a job of one unit as a new job."""
    from rendertrust.client import Conflict

    found = await client.job(job)
    if found.units > 1:
        hint = f"All failed units:  rendertrust jobs retry {job} --failed\nOne frame:         "
        hint += f"rendertrust jobs retry {job} --frame N"
        detail = f"The job has {found.units} units; choose the units to retry"
        raise CommandExit(Exit(exit_codes.USAGE, "usage", detail, hint))
    try:
        placed = await client.retry(job)
    except Conflict as error:
        raise not_now(error, job) from error
    session.output.document(placed)
    id_ = session.output.short(placed.job_id)
    state = job_words(placed.status, found.job_type).lower()
    session.output.say(f"Job {id_} replaces this job; the new job is {state}.")
    session.output.note(f"Watch it: rendertrust jobs watch {id_}")


async def _retry(
    session: CliSession, client: "AsyncClient", job: UUID, frame: int | None, unit: int | None
) -> "list[Unit]":
    if unit is not None:
        return [await client.retry_unit(job, unit)]
    units = [one async for one in client.each_unit(job)]
    if frame is None:
        failed = [one.number for one in units if one.state == "FAILED"]
    else:
        failed = [one.number for one in units if has_frame(one, frame)][-1:]
    if not failed:
        what = "No unit of the job has failed" if frame is None else f"The job has no frame {frame}"
        hint = f"List its units: rendertrust jobs units {job}"
        raise CommandExit(Exit(exit_codes.FAILURE, "nothing_to_retry", what, hint))
    return await _retried(session, client, job, failed)


async def _retried(
    session: CliSession, client: "AsyncClient", job: UUID, failed: "list[int]"
) -> "list[Unit]":
    """Retry each failed unit.

    A unit that would cost more than its quote does not prevent the other retries.
    """
    from rendertrust.api.refusal_code import RefusalCode, refusal_code
    from rendertrust.client import Conflict

    done: list[Unit] = []
    dearer: dict[str, Conflict] = {}
    for number in failed:
        try:
            done.append(await client.retry_unit(job, number))
        except Conflict as error:
            if refusal_code(error.code) is not RefusalCode.UNDERQUOTED:
                raise
            dearer[str(error)] = error
    if dearer and not done:
        raise next(iter(dearer.values()))
    for words in dearer:
        session.output.note(words)
    return done


async def unit_of(
    client: "AsyncClient", job: UUID, frame: int | None, unit: int | None
) -> int | None:
    """Return the number of the unit that ``frame`` or ``unit`` names.

    Return None if neither is given.

    For a frame in tiles, return the unit that holds the picture. Raise CommandExit if there is no
    such frame.
    """
    if frame is None:
        return unit
    if unit is not None:
        raise click.UsageError("Give --frame or --unit")
    found = [one.number async for one in client.each_unit(job) if has_frame(one, frame)]
    if not found:
        hint = f"List its units: rendertrust jobs units {job}"
        detail = f"The job has no frame {frame}"
        raise CommandExit(Exit(exit_codes.NOT_FOUND, "no_such_frame", detail, hint))
    return found[-1]


def has_frame(unit: "Unit", frame: int) -> bool:
    """Return True if the unit renders that frame."""
    from rendertrust.frame_range import parse

    return unit.frames is not None and frame in parse(unit.frames)


def asked(
    session: CliSession,
    job: UUID,
    work: "Callable[[AsyncClient], Coroutine[Any, Any, Reply]]",
) -> Reply:
    """Run ``work`` and return its result; end the command if the job's state forbids the work."""

    async def tried(client: "AsyncClient") -> Reply:
        from rendertrust.client import Conflict

        try:
            return await work(client)
        except Conflict as error:
            raise not_now(error, job) from error

    return session.run(tried)


def not_now(error: Exception, job: UUID) -> CommandExit:
    """Return the error for a job whose state does not allow the request."""
    hint = (
        f"See its status: rendertrust jobs show {job}\nIts frames:     rendertrust jobs units {job}"
    )
    return CommandExit(Exit(exit_codes.FAILURE, "conflict", str(error), hint, {"status": 409}))


def named(job: "Job") -> str:
    """Return the job's name, safe to print; '-' if the gateway knows no names."""
    return "-" if job.name is None else value_text.harmless(job.name)


def called(job: "Job") -> str:
    """Return the job as a message names it: ``cathedral (0a1b2c3d)``, or its id."""
    return job.id if job.name is None else f"{named(job)} ({job.id[:SHORT]})"


def _say(session: CliSession, job: "Job") -> None:
    session.output.document(job)
    session.output.say(f"Job {called(job)} is {job_grid.summary(job, None)}.")
