"""Cost of opening results that were not drawn for comparison: singly, and in batches.

A scene of ``verify_scenes`` is rendered once, and its result is opened as often as a batch has
results. All times are CPU seconds of the worker. The last lines give the verifiers' CPU time
relative to that of rendering the frame, at the lowest odds.
"""

import argparse
import asyncio
import os
import tempfile
from pathlib import Path
from typing import Final

from bench.verify import LEAST_ODDS, Bench, build, opened
from bench.verify_scenes import SCENES
from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.relay_frames import BATCH_MAX

COUNTS: Final = (1, 4, BATCH_MAX)


async def main() -> None:
    """Render the scene, open the results, and print the costs."""
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
        render = RenderPlugin(scratch=Path(folder) / "scratch", nice=0)
        if reason := await render.why_not():
            raise SystemExit(reason)
        assert render.found is not None, "why_not() found a Blender"
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
