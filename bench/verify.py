"""Accuracy and cost of checks, for lies and honest work (goal R1: 6 % of the rendering).

Each of ten scenes (``verify_scenes``) is rendered honestly, twice, and with lies; each result is
checked as a verifier node checks it. The threshold is chosen by five scenes and tested on the other
five. Checks decide by multiples of the noise. The PSNR in decibels of the worst crop of the picture
is shown beside it; if only the finished picture was edited (``edits``), most crops are equal.
``--only NAME`` selects scenes. ``--pixels`` and ``--samples`` set the size of the frames: small
frames say nothing about the cost in production.
"""

import argparse
import asyncio
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
from PIL import Image

from actors.verifier.check_orders import draws
from actors.verifier.report import Report, read_report
from actors.verifier.thresholds import DEFAULTS, Thresholds, is_match, of_all
from bench.verify_scenes import HEAD, REPORTED_ON, SAVE, SCENES, SEED, TUNED_ON
from rendertrust.node.blender import Blender
from rendertrust.node.child_process import ProcessExit
from rendertrust.node.plugin import EVIDENCE, PICTURE, Completed, Failed, Result, Task, in_batch
from rendertrust.node.plugins.check import CheckPlugin
from rendertrust.node.plugins.quick_look_batch import CheckBatchPlugin
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.resident_blender import Hear
from rendertrust.relay_frames import BATCH_MAX
from tests.integration.node.edits import EDITS, edited

FRAME: Final = 4
SECRET: Final = b"bench.verify" * 3
LEAST_ODDS: Final = 0.05
HONEST: Final = ("honest", "no AVX2, by its like")
ACROSS: Final = "no AVX2, by AVX2"  # shows why no verifier of another device class is asked
Crop = tuple[int, int, int, int]  # x and y from the upper left corner, width, height
MOVES: Final = ("motion blur", "simulation cache")
COSTS: Final = ("rendering", "checking", "opening")


@attrs.frozen
class OtherMachine:
    """A renderer on a machine without AVX2."""

    renderer: Any

    def program(self, worker: str, order: str) -> list[str]:
        """Return Blender's command line."""
        return ["/usr/bin/env", "CYCLES_CPU_NO_AVX2=1", *self.renderer.program(worker, order)]


@attrs.frozen
class Delivery:
    """A node's result for a frame."""

    picture: Path
    evidence: Path


@attrs.frozen
class Seen:
    """A checked result, with CPU seconds of rendering, checking, and opening it in a batch.

    ``psnr`` is the PSNR of the worst crop in decibels; inf means that all crops are equal.
    """

    scene: str
    case: str
    farthest: float
    psnr: float
    report: Report
    rendering: float
    checking: float
    opening: float = 0.0

    def shares(self) -> tuple[float, float]:
        """Return verification's cost in per cent of rendering, at odds 1 and at the least odds."""
        least = LEAST_ODDS * self.checking + (1 - LEAST_ODDS) * self.opening
        return 100 * self.checking / self.rendering, 100 * least / self.rendering

    def is_held(self, thresholds: Thresholds) -> bool:
        """Return True if the result passes as honest."""
        return self.report.fault is None and is_match(of_all(self.report.compared, thresholds))


