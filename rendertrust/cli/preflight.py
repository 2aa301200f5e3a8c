"""``rendertrust preflight``: checks a scene, lists its files, estimates its render time."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import attrs
import click

from rendertrust.cli import (
    exit_codes,
    job_quote,
    local_preflight,
    path_checks,
    remote_preflight,
    transfer_progress,
    value_text,
)
from rendertrust.cli.command import Command
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.scene_addons import addon_option, scene_addons
from rendertrust.cli.scene_dependencies import SceneBundle, alone, packed
from rendertrust.cli.session import CliSession, pass_session
from rendertrust.job_spec import JobSpec, Pool

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Preflight, Quote

PATH = click.Path(path_type=Path)


@click.command(cls=Command)
@click.argument("path", metavar="SCENE.blend", type=PATH)
@click.option(
    "--frames",
    default="",
    metavar="RANGE",
    help="The frames that you will render, like 1-250, 1-100x2 or 10,15,20-30.",
)
@click.option(
    "--ram",
    type=click.FloatRange(0.5),
    metavar="GIB",
    help="Without --farm: report if the scene needs over 90 % of this memory.",
)
@click.option("--farm", "by_node", is_flag=True, help="Upload the scene, which a node then checks.")
@click.option(
    "--pool",
    type=click.Choice(get_args(Pool)),
    help="With --farm: which nodes may check the scene (default any).",
)
@click.option(
    "--again",
    is_flag=True,
    help="With --farm: check again, even if a node has checked the scene before.",
)
@addon_option
@pass_session
def preflight(
    session: CliSession,
    /,
    path: Path,
    *,
    frames: str,
    ram: float | None,
    by_node: bool,
    pool: Pool | None,
    again: bool,
    addons: tuple[str, ...],
) -> int:
    """Check a scene before you submit it, with this machine's Blender.

    List the problems, with the settings that fix the problems, and the files that the scene links.
    The exit code is 1 if there is an error.

    With --farm, or if there is no Blender here, the scene is uploaded and a node checks the scene.
    The node also renders small parts of some frames and estimates the time, and the price is shown.
    This is free. The exit code is 8 if no node has checked the scene within five minutes, or none
    can.
    """
    asked = _frames(frames)
    checked = path_checks.checked(path)
    with scene_addons(session, addons) as zips:
        if by_node or not local_preflight.has_blender():
            sent, of_pool = _sent(session, checked, asked, zips), pool or "any"
            spec = JobSpec("render", frames=frames or None, pool=of_pool, saved_by=sent.saved_by)
            return _by_node(session, checked, sent, spec, again=again)
        return _here(session, checked, asked, ram, tuple(zips.values()))


def _here(
    session: CliSession,
    path: Path,
    frames: tuple[int, ...] | None,
    ram: float | None,
    addons: tuple[Path, ...],
) -> int:
    """Check the scene with this machine's Blender."""
    output = session.output
    looked = local_preflight.look(path.absolute(), frames, ram, addons=addons)
    layout = looked.layout
    files = {"files": layout.files, "missing": layout.missing, "paths": layout.paths}
    output.document({"findings": looked.findings, "scene": layout.scene, **files})
    for line in (*looked.files(), *(looked.lines() or ["No problems found."])):
        output.say(line)
    return exit_codes.FAILURE if looked.stops else exit_codes.OK


def _sent(
    session: CliSession,
    path: Path,
    frames: tuple[int, ...] | None,
    addons: Mapping[str, Path],
) -> SceneBundle:
    if local_preflight.has_blender():
        return packed(session.output, path, frames, addons=addons)
    session.output.note(
        "There is no Blender here to check the scene: only the scene file is sent, to a node."
    )
    return alone(path, addons)


def _by_node(
    session: CliSession,
    path: Path,
    sent: SceneBundle,
    spec: JobSpec,
    *,
    again: bool,
) -> int:
    output = session.output

    async def look(client: "AsyncClient") -> "tuple[Preflight, Quote | None]":
        name = f"Uploaded {value_text.harmless(path.name)}"
        with sent.written() as files, transfer_progress.shown(output, name) as progress:
            bundle = await client.upload_all(sent.scene, files, progress=progress)
        found = await remote_preflight.looked(output, client, bundle.fill(spec), again=again)
        return found, await _quoted(client, bundle.fill(spec)) if found.status == "DONE" else None

    found, quote = session.run(look)
    if found.status != "DONE":
        is_failed = found.status == "FAILED"
        hint = f"Check again{': add --again' if is_failed else ' later'}."
        hint += " The uploaded files are not sent again."
        code = exit_codes.FAILURE if is_failed else exit_codes.STILL_RUNNING
        raise CommandExit(
            Exit(code, "not_looked", remote_preflight.not_looked(found), hint, {"preflight": found})
        )
    output.document({**attrs.asdict(found), "quote": quote})
    if not found.findings:
        output.say("No problems found.")
    for line in remote_preflight.lines(found):
        output.say(line)
    if quote is not None:
        output.say(job_quote.said(quote))
        output.say(f"    {job_quote.how(quote)}")
    return exit_codes.FAILURE if found.stops else exit_codes.OK


async def _quoted(client: "AsyncClient", spec: JobSpec) -> "Quote | None":
    """Return the price of the frames; None if the API key may not get a quote."""
    from rendertrust.client import Forbidden

    try:
        return await client.quote(spec)
    except Forbidden:
        return None


def _frames(text: str) -> tuple[int, ...] | None:
    from rendertrust.frame_range import FrameRangeError, parse

    try:
        return parse(text) if text else None
    except FrameRangeError as refused:
        raise click.UsageError(f"--frames: {refused}") from refused
