"""``rendertrust jobs log``: print the log lines of attempts, and the causes of failures."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command import Command
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.job_control import job_argument, unit_of
from rendertrust.cli.job_outcome import interrupted
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, AttemptLog

SECONDS: Final = 2.0  # between two polls


@click.command(cls=Command)
@job_argument
@click.option(
    "--unit", type=click.IntRange(0), help="Show only this unit; units are numbered from 0."
)
@click.option("--frame", type=int, metavar="N", help="Show only the unit that renders this frame.")
@click.option("--follow", is_flag=True, help="Print new lines until the job has ended.")
@pass_session
def log(session: CliSession, job: UUID, unit: int | None, frame: int | None, follow: bool) -> None:
    """Show the last log lines of attempts, and the causes of failures.

    Logs are kept as long as results. The log of a running attempt may be a few seconds old.
    """
    try:
        session.run(lambda client: _print(session, client, job, (frame, unit), follow))
    except KeyboardInterrupt:
        raise CommandExit(interrupted(session.output, str(job))) from None


async def _print(
    session: CliSession,
    client: "AsyncClient",
    job: UUID,
    named: tuple[int | None, int | None],
    follow: bool,
) -> None:
    number = await unit_of(client, job, *named)
    await _require(client, job, number)
    shown: dict[tuple[int, int], AttemptLog] = {}
    while True:
        has_ended = not follow or (await client.job(job)).ended
        for said in await client.job_log(job, number):
            _show(session, said, shown.get((said.unit, said.attempt)))
            shown[said.unit, said.attempt] = said
        if has_ended:
            break
        await asyncio.sleep(SECONDS)
    if not shown:
        session.output.note("No log lines yet.")


async def _require(client: "AsyncClient", job: UUID, number: int | None) -> None:
    """Raise CommandExit if the job has no such unit."""
    count = 0 if number is None else (await client.job(job)).units
    if number is not None and number >= count:
        has = "has one" if count == 1 else f"has {count}"
        hint = f"List its units: rendertrust jobs units {job}"
        detail = f"The job has no unit {number}; the job {has}, numbered from 0"
        raise CommandExit(Exit(exit_codes.NOT_FOUND, "no_such_unit", detail, hint))


def _show(session: CliSession, said: "AttemptLog", before: "AttemptLog | None") -> None:
    """Print the new lines of an attempt."""
    output = session.output
    if before is None or (before.error, before.ended_at) != (said.error, said.ended_at):
        output.document(said)
        output.say(heading(said))
    elif said.lines != before.lines:
        output.document(said)
    for line in added(() if before is None else before.lines, said.lines):
        output.say(f"    {value_text.harmless(line)}")


def heading(said: "AttemptLog") -> str:
    """Return ``unit 3 (frame 4), attempt 1, node 1a2b3c4d: failed (scene): no camera``."""
    frames = "" if said.frames is None else f" (frame {said.frames})"
    node = "" if said.node_id is None else f", node {value_text.short(said.node_id)}"
    blame = "" if said.error_class is None else f" ({said.error_class})"
    error = "" if said.error is None else f": {value_text.harmless(said.error)}"
    ended = ": completed" if said.completed else f": failed{blame}{error}"
    became = "" if said.ended_at is None else ended
    return f"unit {said.unit}{frames}, attempt {said.attempt}{node}{became}"


def added(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """Return the lines of ``now`` that are not in ``before``.

    Both are the last log lines of one attempt, so older lines may be missing from ``now``.
    """
    for same in range(min(len(before), len(now)), 0, -1):
        if tuple(before[-same:]) == tuple(now[:same]):
            return now[same:]
    return now
