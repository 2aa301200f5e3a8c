"""``rendertrust share``: public links to verified pictures."""

from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from rendertrust.cli import value_text
from rendertrust.cli.command import Group, paged
from rendertrust.cli.id_prefix import JOB, SHARE_LINK
from rendertrust.cli.job_control import unit_of
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, CreatedShareLink, ShareLink

COLUMNS: Final = ("ID", "JOB", "UNIT", "CREATED", "EXPIRES")


@click.group(cls=Group)
def share() -> None:
    """Share verified pictures: anybody who has the link sees the picture and its receipt."""


@share.command()
@click.argument("job", type=JOB)
@click.option("--frame", type=int, help="The frame to share; needed if the job has several.")
@click.option(
    "--unit", type=click.IntRange(0), help="The unit instead of a frame; units are numbered from 0."
)
@click.option(
    "--days",
    type=click.IntRange(1, 90),
    default=7,
    show_default=True,
    help="When the link expires.",
)
@pass_session
def create(
    session: CliSession, /, job: UUID, *, frame: int | None, unit: int | None, days: int
) -> None:
    """Make a public link to a verified picture of a JOB. The link is printed once."""

    async def made(client: "AsyncClient") -> "CreatedShareLink":
        number = await unit_of(client, job, frame, unit)
        if number is None:
            number = await only_unit(client, job)
        return await client.share(job, unit=number, days=days)

    link = session.fetch(made)
    session.output.say(link.link)
    session.output.note(
        f"Save the link: it cannot be shown again. Revoke it: rendertrust share revoke {link.id}"
    )


async def only_unit(client: "AsyncClient", job: UUID) -> int:
    """Return the number of the unit with the job's picture. Raise UsageError if there are several
    pictures.
    """
    number: int | None = None
    async for unit in client.each_unit(job):
        if unit.tile is None:
            if number is not None:
                raise click.UsageError("The job has several pictures: give --frame or --unit")
            number = unit.number
    return number or 0


@share.command("list")
@click.option("--job", type=JOB, help="Only links to pictures of this job.")
@paged
@pass_session
def list_(session: CliSession, job: UUID | None, limit: int, offset: int) -> None:
    """List your share links that have not expired, newest first."""
    found = session.fetch(lambda client: client.share_links(job, limit=limit, offset=offset))
    rows = [_row(link, people=session.output.terminal) for link in found.links]
    none = "No share links. Make one: rendertrust share create JOB"
    session.output.listed(COLUMNS, rows, offset=offset, count=found.count, none=none)


@share.command()
@click.argument("link", type=SHARE_LINK)
@pass_session
def revoke(session: CliSession, link: UUID) -> None:
    """Revoke a LINK by its id, from `share list`. It stops working at once."""
    words = f"Revoked {link}."
    session.do(lambda client: client.revoke_share_link(link), words, id=link, revoked=True)


def _row(link: "ShareLink", *, people: bool) -> tuple[str, ...]:
    when = value_text.ago if people else value_text.stamp
    expires = value_text.stamp(link.expires_at)
    ids = [value_text.short(each) if people else each for each in (link.id, link.job_id)]
    return (*ids, str(link.unit), when(link.created_at), expires)
