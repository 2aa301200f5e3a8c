"""``rendertrust preflight``: what is wrong with a scene, which files it links, its time."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rendertrust.cli import animation, exit_codes, farm, looking, scene, transfer, wording
from rendertrust.cli.command import Command
from rendertrust.cli.ending import Ending, Stop
from rendertrust.cli.packing import Packed, alone, packed
from rendertrust.cli.session import Session, session_of

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Preflight

PATH = click.Path(path_type=Path)


@click.command(cls=Command)
@click.argument("path", metavar="SCENE.blend", type=PATH)
@click.option("--frames", default="", metavar="RANGE", help="As 1-250, 1-100x2 or 10,15,20-30.")
@click.option("--ram", type=click.FloatRange(0.5), metavar="GIB", help="What a node has.")
@click.option("--farm", "by_node", is_flag=True, help="Send it, and have a node look and try it.")
@click.option("--pool", type=click.Choice(animation.POOLS), help="Whose nodes may, with --farm.")
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
    if by_node or not looking.has_blender():
        wish = farm.Wish({}, frames or None, pool)
        return _by_node(session, checked, _sent(session, checked, asked), wish, again=again)
    looked = looking.look(checked.absolute(), asked, ram)
    layout = looked.layout
    files = {"files": layout.files, "missing": layout.missing, "paths": layout.paths}
    output.document({"findings": looked.findings, "scene": layout.scene, **files})
    for line in (*looked.files(), *(looked.lines() or ["Nothing to mend."])):
        output.say(line)
    return exit_codes.FAILURE if looked.stops else exit_codes.OK


def _sent(session: Session, path: Path, frames: tuple[int, ...] | None) -> Packed:
    if looking.has_blender():
        return packed(session.output, path, frames)
    session.output.note("There is no Blender here to look: the scene is sent alone, to a node.")
    return alone(path)


def _by_node(session: Session, path: Path, sent: Packed, wish: farm.Wish, *, again: bool) -> int:
    output = session.output

    async def look(client: "AsyncClient") -> "Preflight":
        name = f"Uploaded {wording.harmless(path.name)}"
        with sent.written() as files, transfer.shown(output, name) as progress:
            bundle = await client.upload_all(sent.scene, files, progress=progress)
        return await farm.looked(output, client, bundle, wish, again=again)

    found = session.run(look)
    if found.status != "DONE":
        hint = "Ask again later: what was sent is not sent again."
        code = exit_codes.FAILURE if found.status == "FAILED" else exit_codes.STILL_RUNNING
        raise Stop(Ending(code, "not_looked", farm.not_looked(found), hint, {"preflight": found}))
    output.document(found)
    if not found.findings:
        output.say("Nothing to mend.")
    for line in farm.lines(found):
        output.say(line)
    return exit_codes.FAILURE if found.stops else exit_codes.OK


def _frames(text: str) -> tuple[int, ...] | None:
    from rendertrust.frame_range import FrameRangeError, parse

    try:
        return parse(text) if text else None
    except FrameRangeError as refused:
        raise click.UsageError(f"--frames: {refused}") from refused
