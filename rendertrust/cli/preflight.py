"""``rendertrust preflight``: what is wrong with a scene, which files it links, its time."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rendertrust.cli import (
    exit_codes,
    formatting,
    local_preflight,
    option_types,
    remote_preflight,
    scene,
    transfer,
)
from rendertrust.cli.command import Command
from rendertrust.cli.exits import CommandExit, Exit
from rendertrust.cli.scene_dependencies import SceneBundle, alone, packed
from rendertrust.cli.session import CliSession, session_of

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Preflight

PATH = click.Path(path_type=Path)


@click.command(cls=Command)
@click.argument("path", metavar="SCENE.blend", type=PATH)
@click.option("--frames", default="", metavar="RANGE", help="As 1-250, 1-100x2 or 10,15,20-30.")
@click.option("--ram", type=click.FloatRange(0.5), metavar="GIB", help="What a node has.")
@click.option("--farm", "by_node", is_flag=True, help="Send it, and have a node look and try it.")
@click.option("--pool", type=click.Choice(option_types.POOLS), help="Whose nodes may, with --farm.")
@click.option("--again", is_flag=True, help="With --farm: look again, though a node did.")
@click.pass_context
def preflight(
    context: click.Context,
    /,
    path: Path,
    *,
    frames: str,
    ram: float | None,
    by_node: bool,
    pool: str | None,
    again: bool,
) -> int:
    """Look into a scene before it is submitted: on this machine, by its Blender.

    What would fail, or not look as it does here, is said with the setting that mends it, and the
    files that the scene links are listed. The exit code is 1 where something must be mended.

    With --farm, and where there is no Blender here, the scene is sent, and a node looks into it: it
    tries small pieces of some frames, too, and says how long they take. That costs nothing.
    """
    session, asked = session_of(context), _frames(frames)
    output, checked = session.output, scene.checked(path)
    if by_node or not local_preflight.has_blender():
        wish = remote_preflight.PreflightRequest({}, frames or None, pool)
        return _by_node(session, checked, _sent(session, checked, asked), wish, again=again)
    looked = local_preflight.look(checked.absolute(), asked, ram)
    layout = looked.layout
    files = {"files": layout.files, "missing": layout.missing, "paths": layout.paths}
    output.document({"findings": looked.findings, "scene": layout.scene, **files})
    for line in (*looked.files(), *(looked.lines() or ["Nothing to mend."])):
        output.say(line)
    return exit_codes.FAILURE if looked.stops else exit_codes.OK


def _sent(session: CliSession, path: Path, frames: tuple[int, ...] | None) -> SceneBundle:
    if local_preflight.has_blender():
        return packed(session.output, path, frames)
    session.output.note("There is no Blender here to look: the scene is sent alone, to a node.")
    return alone(path)


def _by_node(
    session: CliSession,
    path: Path,
    sent: SceneBundle,
    wish: remote_preflight.PreflightRequest,
    *,
    again: bool,
) -> int:
    output = session.output

    async def look(client: "AsyncClient") -> "Preflight":
        name = f"Uploaded {formatting.harmless(path.name)}"
        with sent.written() as files, transfer.shown(output, name) as progress:
            bundle = await client.upload_all(sent.scene, files, progress=progress)
        return await remote_preflight.looked(output, client, bundle, wish, again=again)

    found = session.run(look)
    if found.status != "DONE":
        hint = "Ask again later: what was sent is not sent again."
        code = exit_codes.FAILURE if found.status == "FAILED" else exit_codes.STILL_RUNNING
        raise CommandExit(
            Exit(code, "not_looked", remote_preflight.not_looked(found), hint, {"preflight": found})
        )
    output.document(found)
    if not found.findings:
        output.say("Nothing to mend.")
    for line in remote_preflight.lines(found):
        output.say(line)
    return exit_codes.FAILURE if found.stops else exit_codes.OK


def _frames(text: str) -> tuple[int, ...] | None:
    from rendertrust.frame_range import FrameRangeError, parse

    try:
        return parse(text) if text else None
    except FrameRangeError as refused:
        raise click.UsageError(f"--frames: {refused}") from refused
