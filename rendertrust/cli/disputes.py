"""``rendertrust disputes``: open disputes and list their outcome."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from rendertrust.cli import formats
from rendertrust.cli.command import Group, paged
from rendertrust.cli.job_control import unit_of
from rendertrust.cli.session import session_of

if TYPE_CHECKING:
    from rendertrust.cli.output import Printer
    from rendertrust.client import AsyncClient, Dispute

DOCUMENT_MAX: Final = 1 << 20
PICTURE_MAX: Final = 512 << 10
REASON_MAX: Final = 500
STATES: Final = ("open", "upheld", "rejected")
COLUMNS: Final = ("OPENED", "STATE", "CHARGE", "JOB", "UNIT", "REASON", "DECISION")


@click.group(cls=Group)
def disputes() -> None:
    """Dispute units that were not worth their charge, and see the decisions."""


@disputes.command("open")
@click.argument("job", type=click.UUID)
@click.option("--frame", type=int, help="The frame, if the job has several.")
@click.option(
    "--unit", type=click.IntRange(0), help="The unit, counted from 0, instead of a frame."
)
@click.option("--reason", required=True, help="Why; the admin who decides reads it.")
@click.option(
    "--comparison",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The file that `rendertrust verify --scene … --json` wrote; a verifier then decides.",
)
@click.pass_context
def open_(
    context: click.Context,
    /,
    job: UUID,
    *,
    frame: int | None,
    unit: int | None,
    reason: str,
    comparison: Path | None,
) -> None:
    """Dispute a completed unit of a JOB, once, before its window closes."""
    session = session_of(context)
    told = None if comparison is None else comparison_of(comparison, session.output)

    async def dispute(client: "AsyncClient") -> "Dispute":
        number = await unit_of(client, job, frame, unit)
        return await client.dispute(job, reason, unit=number or 0, comparison=told)

    made = session.run(dispute)
    session.output.document(made)
    session.output.say(f"Disputed: unit {made.unit} of {made.job_id}, charged {made.charge}.")
    session.output.note("See the decision: rendertrust disputes list")


def comparison_of(path: Path, output: "Printer") -> dict[str, Any]:
    """Return the comparison in the form that a dispute carries. Raise UsageError for other files.

    A picture that is too large for a dispute is left out, and a note says so.
    """
    from rendertrust.strict_json import read_document
    from rendertrust.untrusted import members

    with path.open("rb") as file:
        lines = file.read(DOCUMENT_MAX).splitlines()
    found = next((one for one in map(read_document, lines) if _is_comparison(one)), None)
    if found is None:
        said = "is not what `rendertrust verify --scene … --json` writes"
        raise click.UsageError(f"{path} {said}")
    told = members(found)
    given = {"verdict": told.get("verdict"), "reason": str(told.get("reason"))[:REASON_MAX]}
    given["places"] = told.get("places") or []
    shown = told.get("picture")
    if isinstance(shown, str) and Path(shown).is_file():
        with Path(shown).open("rb") as file:
            picture = file.read(PICTURE_MAX + 1)
        if len(picture) <= PICTURE_MAX:
            given["picture"] = base64.b64encode(picture).decode()
        else:
            output.note(f"{shown} is larger than 512 KiB and is not sent.")
    return given


def _is_comparison(document: object) -> bool:
    from rendertrust.untrusted import members

    return members(document).get("rerendered") is True


@disputes.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only disputes in this state.")
@paged
@click.pass_context
def list_(context: click.Context, state: str | None, limit: int, offset: int) -> None:
    """List your disputes, newest first."""
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
    when = formats.ago if people else formats.stamp
    return (
        when(dispute.opened_at),
        dispute.state,
        dispute.charge,
        dispute.job_id,
        str(dispute.unit),
        formats.harmless(dispute.reason),
        formats.harmless(dispute.decision) or "-",
    )
