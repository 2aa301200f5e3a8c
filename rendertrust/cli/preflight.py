"""``rendertrust preflight``: what is wrong with a scene, and which files it links."""

from pathlib import Path

import click

from rendertrust.cli import exit_codes, looking, scene
from rendertrust.cli.command import Command
from rendertrust.cli.session import session_of

PATH = click.Path(path_type=Path)


@click.command(cls=Command)
@click.argument("path", metavar="SCENE.blend", type=PATH)
@click.option("--frames", default="", metavar="RANGE", help="As 1-250, 1-100x2 or 10,15,20-30.")
@click.option("--ram", type=click.FloatRange(0.5), metavar="GIB", help="What a node has.")
@click.pass_context
def preflight(context: click.Context, path: Path, frames: str, ram: float | None) -> int:
    """Look into a scene before it is submitted: on this machine, by its Blender.

    What would fail, or not look as it does here, is said with the setting that mends it, and the
    files that the scene links are listed. The exit code is 1 where something must be mended.
    """
    output = session_of(context).output
    asked = _frames(frames)
    looked = looking.look(scene.checked(path).absolute(), asked, ram)
    layout = looked.layout
    files = {"files": layout.files, "missing": layout.missing, "paths": layout.paths}
    output.document({"findings": looked.findings, "scene": layout.scene, **files})
    for line in (*(looked.lines() or ["Nothing to mend."]), *looked.files()):
        output.say(line)
    return exit_codes.FAILURE if looked.stops else exit_codes.OK


def _frames(text: str) -> tuple[int, ...]:
    from rendertrust.frame_range import FrameRangeError, parse

    try:
        return parse(text) if text else ()
    except FrameRangeError as refused:
        raise click.UsageError(f"--frames: {refused}") from refused
