"""CPU seconds of EEVEE frames as units of a node without a graphics card, beside bare Blender's.

    python -m bench.eevee_frames [--frames 8]
    python -m bench.eevee_frames --blender 4.2 --store FOLDER

The same animation is rendered by one process of Blender outside any sandbox, without stored
shaders, and then by a node's plugin in its sandbox, each frame as a unit with evidence. Before its
first unit, the node has compiled its shaders, as each node does when it starts. A frame's CPU
seconds are those of the whole process since the last frame, so the first frame's include the start.

With ``--blender``, a version that the node installs in the folder of ``--store`` renders two frames
of one job, each in a new process: with and without stored shaders, bare and as units.
"""

import argparse
import asyncio
import inspect
import json
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import attrs

from bench.verify import Counted, task
from rendertrust.blender_version import parse
from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.renderer_store import RendererStore
from tests.integration.node.scenes import END, SAVE, SMALL, build
from web.downloads.renderers import listed_renderers

SCENE: Final = """
scene.render.engine = "BLENDER_EEVEE" if bpy.app.version >= (5, 0) else "BLENDER_EEVEE_NEXT"
scene.eevee.taa_render_samples = 4
scene.render.resolution_x, scene.render.resolution_y = 640, 360
cube = bpy.data.objects["Cube"]
for frame, turn in ((1, 0.0), (8, 1.0)):
    cube.rotation_euler[2] = turn
    cube.keyframe_insert("rotation_euler", frame=frame)
"""


def draw(path: str, out: str, frames: int) -> None:
    """Render the frames as bare Blender does; print the process's CPU seconds after each."""
    import json  # noqa: PLC0415
    import os  # noqa: PLC0415
    import time  # noqa: PLC0415
    from typing import Any  # noqa: PLC0415

    import bpy as module  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    bpy: Any = module
    bpy.ops.wm.open_mainfile(filepath=path)
    scene, spent = bpy.context.scene, []
    scene.render.image_settings.file_format = "PNG"
    for frame in range(1, frames + 1):
        scene.frame_set(frame)
        scene.render.filepath = f"{out}-{frame}.png"
        bpy.ops.render.render(write_still=True)
        spent.append(time.process_time())
    print("\n" + json.dumps(spent), flush=True)
    os._exit(0)


def by_bare_blender(folder: Path, scene: Path, frames: int) -> list[float]:
    """Return the CPU seconds of each frame in one process with a new home folder."""
    given = [sys.executable, "-m", "bench.eevee_frames", "--frames", str(frames)]
    given += ["--draw", str(scene), str(folder / "bare")]
    variables = {**os.environ, "XDG_CACHE_HOME": str(folder / "home"), "LP_NUM_THREADS": "1"}
    told = subprocess.run(given, stdout=subprocess.PIPE, env=variables, timeout=3600, check=True)
    return each_of(json.loads(told.stdout.splitlines()[-1]))


def by_one_process_each(python: str, folder: Path, scene: Path) -> list[float]:
    """Return the CPU seconds of a frame in bare Blender without stored shaders, and with them."""
    program = (
        f"from typing import Any\n{inspect.getsource(draw)}\nimport sys\ndraw(*sys.argv[1:], 1)"
    )
    command = [python, "-I", "-c", program, str(scene), str(folder / "bare")]
    variables = {**os.environ, "XDG_CACHE_HOME": str(folder / "home"), "LP_NUM_THREADS": "1"}
    spent = list[float]()
    for _ in range(2):
        told = subprocess.run(
            command, stdout=subprocess.PIPE, env=variables, timeout=3600, check=True
        )
        spent += json.loads(told.stdout.splitlines()[-1])
    return spent


def saved(python: str, scene: Path) -> Path:
    """Save the scene with the Blender of another Python."""
    program = "".join((SMALL, SCENE, SAVE, END))
    command = [python, "-I", "-c", program, str(scene)]
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=600, check=True)
    return scene


