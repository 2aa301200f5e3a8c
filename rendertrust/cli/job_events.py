"""``rendertrust jobs events``: print the events of a job, and follow new ones."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from rendertrust.cli import value_text
from rendertrust.cli.command import Command
from rendertrust.cli.command_exit import CommandExit
from rendertrust.cli.id_prefix import JOB
from rendertrust.cli.job_outcome import interrupted
from rendertrust.cli.session import CliSession, pass_session
from rendertrust.money import shortened

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, JobEvent

COLUMNS: Final = ("NUMBER", "TIME", "EVENT", "UNIT", "ATTEMPT", "NODE", "CREDITS", "ERROR")
job_argument: Final = click.argument("job", type=JOB)


@click.command(cls=Command)
@job_argument
@click.option("--follow", is_flag=True, help="Print new events until the job has ended.")
@click.option(
    "--after",
    type=click.IntRange(0),
    default=0,
    metavar="NUMBER",
    help="Show only events after this number.",
)
@click.option("--progress", is_flag=True, help="With --follow: also show the progress of units.")
@pass_session
def events(session: CliSession, job: UUID, follow: bool, after: int, progress: bool) -> None:
    """List the events of a job: the changes of the job and of its units."""
    session.output.say("\t".join(COLUMNS))
    try:
        session.run(
            lambda client: _print(
                session,
                client.events(job, after=after, progress=progress)
                if follow
                else _so_far(client, job, after),
            )
        )
    except KeyboardInterrupt:
        raise CommandExit(interrupted(session.output, str(job))) from None


async def _print(session: CliSession, found: "AsyncIterator[JobEvent]") -> None:
    """Print a line for each event when the event arrives."""
    async for event in found:
        session.output.document(event)
        session.output.say("\t".join(row(event)))


async def _so_far(client: "AsyncClient", job: UUID, after: int) -> "AsyncIterator[JobEvent]":
    next_: int | None = after
    while next_ is not None:
        page = await client.event_page(job, after=next_)
        for event in page.events:
            yield event
        next_ = page.next


def row(event: "JobEvent") -> tuple[str, ...]:
    """Return the columns of an event; ``-`` for an absent value."""
    moved = f"{event.money} {shortened(event.amount or '')}"
    credits_ = "-" if event.money is None else moved
    far = None if event.progress is None else value_text.percent(event.progress)
    error = ": ".join(part for part in (event.error_class, event.error) if part)
    return (
        _or(event.number),
        "-" if event.at is None else value_text.stamp(event.at),
        event.type if far is None else f"{event.type} {far}",
        _or(event.unit),
        _or(event.attempt),
        "-" if event.node_id is None else value_text.short(event.node_id),
        credits_,
        value_text.harmless(error) if error else "-",
    )


def _or(number: int | None) -> str:
    return "-" if number is None else str(number)
