"""``rendertrust jobs units`` and ``download``: what a job consists of, and its frames."""

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import attrs
import click

from rendertrust.cli import (
    exit_codes,
    job_outcome,
    job_progress,
    job_quote,
    option_types,
    orphan_tiles,
    scene,
    transfer,
    unit_table,
)
from rendertrust.cli.command import Command
from rendertrust.cli.exits import CommandExit, Exit
from rendertrust.cli.job_control import asked, job_argument
from rendertrust.cli.output import Printer
from rendertrust.cli.result_download import fetched
from rendertrust.cli.session import session_of

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Job, Placed, Unit
    from rendertrust.client.arguments import Pool
    from rendertrust.client.frame_downloads import FrameFiles

STATES: Final = (
    *("QUEUED", "DISPATCHED", "RUNNING", "VERIFYING"),
    *("COMPLETED", "FAILED", "CANCELLED"),
)
COLUMNS: Final = ("FRAME", "STATE", "TRY", "NODE", "TIME", "CREDITS", "WHY", "UNIT")


@click.command(cls=Command)
@job_argument
@click.option("--state", type=click.Choice(STATES, case_sensitive=False), help="Only these.")
@click.pass_context
def units(context: click.Context, job: UUID, state: str | None) -> None:
    """What a job consists of: each frame, how far it is, who has it, what it cost.

    Frames are as the scene counts them; units, which --unit of other commands names, count from 0.
    """
    session = session_of(context)
    found = session.run(lambda client: _units(client, job, state))
    session.output.document({"units": found, "count": len(found)})
    session.output.table(COLUMNS, [(*unit_table.cells(unit), str(unit.number)) for unit in found])
    back = [unit.frames for unit in found if unit.given_back is not None and unit.frames]
    if back:
        frames = ",".join(dict.fromkeys(back))
        session.output.note(f"To have those again: rendertrust submit SCENE --frames {frames}")


async def _units(client: "AsyncClient", job: UUID, state: str | None) -> "list[Unit]":
    units = [unit async for unit in client.each_unit(job)]
    return [unit for unit in units if state is None or unit.state == state.upper()]


@click.command(cls=Command)
@job_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default="here",
    help="The folder where frames go; of one unit also a file.",
)
@click.option("--frames", type=option_types.FRAMES, help="Only these: 12, or 1-10,20.")
@click.option("--unit", type=click.IntRange(0), help="What one unit made, as it is; from 0.")
@click.option(
    "--evidence", is_flag=True, help="All passes of the unit's frame, which its check goes by."
)
@click.option("--tiles", is_flag=True, help="Also tiles of frames that are not done: to OUT/tiles.")
@click.option("--name", default="frame", show_default=True, help="Files are named NAME-0001.png.")
@click.pass_context
def download(
    context: click.Context,
    /,
    job: UUID,
    *,
    out: Path,
    frames: str | None,
    unit: int | None,
    evidence: bool,
    tiles: bool,
    name: str,
) -> None:
    """Fetch the frames that are done, as many as there are by now.

    Frames that are in the folder already are left as they are, and what was cut off goes on where
    it stopped: call it again whenever there is something new.
    """
    if unit is not None and frames is not None:
        raise click.UsageError("Give --unit or --frames")
    if unit is not None and tiles:
        raise click.UsageError("Give --unit or --tiles")
    if evidence and frames is not None:
        raise click.UsageError("Evidence is of one unit: give --unit")
    session = session_of(context)
    if unit is None and evidence:
        unit = 0
    place = scene.folder_of(out) if unit is None else scene.placed(out)
    if unit is not None:
        number = unit
        fetch = _evidence if evidence else _unit
        session.run(lambda client: fetch(session.output, client, job, number, place))
        return
    job_id = str(job)
    told = session.run(
        lambda client: saved(
            session.output, client, job_id, place, name=name, frames=frames, tiles=tiles
        )
    )
    session.output.document(told)


