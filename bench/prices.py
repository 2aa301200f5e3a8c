"""Prices of ten scenes beside the work of their frames (goal: price ÷ work within 20 % of median).

    python -m bench.prices [--only SCENE] [--rounds 3]

Each scene has another size and number of samples, as the price follows from it. One frame of it is
open in two Blenders: one as it is here, the other without AVX2, which is a second class of machine.
Each of the ``--rounds`` renders, one after the other, the small renders by which a preflight prices
the frame (here), and the whole frame here and there; every second round backwards. All times are
CPU times. A round's price is divided by the work of the same round, so that a machine that slows
down between rounds changes nothing; a scene's quotient is the median of its rounds. A price is
right if it is in proportion to work, so quotients are shown relative to the median of all scenes.
Beside them are the same figures for prices by size.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import attrs
import orjson

from bench.frame_renders import TRIALS, WHOLE
from bench.probe import Table, machine
from bench.verify import build
from bench.verify_scenes import SCENES
from config.settings import DEFAULTS
from rendertrust.preflight.frame_probe import probe_of
from rendertrust.preflight.frame_work import ReferenceFrame, price_of, work_of
from web.jobs.pricing import reference_frame

# Width, height and samples of each scene: between one and four million samples.
SIZES: Final = (
    *((256, 144, 32), (320, 180, 24), (384, 216, 16), (192, 108, 96), (480, 270, 16)),
    *((320, 180, 48), (256, 144, 64), (400, 225, 24), (288, 162, 32), (192, 108, 64)),
)
FRAME: Final = 4
PRICE: Final = 100_000  # units of money for a reference frame
GOAL: Final = 0.2  # most that a price in proportion to work may differ from the median
WITHIN: Final = 600.0  # seconds for one answer of a Blender
OTHER: Final = {"CYCLES_CPU_NO_AVX2": "1"}  # makes this machine one of the second class


@attrs.frozen
class Round:
    """The price of a frame, and its CPU seconds on both classes of machines, measured in turns."""

    price: int
    here: float
    there: float


@attrs.frozen
class PricedScene:
    """A scene's rounds, and the price of its frame by size."""

    name: str
    size: tuple[int, int, int]
    by_size: int
    rounds: Sequence[Round]

    def middle(self, of: str) -> float:
        """Return the median of an attribute of the rounds."""
        found: float = median(getattr(one, of) for one in self.rounds)
        return found

    def by_work(self, where: str) -> list[float]:
        """Return price ÷ work of each round."""
        return [one.price / getattr(one, where) for one in self.rounds]


@attrs.frozen
class OpenFrame:
    """A frame that is open in a separate Blender (``frame_renders``)."""

    process: asyncio.subprocess.Process

    async def ask(self, what: str) -> Mapping[str, Any]:
        """Return the Blender's answer."""
        assert self.process.stdin is not None, "the process has pipes"
        self.process.stdin.write(what.encode() + b"\n")
        return await self.answer()

    async def answer(self) -> Mapping[str, Any]:
        """Return the next answer. Ends the benchmark without one."""
        assert self.process.stdout is not None, "the process has pipes"
        line = await asyncio.wait_for(self.process.stdout.readline(), WITHIN)
        if not line:
            raise SystemExit("a Blender has ended; its messages are above")
        found: Mapping[str, Any] = orjson.loads(line)
        return found


@contextlib.asynccontextmanager
async def opened(scene: Path, **variables: str) -> AsyncGenerator[OpenFrame]:
    """Open the scene in a separate Blender."""
    folder = await asyncio.to_thread(tempfile.mkdtemp, dir=scene.parent)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.frame_renders", str(scene), str(FRAME), folder),
        env={**os.environ, **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    frame = OpenFrame(process)
    try:
        await frame.answer()
        yield frame
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def reference() -> ReferenceFrame:
    """Return the reference frame of a gateway with default settings."""
    found = reference_frame(DEFAULTS.pricing)
    assert found is not None, "by default, frames have prices of their own"
    return found


async def measured(here: OpenFrame, there: OpenFrame, *, backwards: bool) -> Round:
    """Measure the frame's price and its work, one after the other."""
    turns = [(here, TRIALS), (here, WHOLE), (there, WHOLE)]
    found = list[Mapping[str, Any]]()
    for frame, what in reversed(turns) if backwards else turns:
        found.append(await frame.ask(what))
    trials, of_here, of_there = reversed(found) if backwards else found
    work = work_of(probe_of(trials)).of(FRAME)
    return Round(price_of(work, PRICE, reference().seconds), of_here["cpu"], of_there["cpu"])


async def priced(folder: Path, name: str, size: tuple[int, int, int], rounds: int) -> PricedScene:
    """Price a scene's frame, and render it on both classes of machines."""
    width, height, samples = size
    more = (
        f"\nscene.render.resolution_x, scene.render.resolution_y = {width}, {height}",
        f"\nscene.cycles.samples, scene.cycles.use_adaptive_sampling = {samples}, False",
    )
    scene = await asyncio.to_thread(build, folder / f"{name}.blend", name, *more)
    async with opened(scene) as here, opened(scene, **OTHER) as there:
        found = [await measured(here, there, backwards=bool(one % 2)) for one in range(rounds)]
    return PricedScene(name, size, reference().price(PRICE, *size), found)


def relative(quotients: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return each scene's median, lowest and highest quotient, relative to the median scene."""
    middle = median(map(median, quotients))
    return [[found / middle for found in (median(one), min(one), max(one))] for one in quotients]


def show(scenes: Sequence[PricedScene]) -> None:
    """Print the table, and how many prices are within the goal."""
    columns = {
        "work, here": relative([one.by_work("here") for one in scenes]),
        "work, there": relative([one.by_work("there") for one in scenes]),
        "size, there": relative([[one.by_size / one.middle("there")] for one in scenes]),
    }
    table = Table("scene", "size", "credits", "by size", "CPU s", "there", *columns)
    for one, *each in zip(scenes, *columns.values(), strict=True):
        width, height, samples = one.size
        prices = (f"{one.middle('price') / 1e4:.2f}", f"{one.by_size / 1e4:.2f}")
        seconds = (f"{one.middle('here'):.1f}", f"{one.middle('there'):.1f}")
        ranges = [f"{mid:.2f} ({low:.2f} to {high:.2f})" for mid, low, high in each]
        table.add(one.name, f"{width}x{height}, {samples}", *prices, *seconds, *ranges)
    table.print()
    for name, found in columns.items():
        middles = [middle for middle, _, _ in found]
        good = sum(1 - GOAL <= quotient <= 1 + GOAL for quotient in middles)
        ends = f"{min(middles):.2f} to {max(middles):.2f}"
        print(f"price by {name}: {good} of {len(found)} within {GOAL:.0%} of the median ({ends})")


async def main() -> None:
    """Price and render each scene, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=list(SCENES), help="a scene")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each scene")
    given = parser.parse_args()
    names = given.only or list(SCENES)
    print(machine(), flush=True)
    sizes = dict(zip(SCENES, SIZES, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        scenes = list[PricedScene]()
        for name in names:
            scenes.append(await priced(Path(folder), name, sizes[name], given.rounds))
            print(f"{scenes[-1]}, {machine()}", flush=True)
    show(scenes)


if __name__ == "__main__":
    asyncio.run(main())
