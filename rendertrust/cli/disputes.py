"""``rendertrust disputes``: units that were not worth their charge, and what became of that."""

from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from rendertrust.cli import wording
from rendertrust.cli.command import Group, paged
from rendertrust.cli.job_control import unit_of
from rendertrust.cli.session import session_of

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Dispute

STATES: Final = ("open", "upheld", "rejected")
COLUMNS: Final = ("OPENED", "STATE", "CHARGE", "JOB", "UNIT", "REASON", "DECISION")


@click.group(cls=Group)
def disputes() -> None:
    """Say that a unit was not worth its charge, and see what was decided."""


@disputes.command("open")
@click.argument("job", type=click.UUID)
@click.option("--frame", type=int, help="Of a job of many: which frame.")
@click.option("--unit", type=click.IntRange(0), help="Or which unit; they count from 0.")
@click.option("--reason", required=True, help="Why; whoever decides reads it.")
@click.pass_context
def open_(
    context: click.Context,
    /,
    job: UUID,
    *,
    frame: int | None,
    unit: int | None,
    reason: str,
) -> None:
    """Dispute a completed unit of a JOB, once, before its window closes."""
    session = session_of(context)

    async def dispute(client: "AsyncClient") -> "Dispute":
        number = await unit_of(client, job, frame, unit)
        return await client.dispute(job, reason, unit=number or 0)

    made = session.run(dispute)
    session.output.document(made)
    session.output.say(f"Disputed: unit {made.unit} of {made.job_id}, charged {made.charge}.")
    session.output.note("See what is decided: rendertrust disputes list")


@disputes.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only these.")
@paged
@click.pass_context
def list_(context: click.Context, state: str | None, limit: int, offset: int) -> None:
    """Your disputes, newest first."""
    session = session_of(context)
    found = session.run(lambda client: client.disputes(state, limit=limit, offset=offset))
    session.output.document(found)
    if not found.disputes:
        session.output.note("No disputes.")
        return
    people = session.output.terminal
    rows = [_row(dispute, people=people) for dispute in found.disputes]
    session.output.table(COLUMNS, rows)
    session.output.more(offset + len(found.disputes), found.count)


def _row(dispute: "Dispute", *, people: bool) -> tuple[str, ...]:
    when = wording.ago if people else wording.stamp
    return (
        when(dispute.opened_at),
        dispute.state,
        dispute.charge,
        dispute.job_id,
        str(dispute.unit),
        wording.harmless(dispute.reason),
        wording.harmless(dispute.decision) or "-",
    )
