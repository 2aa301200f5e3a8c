"""``rendertrust disputes``: open disputes and list the decisions."""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from uuid import UUID

import attrs
import click

from rendertrust.cli import path_checks, transfer_progress, value_text
from rendertrust.cli.command import Group, paged
from rendertrust.cli.id_prefix import JOB, WORK_DISPUTE
from rendertrust.cli.job_control import unit_of
from rendertrust.cli.session import CliSession, pass_session
from rendertrust.money import format_amount, shortened

if TYPE_CHECKING:
    from rendertrust.cli.output import Printer
    from rendertrust.client import AsyncClient, Dispute, Disputes, WorkDispute, WorkDisputes

DOCUMENT_MAX: Final = 1 << 20  # bytes
PICTURE_MAX: Final = 512 << 10  # bytes
REASON_MAX: Final = 500  # characters
COMPARED: Final = "My own render of the frame differs."  # the default reason with --comparison
PROBLEMS: Final = ("black", "noise", "missing", "size", "differs", "other")
STATES: Final = ("open", "upheld", "rejected")
COLUMNS: Final = (
    *("ID", "ABOUT", "OPENED", "STATE", "CREDITS", "JOB", "UNIT", "REASON", "ANSWER", "DECISION"),
)
SHORT_COLUMNS: Final = ("ID", "ABOUT", "OPENED", "STATE", "CREDITS", "UNIT", "WHY")
PAGE: Final = 100  # disputes
Page: TypeAlias = "Callable[..., Awaitable[Disputes | WorkDisputes]]"


@click.group(cls=Group)
def disputes() -> None:
    """Dispute units that were not worth their charge, answer disputes about your nodes' work, and
    see the decisions.
    """


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
@click.option("--problem", type=click.Choice(PROBLEMS), help="The kind of problem.")
@click.option(
    "--region",
    metavar="X,Y,WIDTH,HEIGHT",
    help="Its place in the picture, as fractions of width and height, like 0,0,0.5,1.",
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
    problem: str | None,
    region: str | None,
) -> None:
    """Dispute a completed unit of a JOB. A unit can be disputed once, within the dispute window."""
    told = None if comparison is None else comparison_of(comparison, session.output)
    if reason is None and told is None:
        raise click.UsageError("Missing option '--reason', or '--comparison'.")
    said = COMPARED if reason is None else reason
    place = None if region is None else region_of(region)

    async def dispute(client: "AsyncClient") -> "Dispute":
        number = await unit_of(client, job, frame, unit)
        return await client.dispute(
            job, said, unit=number or 0, comparison=told, problem=problem, region=place
        )

    made = session.fetch(dispute)
    session.output.say(
        f"Disputed: unit {made.unit} of {made.job_id}, charged {format_amount(made.charge)}."
    )
    session.output.note("See the decision: rendertrust disputes list")


def region_of(text: str) -> dict[str, float]:
    """Return the region that an option names. Raise UsageError if it is not in a picture."""
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        x = y = width = height = -1.0
    is_inside = x >= 0 and y >= 0 and x + width <= 1 and y + height <= 1
    if not is_inside or width <= 0 or height <= 0:
        raise click.UsageError(
            "--region needs four fractions of the picture within it, like 0,0,0.5,1"
        )
    return {"x": x, "y": y, "width": width, "height": height}


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
@click.argument("job", type=JOB)
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


@disputes.command
@click.argument("dispute", type=WORK_DISPUTE)
@click.option("--text", required=True, help="What the creator and the admin shall know.")
@click.option(
    "--region",
    metavar="X,Y,WIDTH,HEIGHT",
    help="Its place in the picture, as fractions of width and height, like 0,0,0.5,1.",
)
@pass_session
def answer(session: CliSession, /, dispute: UUID, *, text: str, region: str | None) -> None:
    """Answer a DISPUTE about your node's work, once, before it is decided."""
    place = None if region is None else region_of(region)
    made = session.fetch(lambda client: client.answer_dispute(dispute, text, region=place))
    session.output.say(f"Answered the dispute of unit {made.unit} of {made.job_id}.")
    session.output.note("See the decision: rendertrust disputes list")


