"""``rendertrust jobs units``, ``download`` and ``video``: units of a job and their frames."""

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import attrs
import click

from rendertrust.api.refusal_code import unit_help_path
from rendertrust.cli import (
    exit_codes,
    job_outcome,
    job_progress,
    job_quote,
    node_names,
    option_types,
    orphan_tiles,
    path_checks,
    transfer_progress,
    unit_table,
    value_text,
)
from rendertrust.cli.command import Command
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.job_control import asked, job_argument
from rendertrust.cli.output import Printer
from rendertrust.cli.result_download import fetched
from rendertrust.cli.session import CliSession, pass_session
from rendertrust.job_name import file_stem
from rendertrust.job_spec import JobSpec
from rendertrust.job_status import UNIT_STATUSES
from rendertrust.job_types import VIDEO
from rendertrust.job_words import job_words

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Job, Placed, Unit
    from rendertrust.client.frame_downloads import FrameFiles
    from rendertrust.job_spec import Pool

NAMES_SHOWN: Final = 5  # names of files that are not verified yet
COLUMNS: Final = ("FRAME", "STATE", "TRY", "NODE", "TIME", "CREDITS", "WHY", "UNIT")


@click.command(cls=Command)
@job_argument
@click.option(
    "--state",
    type=click.Choice(UNIT_STATUSES, case_sensitive=False),
    help="Show only units in this state.",
)
@pass_session
def units(session: CliSession, job: UUID, state: str | None) -> None:
    """List the units of a job: frames, state, node, time and charge.

    Frames have the numbers of the scene. Units are numbered from 0; other commands take a unit's
    number as --unit.
    """
    found = session.run(lambda client: _units(client, job, state))
    session.output.document({"units": found, "count": len(found)})
    names = node_names.names_of(found)
    rows = [(*unit_table.cells(unit, names), str(unit.number)) for unit in found]
    session.output.table(COLUMNS, rows)
    if any(unit.verifying_seconds is not None for unit in found):
        session.output.note("TIME: on the node + for the verification of the result.")
    for code in sorted({unit.error_code for unit in found if unit.error_code}):
        url = f"{session.url.rstrip('/')}{unit_help_path(code)}"
        session.output.note(f"More about {code}: {url}")
    back = [unit.frames for unit in found if unit.given_back is not None and unit.frames]
    if back:
        frames = ",".join(dict.fromkeys(back))
        session.output.note(
            f"To render refunded frames again: rendertrust submit SCENE --frames {frames}"
        )


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
    help="The folder for the frames; for one unit, a file or a folder.",
)
@click.option(
    "--frames", type=option_types.FRAMES, help="Download only these frames: 12, or 1-10,20."
)
@click.option(
    "--unit",
    type=click.IntRange(0),
    help="One unit's result, not unpacked (a chunk is a zip); units are numbered from 0.",
)
@click.option(
    "--evidence",
    is_flag=True,
    help="The evidence of the unit (default: unit 0), that is, all render passes of the frame.",
)
@click.option(
    "--tiles", is_flag=True, help="Also download tiles of unfinished frames, to OUT/tiles."
)
@click.option(
    "--verified-only", is_flag=True, help="Leave out frames that are still being verified."
)
@click.option(
    "--name",
    show_default="the job's name",
    help="Name the files NAME-0001.png and so on.",
)
@pass_session
def download(
    session: CliSession,
    /,
    job: UUID,
    *,
    out: Path,
    frames: str | None,
    unit: int | None,
    evidence: bool,
    tiles: bool,
    verified_only: bool,
    name: str | None,
) -> None:
    """Download the finished frames of a job, also while it runs or verifies them.

    Frames that are still being verified are named. A frame that is found invalid is rendered again,
    and the command then replaces its file; --verified-only leaves such frames out.

    Frames that are already in the folder are skipped, and an interrupted download is continued. Run
    this command again when more frames are finished. Files of other jobs are kept: if they have the
    same names, the job's id is added to the names of this job's files.
    """
    if unit is not None and frames is not None:
        raise click.UsageError("Give --unit or --frames")
    if unit is not None and tiles:
        raise click.UsageError("Give --unit or --tiles")
    if evidence and frames is not None:
        raise click.UsageError("--evidence is for one unit: give --unit")
    if unit is None and evidence:
        unit = 0
    place = path_checks.folder_of(out) if unit is None else path_checks.placed(out)
    output, only = session.output, verified_only
    if unit is not None:
        number = unit
        if evidence:
            session.run(lambda client: _evidence(output, client, job, number, place))
        else:
            session.run(
                lambda client: _unit(output, client, job, number, place, verified_only=only)
            )
        return
    fetch = partial(saved, name=name, frames=frames, tiles=tiles, verified_only=only)
    session.fetch(lambda client: fetch(output, client, str(job), place))