async def _unit(
    output: Printer, client: "AsyncClient", job: UUID, number: int, place: Path
) -> None:
    with transfer.shown(output, "Downloaded") as progress:
        path = await client.download_unit(job, number, place, progress=progress)
    output.document({"job_id": str(job), "unit": number, "path": str(path)})
    output.say(f"Saved {path}.")


async def _evidence(
    output: Printer, client: "AsyncClient", job: UUID, number: int, place: Path
) -> None:
    with transfer.shown(output, "Downloaded") as progress:
        path = await client.download_evidence(job, place, unit=number, progress=progress)
    output.document({"job_id": str(job), "unit": number, "path": str(path)})
    output.say(f"Saved {path}.")


def asked_of(units: "list[Unit]", frames: str, job: str, *, tiles: bool = False) -> str | None:
    """What is to be said before those frames are fetched; Stop says why none of them can be.

    ``tiles``: a tile of one is enough.
    """
    from rendertrust.frame_range import canonical, parse

    asked, known, done = set(parse(frames)), set[int](), set[int]()
    for unit in units:
        if unit.frames is not None and (tiles or unit.tile is None):
            known.update(parse(unit.frames))
            done.update(parse(unit.frames) if unit.download_url is not None else ())
    if not known:
        hint = f"Fetch it: rendertrust jobs download {job} --out FOLDER"
        raise CommandExit(
            Exit(exit_codes.USAGE, "usage", "The job is one picture; no --frames", hint)
        )
    strange, ready = canonical(asked - known), canonical(done) or "none yet"
    facts = {"frames": canonical(known), "done": canonical(done)}
    if not asked & known:
        detail = f"The job has no frame {strange}; its frames are {canonical(known)}"
        hint = f"Done are: {ready}"
        raise CommandExit(Exit(exit_codes.NOT_FOUND, "no_such_frame", detail, hint, facts))
    if not asked & done:
        one = len(asked & known) == 1
        what = f"Frame{'' if one else 's'} {canonical(asked & known)} {'is' if one else 'are'}"
        hint = f"Done are: {ready}\nSee how far it is: rendertrust jobs units {job}"
        detail = f"{what} not done (yet)"
        raise CommandExit(Exit(exit_codes.STILL_RUNNING, "nothing_ready", detail, hint, facts))
    return (
        f"The job has no frame {strange}; its frames are {canonical(known)}." if strange else None
    )


async def saved(
    output: Printer,
    client: "AsyncClient",
    job: str,
    folder: Path,
    *,
    name: str,
    frames: str | None = None,
    tiles: bool = False,
    arrived: int = 0,
) -> dict[str, Any]:
    """Save what is done of a job, say how much that is, and return it for ``--json``.

    ``arrived``: so many files of it are new there already.
    """
    if frames is not None:
        units = [unit async for unit in client.each_unit(job)]
        there = asked_of(units, frames, job, tiles=tiles)
        if there is not None:
            output.note(there)
    elif await _is_one_picture(client, job):
        return await fetched(output, client, job, folder, name)
    with transfer.shown(output, "Downloaded") as progress:
        found = await client.download_frames(
            job, folder, frames=frames, stem=name, tiles=tiles, progress=progress
        )
    if not found.paths and not found.tiles:
        hints = (
            f"See how far it is: rendertrust jobs units {job}",
            orphan_tiles.hint(await client.job(job)),
        )
        hint = "\n".join(filter(None, hints))
        raise CommandExit(
            Exit(exit_codes.STILL_RUNNING, "nothing_ready", "No frame is done yet", hint)
        )
    return _told(output, job, folder, found, arrived + len(found.new))


def _told(output: Printer, job: str, folder: Path, found: "FrameFiles", new: int) -> dict[str, Any]:
    """What is there now."""
    paths, tiles = ([str(path) for path in some] for some in (found.paths, found.tiles))
    more = f"; {found.missing} are not done (yet)" if found.missing else ""
    what = "One file is" if len(paths) == 1 else f"{len(paths)} files are"
    if paths:
        output.say(f"{what} in {folder}, {new} of them new{more}.")
    if tiles:
        some = "One tile" if len(tiles) == 1 else f"{len(tiles)} tiles"
        verb = "is" if len(tiles) == 1 else "are"
        output.say(f"{some} of frames that are not done {verb} in {found.tiles[0].parent}.")
    return {"job_id": job, "paths": paths, "new": new, "missing": found.missing, "tiles": tiles}