async def units_of(folder: Path, scene: Path, found: Blender) -> list[float]:
    """Return the CPU seconds of two units of one job, each in a new process."""
    counted: Any = Counted(found)
    render, spent = RenderPlugin(scratch=folder / "scratch", found=counted), list[float]()
    for frame in (1, 2):
        place = folder / str(frame)
        place.mkdir(parents=True)
        counted.seconds = 0.0
        made = await render.run(task(place, scene, {"frame": frame}, 1))
        await render.residents.end()
        if not isinstance(made, Completed):
            raise SystemExit(f"a frame cannot be rendered: {made}")
        spent.append(counted.seconds)
    return spent


async def in_version(version: str, place: Path, folder: Path) -> None:
    """Print the table of a version that the store installs in ``place``."""
    render = RenderPlugin(scratch=folder / "scratch")
    if (reason := await render.why_not()) is not None:
        raise SystemExit(reason)
    store = RendererStore(place, 2**33, render.try_out)
    await store.clean()
    await store.take(listed_renderers())
    if (release := store.find(parse(version))) is None:
        raise SystemExit(f"there is no Blender {version}: {store.faults}")
    async with store.lent(release) as found:
        if not isinstance(found, Blender):
            raise SystemExit(found.reason)
        python = found.renderer.before[0]
        scene = await asyncio.to_thread(saved, python, folder / "scene.blend")
        node = RenderPlugin(scratch=folder / "scratch", found=found)
        await node.warm()
        cold = attrs.evolve(found, compiled=None)
        print(f"Blender {found.version}\n| CPU seconds | first | second |\n| --- | --- | --- |")
        bare = await asyncio.to_thread(by_one_process_each, python, folder, scene)
        print(row("bare Blender, a process each", bare), flush=True)
        print(
            row("units, shaders ahead", await units_of(folder / "warm", scene, found)), flush=True
        )
        print(row("units, nothing ahead", await units_of(folder / "cold", scene, cold)))


def each_of(spent: list[float]) -> list[float]:
    """Return the CPU seconds of each frame, from those of the process after each frame."""
    return [after - before for before, after in pairwise([0.0, *spent])]


async def by_a_node(folder: Path, scene: Path, frames: int) -> list[float]:
    """Return the CPU seconds of each unit of one job."""
    render, spent = RenderPlugin(scratch=folder / "scratch"), list[float]()
    if (reason := await render.why_not()) is not None or render.found is None:
        raise SystemExit(reason)
    await render.warm()
    counted: Any = Counted(render.found)
    render.found = counted
    try:
        for frame in range(1, frames + 1):
            place = folder / str(frame)
            place.mkdir()
            work = task(place, scene, {"frame": frame, "evidence": True}, 1)
            counted.seconds = 0.0
            made = await render.run(attrs.evolve(work, content="bench"))
            if not isinstance(made, Completed):
                raise SystemExit(f"a frame cannot be rendered: {made}")
            spent.append(counted.seconds)
    finally:
        await render.residents.end()
    return each_of(spent)


def row(name: str, spent: list[float]) -> str:
    """Return a row of the table."""
    return f"| {name} | " + " | ".join(f"{one:.1f}" for one in spent) + " |"


def main() -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--blender", help="a version that the node installs, like 4.2")
    parser.add_argument("--store", type=Path, help="the folder of the installed versions")
    given = parser.parse_args()
    if given.draw:
        path, out = given.draw
        draw(path, out, given.frames)
    print(f"640 by 360, 4 samples, one thread; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # noqa: PTH101 - for the user as which root's Blender runs
        folder = Path(name)
        if given.blender:
            place = given.store or folder / "renderers"
            asyncio.run(in_version(given.blender, place, folder))
            return
        scene = build(folder / "scene.blend", SCENE)
        bare = by_bare_blender(folder, scene, given.frames)
        units = asyncio.run(by_a_node(folder, scene, given.frames))
    frames = range(1, given.frames + 1)
    print("| CPU seconds | " + " | ".join(f"frame {frame}" for frame in frames) + " |")
    print("| --- " * (given.frames + 1) + "|")
    print(row("bare Blender, one process", bare))
    print(row("units of a node", units))
    print(f"second frame: {units[1] / bare[1]:.2f} times bare Blender's")


if __name__ == "__main__":
    main()