def build(path: Path, name: str, *more: str) -> Path:
    """Save the scene in a separate Blender and return its path."""
    program = "".join((HEAD, SCENES[name], *more, SAVE))
    command = [sys.executable, "-c", program, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if ran.returncode != 0 or not path.exists():
        raise SystemExit(f"the scene {name} cannot be made: {ran.stderr[-1500:]}")
    return path


def linked(folder: Path, files: Mapping[str, Path]) -> dict[str, Path]:
    """Hard-link the files into the folder and return their paths by name."""
    placed = {name: folder / name for name in files}
    for name, path in placed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(files[name], path)
    return placed


def task(folder: Path, scene: Path, params: Mapping[str, Any], threads: int) -> Task:
    """Return a unit as an agent passes it to a plugin."""
    return Task(
        job_id="bench",
        job_type="render",
        payload_ref="x",
        unit=0,
        attempt=1,
        params=params,
        folder=folder,
        inputs=linked(folder / "in", {"s.blend": scene}),
        threads=threads,
        on_progress=lambda share, words: None,
    )


@attrs.define
class Counted:
    """A Blender that counts the CPU seconds of its orders."""

    blender: Blender
    seconds: float = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.blender, name)

    async def obey(self, *given: Any, hear: Hear, **named: Any) -> ProcessExit:
        """Pass the order on to Blender and add up its CPU seconds."""

        def heard(line: Mapping[str, Any]) -> None:
            self.seconds += float(line.get("cpu") or 0.0)
            hear(line)

        return await self.blender.obey(*given, hear=heard, **named)


@attrs.define
class Bench:
    """The machines that render and check; all files are below ``folder``."""

    folder: Path
    here: Blender
    params: Mapping[str, Any]
    count: int = 0
    seconds: float = 0.0  # CPU seconds of the last render or check

    def place(self) -> Path:
        """Make a new work folder."""
        self.count += 1
        made = self.folder / str(self.count)
        made.mkdir()
        return made

    def machine(self, *, other: bool) -> tuple[RenderPlugin, Counted]:
        """Return a renderer on this machine, or on the same machine without AVX2."""
        lacking: Any = OtherMachine(self.here.renderer)
        counted: Any = Counted(attrs.evolve(self.here, renderer=lacking) if other else self.here)
        return RenderPlugin(scratch=self.folder / "scratch", found=counted), counted

    async def rendered(self, scene: Path, *, other: bool = False, **more: Any) -> Delivery:
        """Render with one thread, as a node; with ``other`` without AVX2."""
        given = {"frame": FRAME, "evidence": True, **self.params, **more}
        render, counted = self.machine(other=other)
        made = await render.run(task(self.place(), scene, given, 1))
        self.seconds = counted.seconds
        if isinstance(made, Failed) or made.file is None or made.evidence is None:
            raise SystemExit(f"a frame cannot be rendered: {made}")
        return Delivery(made.file, made.evidence)

    async def checked(
        self, scene: Path, result: Delivery, name: str, *, other: bool
    ) -> tuple[Report, list[Crop]]:
        """Return a verifier's report, with two threads, and the crops."""
        numbers = [list(one) for one in draws(SECRET, name.encode(), name.encode())]
        params = {"frame": FRAME, "draws": numbers, **self.params}
        folder = self.place()
        beside = linked(folder / "delivered", {PICTURE: result.picture, EVIDENCE: result.evidence})
        work = attrs.evolve(task(folder, scene, params, 2), job_type="check", delivered=beside)
        render, counted = self.machine(other=other)
        found = await CheckPlugin(render).run(work)
        self.seconds = counted.seconds
        if not isinstance(found, Completed):
            raise SystemExit(f"a check ended without a report: {found}")
        told = found.work
        read = read_report(told)
        if not isinstance(read, Report) or read.unable is not None:
            raise SystemExit(f"{name} cannot be checked: {read}")
        return read, [one["at"] for one in told.get("crops", ())]


async def opened(bench: Bench, scene: Path, result: Delivery, count: int) -> float:
    """Return the CPU seconds per result of a check that opens ``count`` results."""
    folder, given = bench.place(), {"frame": FRAME, **bench.params}
    names = [(PICTURE, EVIDENCE)] if count == 1 else [in_batch(number) for number in range(count)]
    files = {
        name: path
        for pair in names
        for name, path in zip(pair, (result.picture, result.evidence), strict=True)
    }
    beside = linked(folder / "delivered", files)
    work = attrs.evolve(task(folder, scene, given, 2), delivered=beside)
    render, counted = bench.machine(other=False)
    found: Result
    if count == 1:
        look = attrs.evolve(work, job_type="check", params={**given, "draws": []})
        found = await CheckPlugin(render).run(look)
    else:
        batch = attrs.evolve(work, job_type="check_batch", params={**given, "results": count})
        found = await CheckBatchPlugin(render).run(batch)
    must_be_good(found, count)
    return counted.seconds / count


