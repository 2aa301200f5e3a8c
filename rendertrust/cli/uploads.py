"""``rendertrust uploads``: the files that the gateway keeps of you."""

from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from rendertrust.cli import exit_codes, formatting
from rendertrust.cli.command import Group, paged
from rendertrust.cli.exits import CommandExit, Exit
from rendertrust.cli.session import session_of

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, KeptUpload

COLUMNS: Final = ("ID", "SIZE", "NAME", "SENT", "KEPT UNTIL", "JOBS")


@click.group(cls=Group)
def uploads() -> None:
    """Scenes, textures and other files that you sent, for as long as they are kept."""


@uploads.command("list")
@paged
@click.pass_context
def list_(context: click.Context, limit: int, offset: int) -> None:
    """What is there, the largest first, and how much you may keep.

    JOBS is how many open or disputed jobs need it now; a job that uses it keeps it for longer.
    """
    session = session_of(context)
    found = session.run(lambda client: client.uploads(limit=limit, offset=offset))
    output = session.output
    output.document(found)
    if not found.uploads:
        output.note("Nothing is kept. What you submit is sent, and stands here from then on.")
        return
    output.table(COLUMNS, [_row(kept, people=output.terminal) for kept in found.uploads])
    output.more(offset + len(found.uploads), found.count)
    output.note(f"{formatting.size(found.used)} of {formatting.size(found.quota)} are used.")


@uploads.command()
@click.argument("ids", metavar="ID…", type=click.UUID, nargs=-1, required=True)
@click.pass_context
def delete(context: click.Context, ids: tuple[UUID, ...]) -> None:
    """Remove files, by their ids; one that an open job or a dispute needs stays (exit 1)."""
    session = session_of(context)
    for upload in ids:
        session.run(partial(_delete, upload=upload))
        session.output.document({"id": str(upload), "deleted": True})
        session.output.say(f"Deleted {upload}.")


async def _delete(client: "AsyncClient", upload: UUID) -> None:
    from rendertrust.client import Conflict, NotFound

    try:
        await client.delete_upload(upload)
    except Conflict as error:
        detail = f"{upload} stays: {str(error)[:1].lower()}{str(error)[1:]}"
        hint = "See which of your jobs are open: rendertrust jobs list"
        raise CommandExit(
            Exit(exit_codes.FAILURE, "needed", detail, hint, {"id": str(upload)})
        ) from error
    except NotFound as error:
        hint = "See what there is: rendertrust uploads list"
        raise CommandExit(Exit(exit_codes.NOT_FOUND, "not_found", str(error), hint)) from error


def _row(kept: "KeptUpload", *, people: bool) -> tuple[str, ...]:
    when = formatting.ago if people else formatting.stamp
    return (
        kept.id,
        formatting.size(kept.size) if people else str(kept.size),
        formatting.harmless(kept.filename),
        when(kept.created_at),
        formatting.stamp(kept.expires_at),
        str(kept.jobs) if kept.jobs else "-",
    )