async def _is_one_picture(client: "AsyncClient", job: str) -> bool:
    """Whether it is one whose frame has no number; one frame of a range keeps its own."""
    if (await client.job(job)).units > 1:
        return False
    return all([unit.frames is None async for unit in client.each_unit(job)])


@click.command(cls=Command)
@job_argument
@click.option("--out", type=click.Path(path_type=Path), help="Wait for it, and save it there.")
@click.option("--webm", is_flag=True, help="WebM (VP9) instead of MP4 (H.264).")
@click.option(
    "--fps", type=option_types.RATE, help="As 24, 23.976 or 24000/1001; else the scene's."
)
@click.option("--yes", is_flag=True, help="Do not ask before credits are held.")
@click.pass_context
def video(
    context: click.Context, job: UUID, out: Path | None, fps: str | None, *, webm: bool, yes: bool
) -> None:
    """Have a video made of the frames of a job that has ended: a job of its own, by a node.

    What it costs is said first, and asked where somebody can answer.
    """
    session = session_of(context)
    place = None if out is None else scene.placed(out)
    container = container_of(out, webm=webm)
    output = session.output

    async def ordered(client: "AsyncClient") -> "Placed":
        if not yes:
            await _agree(output, client, job)
        return await client.video(job, container=container, fps=fps)

    placed = asked(session, job, ordered)
    if place is None:
        output.document(placed)
        output.say(f"Job {placed.job_id} makes it; it is {placed.status}.")
        output.note(f"Fetch it: rendertrust jobs result {placed.job_id} --out .")
        return
    output.document({"event": "submitted", **attrs.asdict(placed)})
    saved_at = place

    async def seen(client: "AsyncClient") -> None:
        job_outcome.require_completed(await job_progress.followed(output, client, placed.job_id))
        told = await fetched(output, client, placed.job_id, saved_at, "video")
        output.document({"event": "saved", **told})

    session.run(seen)


async def _agree(output: Printer, client: "AsyncClient", job: UUID) -> None:
    """Say what a video of the job costs; of one that goes on there is none yet."""
    found = await client.job(job)
    if found.ended:
        pool = cast("Pool", found.pool)
        job_quote.agreed(output, await client.quote("video", pool=pool), "The video", "Make it?")


def container_of(out: Path | None, *, webm: bool) -> Any:
    """As the gateway calls it; a file is what its name says."""
    suffix = "" if out is None else out.suffix.lower()
    if webm and suffix == ".mp4":
        raise click.UsageError(f"{out} would be a WebM; call it {out.stem if out else ''}.webm")
    return "WEBM" if webm or suffix == ".webm" else "MP4"


@attrs.define
class FrameFetch:
    """Frames that are fetched while others are rendered. What fails here, ``saved`` does again."""

    client: "AsyncClient"
    folder: Path
    name: str
    new: int = 0
    _fetching: asyncio.Task[None] | None = None
    _done: int = 0

    def heard(self, job: "Job") -> None:
        """Fetch what is done by now, unless that is under way."""
        is_busy = self._fetching is not None and not self._fetching.done()
        if job.units > 1 and job.done > self._done and not is_busy:
            self._done = job.done
            self._fetching = asyncio.create_task(self._fetch(job.id))

    async def _fetch(self, job: str) -> None:
        from rendertrust.client import RenderTrustError

        with contextlib.suppress(RenderTrustError, OSError):
            found = await self.client.download_frames(job, self.folder, stem=self.name)
            self.new += len(found.new)

    async def over(self) -> None:
        """Wait for what is under way."""
        if self._fetching is not None:
            await self._fetching