def must_be_good(found: Result, count: int) -> None:
    """End the run if a valid result was not opened successfully."""
    if isinstance(found, Failed):
        raise SystemExit(f"nothing was opened: {found}")
    assert isinstance(found, Completed)
    told = found.work["opened"] if count > 1 else [found.work]
    if len(told) != count or not all(one and one.get("looked") for one in told):
        raise SystemExit(f"a valid result was not accepted: {told}")


async def of_scene(bench: Bench, name: str, *, lies: bool) -> list[Seen]:
    """Render and check the honest result of one scene and, if asked, lies about it."""
    scene = build(bench.place() / "s.blend", name)
    samples = int(bench.params["samples"])
    cases: list[tuple[str, Path, dict[str, Any]]] = [("honest", scene, {})]
    if lies:
        cases.append(("one sample less", scene, {"samples": samples - 1}))
        cases.append(("another seed", build(bench.place() / "s.blend", name, SEED), {}))
        if name in MOVES:
            cases.append(("another frame", scene, {"frame": FRAME + 1}))
        cases.append((HONEST[1], scene, {"other": True}))
    found: list[Seen] = []
    results: dict[str, Delivery] = {}
    for case, of, more in cases:
        results[case] = await bench.rendered(of, **more)
        took, other = bench.seconds, bool(more.get("other"))
        of_both = (results[case], results["honest"])
        one = await seen(bench, (name, case), scene, of_both, took, other=other)
        if case == "honest":
            each = await opened(bench, scene, results[case], BATCH_MAX)
            one = attrs.evolve(one, opening=each)
        found.append(one)
    if lies:
        honest = results["honest"]
        across = (results[HONEST[1]], honest)
        found.append(await seen(bench, (name, ACROSS), scene, across, 0.0))
        mixed = attrs.evolve(honest, picture=results["another seed"].picture)
        found.append(await seen(bench, (name, "picture of another"), scene, (mixed, honest), 0.0))
        for edit in EDITS:
            lie = attrs.evolve(honest, picture=bench.place() / honest.picture.name)
            lie.picture.write_bytes(edited(honest.picture.read_bytes(), edit))
            found.append(await seen(bench, (name, edit), scene, (lie, honest), 0.0))
    return found


async def seen(
    bench: Bench,
    named: tuple[str, str],
    scene: Path,
    of_both: tuple[Delivery, Delivery],
    rendering: float,
    *,
    other: bool = False,
) -> Seen:
    """Check the first of both deliveries, and compare it with the second, honest delivery."""
    began, (result, honest) = time.monotonic(), of_both
    report, crops = await bench.checked(scene, result, " ".join(named), other=other)
    farthest = max((one.off for one in report.compared), default=math.inf)
    near = psnr(result.picture, honest.picture, crops)
    found = Seen(*named, farthest, near, report, rendering, bench.seconds)
    verdict = "fault" if report.fault else of_all(report.compared)
    words = f"{named[0]:17} {named[1]:22} {verdict:10} {farthest:9.3g} {near:5.1f} dB"
    times = f"render {rendering:6.1f} s CPU, check {found.checking:6.1f} s CPU"
    print(f"{words}   {times}, {time.monotonic() - began:.0f} s", flush=True)
    return found


def psnr(one: Path, other: Path, crops: Sequence[Crop]) -> float:
    """Return the PSNR of the crop that differs most: decibels of display values."""
    first, second = (np.asarray(Image.open(of), np.float64) / 255 for of in (one, other))
    cut = [(slice(y, y + high), slice(x, x + wide)) for x, y, wide, high in crops]
    apart = max(float(np.mean((first[at] - second[at]) ** 2)) for at in cut)
    return -10 * math.log10(apart) if apart else math.inf