async def _unit(
    output: Printer,
    client: "AsyncClient",
    job: UUID,
    number: int,
    place: Path,
    *,
    verified_only: bool,
) -> None:
    is_verifying = (await client.unit(job, number)).state == "VERIFYING"
    if is_verifying and verified_only:
        detail, hint = f"Unit {number} is still being verified", "Leave out --verified-only."
        raise CommandExit(Exit(exit_codes.STILL_RUNNING, "nothing_ready", detail, hint))
    with transfer_progress.shown(output, "Downloaded") as progress:
        path = await client.download_unit(job, number, place, progress=progress)
    document = {"job_id": str(job), "unit": number, "path": str(path)}
    output.document({**document, "unverified": [str(path)] if is_verifying else []})
    output.say(f"Saved {path}{', which is not verified yet' if is_verifying else ''}.")


async def _evidence(
    output: Printer, client: "AsyncClient", job: UUID, number: int, place: Path
) -> None:
    with transfer_progress.shown(output, "Downloaded") as progress:
        path = await client.download_evidence(job, place, unit=number, progress=progress)
    output.document({"job_id": str(job), "unit": number, "path": str(path)})
    output.say(f"Saved {path}.")


def asked_of(
    units: "list[Unit]",
    frames: str,
    job: str,
    *,
    tiles: bool = False,
    verified_only: bool = False,
) -> str | None:
    """Return a note about frames that the job does not have.

    Return None if the job has all ``frames``.

    Raise CommandExit if none of the frames can be downloaded. With ``tiles``, a tile of a frame is
    enough.
    """
    from rendertrust.client.frame_downloads import is_ready
    from rendertrust.frame_range import canonical, parse

    asked, known, done = set(parse(frames)), set[int](), set[int]()
    for unit in units:
        if unit.frames is not None and (tiles or unit.tile is None):
            known.update(parse(unit.frames))
            is_done = is_ready(unit, verified_only=verified_only)
            done.update(parse(unit.frames) if is_done else ())
    if not known:
        hint = f"Download it: rendertrust jobs download {job} --out FOLDER"
        raise CommandExit(
            Exit(
                exit_codes.USAGE,
                "usage",
                "The job is one picture, without numbered frames; leave out --frames",
                hint,
            )
        )
    strange, ready = canonical(asked - known), canonical(done) or "none yet"
    facts = {"frames": canonical(known), "done": canonical(done)}
    if not asked & known:
        detail = f"The job has no frame {strange}; its frames are {canonical(known)}"
        hint = f"Finished frames: {ready}"
        raise CommandExit(Exit(exit_codes.NOT_FOUND, "no_such_frame", detail, hint, facts))
    if not asked & done:
        one = len(asked & known) == 1
        what = f"Frame{'' if one else 's'} {canonical(asked & known)} {'is' if one else 'are'}"
        hint = f"Finished frames: {ready}\nSee the job's progress: rendertrust jobs units {job}"
        detail = f"{what} not finished{' and verified' if verified_only else ''}"
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
    name: str | None = None,
    frames: str | None = None,
    tiles: bool = False,
    arrived: int = 0,
    overwrite: bool = False,
    verified_only: bool = False,
) -> dict[str, Any]:
    """Download the finished frames, print their number, and return the document for ``--json``.

    ``arrived`` new files are in the folder already. Without ``overwrite``, files of other jobs are
    kept.
    """
    if frames is not None:
        units = [unit async for unit in client.each_unit(job)]
        there = asked_of(units, frames, job, tiles=tiles, verified_only=verified_only)
        if there is not None:
            output.note(there)
    elif await _is_one_picture(client, job):
        return await fetched(output, client, job, folder, name)
    with transfer_progress.shown(output, "Downloaded") as progress:
        found = await client.download_frames(
            job,
            folder,
            frames=frames,
            stem=name,
            tiles=tiles,
            overwrite=overwrite,
            verified_only=verified_only,
            progress=progress,
        )
    if not found.paths and not found.tiles:
        ready = "verified" if verified_only else "finished"
        hints = (
            f"See its progress: rendertrust jobs units {job}",
            orphan_tiles.hint(await client.job(job)),
        )
        hint = "\n".join(filter(None, hints))
        raise CommandExit(
            Exit(exit_codes.STILL_RUNNING, "nothing_ready", f"No frame is {ready} yet", hint)
        )
    lacking = "finished and verified" if verified_only else "finished"
    return _told(output, job, folder, found, new=arrived + len(found.new), lacking=lacking)


