"""``rendertrust uploads``: list and delete the files that the gateway keeps for you."""

from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command import Group, paged
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.id_prefix import UPLOAD
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, KeptUpload

COLUMNS: Final = ("ID", "SIZE", "NAME", "SENT", "KEPT UNTIL", "JOBS")


@click.group(cls=Group)
def uploads() -> None:
    """List and delete the scenes, textures and other files that you uploaded."""


@uploads.command("list")
@paged
@pass_session
def list_(session: CliSession, limit: int, offset: int) -> None:
    """List your uploads, the largest first, and your quota.

    JOBS counts the jobs that need a file: open ones, and those that are disputed or in their
    dispute window. Each use by a job extends KEPT UNTIL.
    """
    found = session.run(lambda client: client.uploads(limit=limit, offset=offset))
    output = session.output
    output.document(found)
    rows = [_row(kept, people=output.terminal) for kept in found.uploads]
    none = "No uploads. Files that you submit are listed here."
    output.listed(COLUMNS, rows, offset=offset, count=found.count, none=none)
    output.note(f"{value_text.size(found.used)} of {value_text.size(found.quota)} used.")


@uploads.command()
@click.argument("ids", metavar="ID…", type=UPLOAD, nargs=-1, required=True)
@pass_session
def delete(session: CliSession, ids: tuple[UUID, ...]) -> None:
    """Delete files by their ids. Files that a job needs are kept (exit code 1).

    Jobs need their files while they are open, disputed or in their dispute window.
    """
    for upload in ids:
        session.run(partial(_delete, upload=upload))
        session.output.document({"id": str(upload), "deleted": True})
        session.output.say(f"Deleted {upload}.")


async def _delete(client: "AsyncClient", upload: UUID) -> None:
    from rendertrust.client import Conflict, NotFound

    try:
        await client.delete_upload(upload)
    except Conflict as error:
        detail = f"{upload} is kept: {str(error)[:1].lower()}{str(error)[1:]}"
        hint = "See which jobs are open: rendertrust jobs list"
        raise CommandExit(
            Exit(exit_codes.FAILURE, "needed", detail, hint, {"id": str(upload)})
        ) from error
    except NotFound as error:
        hint = "List your files: rendertrust uploads list"
        raise CommandExit(Exit(exit_codes.NOT_FOUND, "not_found", str(error), hint)) from error


def _row(kept: "KeptUpload", *, people: bool) -> tuple[str, ...]:
    when = value_text.ago if people else value_text.stamp
    until = f"{kept.expires_at:%Y-%m-%d}" if people else value_text.stamp(kept.expires_at)
    return (
        value_text.short(kept.id) if people else kept.id,
        value_text.size(kept.size) if people else str(kept.size),
        value_text.harmless(kept.filename),
        when(kept.created_at),
        until,
        str(kept.jobs) if kept.jobs else "-",
    )
