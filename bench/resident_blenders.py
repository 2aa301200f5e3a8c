"""Time saved by resident Blenders, and a comparison of their pictures.

The same frames of each scene of ``verify_scenes`` are rendered twice, each frame as a unit: with a
new Blender per frame, and with one Blender for all frames, in another order. The frames are small,
so that the fixed cost of a frame shows.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from bench.verify import build, task
from bench.verify_scenes import SCENES
from rendertrust.node.blender import Blender
from rendertrust.node.plugin import Completed
from rendertrust.node.plugins.render import RenderPlugin

FRAMES: Final = (4, 7, 2, 5)
SIZE: Final = {"width": 64, "height": 36, "samples": 4}
Delivered = dict[int, tuple[bytes, bytes]]  # by frame: bytes of the picture and of its evidence


@attrs.define
class Farm:
    """A node with a Blender, and a count of its units."""

    folder: Path
    blender: Blender
    count: int = 0

    async def render(self, scene: Path, frames: Sequence[int], content: str) -> Delivered:
        """Render the frames as separate units."""
        render = RenderPlugin(scratch=self.folder / "scratch", found=self.blender)
        try:
            return {frame: await self._unit(render, scene, frame, content) for frame in frames}
        finally:
            await render.residents.end()

    async def _unit(
        self, render: RenderPlugin, scene: Path, frame: int, content: str
    ) -> tuple[bytes, bytes]:
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir()
        work = task(folder, scene, {**SIZE, "frame": frame, "evidence": True}, 1)
        made = await render.run(attrs.evolve(work, content=content))
        if not isinstance(made, Completed) or made.file is None or made.evidence is None:
            raise SystemExit(f"a frame cannot be rendered: {made}")
        return made.file.read_bytes(), made.evidence.read_bytes()


async def of_scene(farm: Farm, name: str) -> tuple[float, float, bool]:
    """Return seconds per frame with new Blenders and with one, and whether the files are equal."""
    scene = build(farm.folder / f"{name}.blend", name)
    began = time.monotonic()
    each = await farm.render(scene, FRAMES, "")
    between = time.monotonic()
    one = await farm.render(scene, sorted(FRAMES), name)
    ended = time.monotonic()
    return (between - began) / len(FRAMES), (ended - between) / len(FRAMES), each == one


async def main() -> None:
    """Measure each scene and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=list(SCENES), help="a scene")
    names = parser.parse_args().only or list(SCENES)
    print(f"{len(FRAMES)} frames of {SIZE}; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # noqa: PTH101 - for the user as which root's Blender runs
        folder = Path(name)
        render = RenderPlugin(scratch=folder / "trial")
        if (reason := await render.why_not()) is not None or render.found is None:
            raise SystemExit(reason)
        farm = Farm(folder, render.found)
        for scene in names:
            each, one, equal = await of_scene(farm, scene)
            words = "equal to the last byte" if equal else "NOT EQUAL"
            print(f"{scene:18} {each:5.2f} s each with its own, {one:5.2f} s with one: {words}")


if __name__ == "__main__":
    asyncio.run(main())
