"""``rendertrust disputes``: open disputes and list the decisions."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from rendertrust.cli import path_checks, transfer_progress, value_text
from rendertrust.cli.command import Group, paged
from rendertrust.cli.id_prefix import JOB
from rendertrust.cli.job_control import unit_of
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.cli.output import Printer
    from rendertrust.client import AsyncClient, Dispute

DOCUMENT_MAX: Final = 1 << 20  # bytes
PICTURE_MAX: Final = 512 << 10  # bytes
REASON_MAX: Final = 500  # characters
COMPARED: Final = "My own render of the frame differs."  # the default reason with --comparison
STATES: Final = ("open", "upheld", "rejected")
COLUMNS: Final = ("OPENED", "STATE", "CHARGE", "JOB", "UNIT", "REASON", "DECISION")


@click.group(cls=Group)
def disputes() -> None:
    """Dispute units that were not worth their charge, and see the decisions."""


@disputes.command("open")
@click.argument("job", type=JOB)
@click.option("--frame", type=int, help="The frame that you dispute, if the job has several.")
@click.option(
    "--unit", type=click.IntRange(0), help="The unit instead of a frame; units are numbered from 0."
)
@click.option(
    "--reason",
    help="Why the unit is not worth its charge, for the admin who decides; optional with"
    " --comparison.",
)
@click.option(
    "--comparison",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The output of `rendertrust verify --scene … --json`, as a file. A verifier then decides.",
)
@pass_session
def open_(
    session: CliSession,
    /,
    job: UUID,
    *,
    frame: int | None,
    unit: int | None,
    reason: str | None,
    comparison: Path | None,
) -> None:
    """Dispute a completed unit of a JOB. A unit can be disputed once, within the dispute window."""
    told = None if comparison is None else comparison_of(comparison, session.output)
    if reason is None and told is None:
        raise click.UsageError("Missing option '--reason', or '--comparison'.")
    said = COMPARED if reason is None else reason

    async def dispute(client: "AsyncClient") -> "Dispute":
        number = await unit_of(client, job, frame, unit)
        return await client.dispute(job, said, unit=number or 0, comparison=told)

    made = session.fetch(dispute)
    session.output.say(f"Disputed: unit {made.unit} of {made.job_id}, charged {made.charge}.")
    session.output.note("See the decision: rendertrust disputes list")


def comparison_of(path: Path, output: "Printer") -> dict[str, Any]:
    """Return the comparison in the form that a dispute carries. Raise UsageError for other files.

    A picture that is too large for a dispute is left out, and a note is printed.
    """
    from rendertrust.json_values import members
    from rendertrust.strict_json import read_document

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
    from rendertrust.json_values import members

    return members(document).get("rerendered") is True


@disputes.command("picture")
@click.argument("job", type=click.UUID)
@click.option("--frame", type=int, help="The disputed frame, if the job has several.")
@click.option(
    "--unit", type=click.IntRange(0), help="The unit instead of a frame; units are numbered from 0."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default="here",
    help="A file or a folder.",
)
@pass_session
def picture(
    session: CliSession, /, job: UUID, *, frame: int | None, unit: int | None, out: Path
) -> None:
    """Download the picture that a verifier made to decide a dispute with a comparison.

    The PNG shows the delivered frame, the verifier's own render, and their difference. You get it
    if the JOB is yours, or if your node delivered the frame (then give --unit).
    """
    place = path_checks.placed(out)

    async def download(client: "AsyncClient") -> None:
        number = await unit_of(client, job, frame, unit) or 0
        with transfer_progress.shown(session.output, "Downloaded") as progress:
            path = await client.download_dispute_picture(job, place, unit=number, progress=progress)
        session.output.document({"job_id": str(job), "unit": number, "path": str(path)})
        session.output.say(f"Saved {path}.")

    session.run(download)


@disputes.command("list")
@click.option("--state", type=click.Choice(STATES), help="Show only disputes in this state.")
@paged
@pass_session
def list_(session: CliSession, state: str | None, limit: int, offset: int) -> None:
    """List your disputes, newest first."""
    found = session.fetch(lambda client: client.disputes(state, limit=limit, offset=offset))
    if not found.disputes:
        session.output.note("No disputes.")
        return
    people = session.output.terminal
    rows = [_row(dispute, people=people) for dispute in found.disputes]
    session.output.table(COLUMNS, rows)
    session.output.more(offset + len(found.disputes), found.count)


def _row(dispute: "Dispute", *, people: bool) -> tuple[str, ...]:
    when = value_text.ago if people else value_text.stamp
    return (
        when(dispute.opened_at),
        dispute.state,
        dispute.charge,
        dispute.job_id,
        str(dispute.unit),
        value_text.harmless(dispute.reason),
        value_text.harmless(dispute.decision) or "-",
    )