def _files(folder: Path, count: int, new: int) -> str:
    """Return how many files of a job are in the folder, and how many of them are new."""
    where = "this folder" if folder == Path() else str(folder)
    kind = " new" if new == count else ""
    what = f"One{kind} file is" if count == 1 else f"{count}{kind} files are"
    rest = "" if count in {new, 1} else f", {new or 'none'} of them new"
    return f"{what} in {where}{rest}"


def _told(
    output: Printer, job: str, folder: Path, found: "FrameFiles", *, new: int, lacking: str
) -> dict[str, Any]:
    """Print the downloaded files, and return the document for ``--json``.

    ``lacking``: what the missing frames are not yet.
    """
    paths, tiles = ([str(path) for path in some] for some in (found.paths, found.tiles))
    more = f"; {found.missing} {_is(found.missing)} not {lacking}" if found.missing else ""
    if paths:
        output.say(f"{_files(folder, len(paths), new)}{more}.")
    if found.unverified:
        _tell_unverified(output, found)
    if value_text.short(job) in found.stem:
        example = f"{found.stem.replace('#', '')}…" if "#" in found.stem else f"{found.stem}-…"
        output.note(f"{folder} has other files of these names: this job's are {example}")
    if tiles:
        some = "One tile" if len(tiles) == 1 else f"{len(tiles)} tiles"
        output.say(f"{some} of unfinished frames {_is(len(tiles))} in {found.tiles[0].parent}.")
    told = {"job_id": job, "paths": paths, "new": new, "missing": found.missing, "tiles": tiles}
    return {**told, "unverified": [str(path) for path in found.unverified]}


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _tell_unverified(output: Printer, found: "FrameFiles") -> None:
    names = [path.name for path in found.unverified]
    shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
    output.say(f"{len(names)} of them {_is(len(names))} not verified yet: {shown}")
    output.note(
        "Frames that are found invalid are rendered again: run the command again once the job has"
        " completed. To leave such frames out: --verified-only"
    )


async def _is_one_picture(client: "AsyncClient", job: str) -> bool:
    """Return True if the job is one picture without a frame number.

    A frame of a range keeps its number.
    """
    if (await client.job(job)).units > 1:
        return False
    return all([unit.frames is None async for unit in client.each_unit(job)])


