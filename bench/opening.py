"""What it costs to open results that were not drawn: each alone, and in batches.

A scene of ``verify_scenes`` is rendered once, and that result is opened as often as a batch has
results. All seconds are of CPU, of the worker. The last lines tell the verifiers' share of the time
that the frame took, at the least odds.
"""

import argparse
import asyncio
import os
import tempfile
from pathlib import Path
from typing import Final

import attrs

from bench.verify import FRAME, LEAST_ODDS, Bench, Delivery, build, linked, task
from bench.verify_scenes import SCENES
from rendertrust.frames import BATCH_MAX
from rendertrust.node.plugin import EVIDENCE, PICTURE, Completed, Failed, Result, in_batch
from rendertrust.node.plugins.check import Check
from rendertrust.node.plugins.check_batch import CheckBatch
from rendertrust.node.plugins.render import Render

COUNTS: Final = (1, 4, BATCH_MAX)


async def opened(bench: Bench, scene: Path, result: Delivery, count: int) -> float:
    """Return the seconds for each of so many results that one check opens."""
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
        found = await Check(render).run(look)
    else:
        batch = attrs.evolve(work, job_type="check_batch", params={**given, "results": count})
        found = await CheckBatch(render).run(batch)
    _must_be_good(found, count)
    return counted.seconds / count


def _must_be_good(found: Result, count: int) -> None:
    if isinstance(found, Failed):
        raise SystemExit(f"nothing was opened: {found}")
    assert isinstance(found, Completed)
    told = found.work["opened"] if count > 1 else [found.work]
    if len(told) != count or not all(one and one.get("looked") for one in told):
        raise SystemExit(f"a good result is not taken for one: {told}")


async def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", choices=list(SCENES), default="glass")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--pixels", type=int, nargs=2, default=(64, 36))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    width, height = given.pixels
    params = {"samples": given.samples, "width": width, "height": height}
    load = os.getloadavg()[0]
    print(f"{given.scene}, {width} by {height}, {given.samples} samples; load {load:.1f}")
    with tempfile.TemporaryDirectory(prefix="opening-") as folder:
        render = Render(scratch=Path(folder) / "scratch")
        if reason := await render.why_not():
            raise SystemExit(reason)
        assert render.found is not None, "why_not() found one"
        bench = Bench(Path(folder), render.found, params)
        scene = build(bench.place() / "s.blend", given.scene)
        result = await bench.rendered(scene)
        rendering = bench.seconds
        print(f"rendered in {rendering:.2f} s", flush=True)
        each = {}
        for count in COUNTS:
            rounds = [await opened(bench, scene, result, count) for _ in range(given.rounds)]
            each[count] = min(rounds)
            words = ", ".join(f"{one:.3f}" for one in rounds)
            print(f"{count:2} in one check: {words} s for each result", flush=True)
        await bench.checked(scene, result, given.scene, other=False)
        compared = bench.seconds
    print(f"compared in {compared:.2f} s")
    for count, seconds in each.items():
        share = 100 * (seconds + LEAST_ODDS * compared) / rendering
        print(f"share of the rendering, {count} in one check: {share:.1f} %")


if __name__ == "__main__":
    asyncio.run(main())