@disputes.command("list")
@click.option("--state", type=click.Choice(STATES), help="Show only disputes in this state.")
@click.option("--about-my-jobs", "of_jobs", is_flag=True, help="Only disputes that you opened.")
@click.option(
    "--about-my-nodes", "of_nodes", is_flag=True, help="Only disputes about your nodes' work."
)
@paged
@pass_session
def list_(
    session: CliSession,
    state: str | None,
    limit: int,
    offset: int,
    *,
    of_jobs: bool,
    of_nodes: bool,
) -> None:
    """List the disputes that you opened, and those about your nodes' work, newest first.

    CREDITS is the charge of your job, or the earning of your node.
    """
    is_all, most = of_jobs == of_nodes, offset + limit

    async def newest(client: "AsyncClient") -> "ListedDisputes":
        lists: list[Page] = [client.disputes] if is_all or of_jobs else []
        lists += [client.work_disputes] if is_all or of_nodes else []
        found = [await _newest(each, state, most) for each in lists]
        both = [one for page in found for one in page.disputes]
        both.sort(key=lambda one: one.dispute.opened_at, reverse=True)
        return ListedDisputes(both[offset:most], sum(page.count for page in found))

    found = session.run(newest)
    shown = [one.document for one in found.disputes]
    session.output.document({"disputes": shown, "count": found.count})
    is_terminal = session.output.terminal
    rows = [one.short_row if is_terminal else one.row for one in found.disputes]
    columns = SHORT_COLUMNS if is_terminal else COLUMNS
    none = "No disputes about your nodes' work." if of_nodes and not of_jobs else "No disputes."
    session.output.listed(columns, rows, offset=offset, count=found.count, none=none)
    if any(one.waits_for_answer for one in found.disputes):
        session.output.note("Say how it looks from your side: rendertrust disputes answer ID")


@attrs.frozen
class ListedDispute:
    """A dispute about the user's own job, which they opened, or about their node's work.

    ``credits``: the charge of the job, or the earning of the node.
    """

    about: Literal["job", "node"]
    dispute: "Dispute | WorkDispute"
    credits: str
    reason: str

    @property
    def waits_for_answer(self) -> bool:
        """True if the user may still answer it."""
        is_unanswered = self.dispute.state == "open" and self.dispute.answer is None
        return self.about == "node" and is_unanswered

    @property
    def document(self) -> Mapping[str, Any]:
        """The dispute for programs: as the API returns it, with ``about``."""
        return {"about": self.about, **attrs.asdict(self.dispute)}

    @property
    def answer(self) -> str:
        """The operator's answer, or an empty text."""
        said = self.dispute.answer
        return "" if said is None else value_text.harmless(said.text)

    @property
    def row(self) -> tuple[str, ...]:
        """The cells for programs."""
        return (
            self.dispute.id,
            f"my {self.about}",
            value_text.stamp(self.dispute.opened_at),
            self.dispute.state,
            shortened(self.credits),
            self.dispute.job_id,
            str(self.dispute.unit),
            value_text.harmless(self.reason),
            self.answer or "-",
            value_text.harmless(self.dispute.decision) or "-",
        )

    @property
    def short_row(self) -> tuple[str, ...]:
        """The cells for people."""
        decision = value_text.harmless(self.dispute.decision)
        why = [value_text.harmless(self.reason)]
        why += [f"The operator says: {self.answer}"] if self.answer else []
        why += [f"Decided: {decision}"] if decision else []
        return (
            self.dispute.id[:8],
            f"my {self.about}",
            value_text.ago(self.dispute.opened_at),
            self.dispute.state,
            shortened(self.credits),
            f"{self.dispute.job_id[:8]}:{self.dispute.unit}",
            " · ".join(why),
        )


@attrs.frozen
class ListedDisputes:
    """A page of disputes; ``count`` are in the whole list."""

    disputes: Sequence[ListedDispute]
    count: int


async def _newest(page: Page, state: str | None, most: int) -> ListedDisputes:
    """Return the newest disputes of a list of the API, and how many are in it."""
    rows = list[ListedDispute]()
    while True:
        found = await page(state, limit=min(PAGE, most - len(rows)), offset=len(rows))
        rows += map(_listed, found.disputes)
        if not found.disputes or len(rows) >= min(most, found.count):
            return ListedDisputes(rows, found.count)


def _listed(dispute: "Dispute | WorkDispute") -> ListedDispute:
    from rendertrust.client import WorkDispute

    if isinstance(dispute, WorkDispute):
        return ListedDispute("node", dispute, dispute.share, dispute.problem or "-")
    return ListedDispute("job", dispute, dispute.charge, dispute.reason)