def chosen(found: Sequence[Seen]) -> float:
    """Return the threshold for these scenes, between the best lie and the worst honest result.

    The threshold is the geometric mean of both distances. The honest distance counts as at least a
    hundredth of the lie's.
    """
    best = min((one.farthest for one in found if one.case not in HONEST), default=math.nan)
    worst = max((one.farthest for one in found if one.case in HONEST), default=0.0)
    return math.sqrt(best * max(worst, best / 100))


def summary(words: str, found: Sequence[Seen], match: float) -> None:
    """Print false alarms and missed lies at a threshold."""
    honest = [one for one in found if one.case in HONEST]
    lies = [one for one in found if one.case not in HONEST]
    if not honest or not lies:
        return
    thresholds = Thresholds(match=match, open=max(match, DEFAULTS.open))
    alarms = sum(not one.is_held(thresholds) for one in honest)
    missed = sum(one.is_held(thresholds) for one in lies)
    worst, best = max(one.farthest for one in honest), min(one.farthest for one in lies)
    exact = sum(one.farthest == 0 for one in honest)
    near, far = min(one.psnr for one in honest), [one.psnr for one in lies]
    print(
        f"{words}, at {match:.2g} of the noise: {alarms} of {len(honest)} honest refused, {missed}"
        f" of {len(lies)} lies missed; {exact} honest ones exact, the worst {worst:.2g}, the best"
        f" lie {best:.2g}; crops of the pictures: honest ones {near:.1f} dB at least, those of lies"
        f" {min(far):.1f} to {max(far):.1f} dB"
    )


def tell(found: Sequence[Seen]) -> None:
    """Print the results."""
    found = [one for one in found if one.case != ACROSS]
    tuned = [one for one in found if one.scene in TUNED_ON]
    others = [one for one in found if one.scene in REPORTED_ON]
    if tuned and len({one.case for one in tuned}) > len(HONEST):
        match = chosen(tuned)
        summary("five scenes that it was tuned on", tuned, match)
        summary("the other five", others, match)
    summary("all of them", found, DEFAULTS.match)
    tell_costs([one for one in found if one.case == "honest"])


def tell_costs(honest: Sequence[Seen]) -> None:
    """Print the cost of verification as a Markdown table: CPU seconds and percentages (goal R1)."""
    summed = [sum(getattr(one, of) for one in honest) for of in COSTS]
    print("\n| scene | rendered | compared | opened, of 16 | at odds 1 | at the least odds |")
    print("| --- " * 6 + "|")
    for one in (
        *honest,
        attrs.evolve(honest[0], scene="all", **dict(zip(COSTS, summed, strict=True))),
    ):
        often, seldom = one.shares()
        print(
            f"| {one.scene} | {one.rendering:.1f} s | {one.checking:.1f} s | {one.opening:.3f} s"
            f" | {often:.1f} % | {seldom:.2f} % |"
        )


async def main() -> None:
    """Render and check the scenes, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=list(SCENES), help="these scenes alone")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--pixels", type=int, nargs=2, default=(96, 54))
    parser.add_argument("--honest", action="store_true", help="no lies: for the cost")
    given = parser.parse_args()
    width, height = given.pixels
    params = {"samples": given.samples, "width": width, "height": height}
    print(f"{width} by {height}, {given.samples} samples; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        render = RenderPlugin(scratch=Path(folder) / "scratch", nice=0)
        if reason := await render.why_not():
            raise SystemExit(reason)
        assert render.found is not None, "why_not() found a Blender"
        bench = Bench(Path(folder), render.found, params)
        found: list[Seen] = []
        for name in given.only or SCENES:
            found += await of_scene(bench, name, lies=not given.honest)
        tell(found)


if __name__ == "__main__":
    asyncio.run(main())
