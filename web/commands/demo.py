"""``rendertrust demo``: renders a picture and a short animation end to end on this machine."""

import sys
from pathlib import Path

import click


@click.command
@click.option(
    "--exit",
    "leave",
    is_flag=True,
    help="Exit when the demo is done, with its exit code (default: keep serving).",
)
@click.option(
    "--blend",
    type=click.Path(path_type=Path, dir_okay=False, exists=True, resolve_path=True),
    help="Render your own .blend file.",
)
@click.option(
    "--frame",
    type=click.IntRange(0, 1_048_574),
    default=1,
    show_default=True,
    help="Render this frame of your own scene.",
)
@click.option("--frames", help="Frames of your own scene to animate: 1-24, 1-100x10.")
@click.option(
    "--chaos", is_flag=True, help="Kill one of the two nodes while it works, and restart it."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    help="The folder for pictures and the video (default: in the data folder).",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    help="The port (default: the first free one from 8000).",
)
@click.option("--host", help="The address that the gateway listens on.")
@click.option(
    "--insecure-development", "insecure", is_flag=True, help="Accept other machines without TLS."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    help="The data folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
def demo(
    *,
    leave: bool,
    blend: Path | None,
    frame: int,
    frames: str | None,
    chaos: bool,
    out: Path | None,
    port: int | None,
    host: str | None,
    insecure: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Run a gateway and two nodes on this machine, and render a picture and an animation.

    The command leaves a picture with its receipt, the frames of a short animation, and a video of
    these frames. At the end the picture is rendered again without the gateway, to verify its
    receipt.
    """
    import asyncio

    from config.data_folder import data_folder
    from rendertrust.cli.path_checks import checked
    from web.commands.serve import settings_to_serve
    from web.demonstration.demo import DemoOptions, demonstrate
    from web.demonstration.narrator import JsonNarrator, Narrator

    base = data_folder(settings_to_serve(port, host, None, None, insecure=insecure))
    if blend is not None:
        checked(blend)
    options = DemoOptions(
        base,
        data,
        out,
        blend,
        frame,
        port,
        host,
        stay=not leave,
        frames=frames,
        chaos=chaos,
        insecure=insecure,
    )
    try:
        code = asyncio.run(demonstrate(options, JsonNarrator() if as_json else Narrator()))
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