@click.command(cls=Command)
@job_argument
@click.option(
    "--out", type=click.Path(path_type=Path), help="Wait for the video and save it to this file."
)
@click.option("--webm", is_flag=True, help="WebM (VP9) instead of MP4 (H.264).")
@click.option(
    "--fps",
    type=option_types.RATE,
    help="Frames a second, like 24, 23.976 or 24000/1001 (default: the scene's).",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_session
def video(
    session: CliSession, job: UUID, out: Path | None, fps: str | None, *, webm: bool, yes: bool
) -> None:
    """Make a video of the frames of a job that has ended. A node makes the video, as a new job.

    The price is shown first, and you are asked to agree. Without a terminal, --yes is needed.
    """
    place = None if out is None else path_checks.placed(out)
    container = container_of(out, webm=webm)
    output = session.output

    async def ordered(client: "AsyncClient") -> "Placed":
        await _agree(output, client, job, yes=yes)
        return await client.video(job, container=container, fps=fps)

    placed = asked(session, job, ordered)
    if place is None:
        output.document(placed)
        id_ = output.short(placed.job_id)
        output.say(
            f"Job {id_} makes the video; the job is {job_words(placed.status, VIDEO).lower()}."
        )
        output.note(f"Download it: rendertrust jobs result {id_} --out .")
        return
    output.document({"event": "submitted", **attrs.asdict(placed)})
    saved_at = place

    async def seen(client: "AsyncClient") -> None:
        job_outcome.require_completed(await job_progress.followed(output, client, placed.job_id))
        told = await fetched(output, client, placed.job_id, saved_at)
        output.document({"event": "saved", **told})

    session.run(seen)


async def _agree(output: Printer, client: "AsyncClient", job: UUID, *, yes: bool) -> None:
    """Show the price of a video and ask for consent.

    The video of a job that is still open has no price yet.
    """
    found = await client.job(job)
    if found.ended and not yes:
        spec = JobSpec("video", pool=cast("Pool", found.pool))
        job_quote.agreed(output, await client.quote(spec), "The video", "Make it?")


def container_of(out: Path | None, *, webm: bool) -> Any:
    """Return the API's name of the container, which the file's suffix determines."""
    suffix = "" if out is None else out.suffix.lower()
    if webm and suffix == ".mp4":
        raise click.UsageError(
            f"{out} would be a WebM file; name it {out.stem if out else ''}.webm"
        )
    return "WEBM" if webm or suffix == ".webm" else "MP4"


@attrs.define
class FrameFetch:
    """Downloader of finished frames while other frames are rendered.

    The final download repeats failed downloads. ``name``: the frames' name, if the job has none.
    """

    client: "AsyncClient"
    folder: Path
    name: str
    new: int = 0
    stem: str | None = None  # the beginning of the files' names, once it is known
    _fetching: asyncio.Task[None] | None = None
    _done: int = 0

    def heard(self, job: "Job") -> None:
        """Download the frames that are finished, unless a download is running."""
        is_busy = self._fetching is not None and not self._fetching.done()
        if job.units > 1 and job.done > self._done and not is_busy:
            self._done = job.done
            stem = file_stem(job.name or self.name)
            self._fetching = asyncio.create_task(self._fetch(job.id, stem))

    async def _fetch(self, job: str, stem: str) -> None:
        from rendertrust.client import RenderTrustError

        with contextlib.suppress(RenderTrustError, OSError):
            found = await self.client.download_frames(
                job, self.folder, stem=self.stem or stem, overwrite=self.stem is not None
            )
            self.stem = found.stem
            self.new += len(found.new)

    async def over(self) -> None:
        """Wait for the running download."""
        if self._fetching is not None:
            await self._fetching

    async def rest(self, output: Printer, job: str, stem: str) -> dict[str, Any]:
        """Download what has not arrived yet, as ``saved`` does; ``stem``: the names without it."""
        return await saved(
            output,
            self.client,
            job,
            self.folder,
            name=self.stem or stem,
            arrived=self.new,
            overwrite=self.stem is not None,
        )
