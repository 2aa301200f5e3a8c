"""Percentages of honest results and of lies that the comparison across devices refuses.

Renders with other seeds represent results that are honest but not equal to the last bit. Each scene
is rendered a fixed number of times and kept below ``--folder``. Each draw takes one picture as the
delivery, other pictures as the verifier's, and regions of the frame, so several draws use the same
picture. The first look compares with three seeds. After a refusal, a second look uses five other
seeds and other regions; the second column counts pictures that both looks refuse. The known scenes
are in ``bench.verify_scenes``, the new scenes in ``bench.across_scenes``.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from bench.across_scenes import FIRST_SCENES, LATER_SCENES
from bench.verify_scenes import HEAD, SAVE, SCENES
from rendertrust.node.worker.checks import (
    coarse_render,
    crop_placement,
    exchangeability,
    view_transform,
)
from rendertrust.node.worker.render.frames import still

Array = Any
ALL: Final[Mapping[str, str]] = {**SCENES, **FIRST_SCENES, **LATER_SCENES}
GROUPS: Final[Mapping[str, Mapping[str, str]]] = {
    "known scenes": SCENES,
    "scenes new to all of the rule but for one statistic": FIRST_SCENES,
    "scenes new to the rule": LATER_SCENES,
}
FRAME: Final = 4
HONEST: Final = "honest"
BRIGHTER: Final = {"1 % brighter": 1.01, "3 % brighter": 1.03}
HALF: Final = "half resolution"
BLOCKS: Final = "half resolution, in blocks"
# Fraction of the samples that are rendered, and whether the picture is denoised.
SAMPLED: Final[Mapping[str, tuple[float, bool]]] = {
    "half the samples": (0.5, False),
    "three quarters": (0.75, False),
    "a tenth less": (0.9, False),
    "half and denoised": (0.5, True),
    "a quarter and denoised": (0.25, True),
}
CASES: Final = (HONEST, *SAMPLED, HALF, BLOCKS, *BRIGHTER)
COLUMNS: Final = (
    "delivery",
    "draws",
    "one look: mean (least scene)",
    "two looks: mean (least scene)",
    "nothing said",
    "let pass by the guard alone",
)
BRIGHTENED: Final = 4  # number of honest pictures that are brightened
SEED_OF_LIES: Final = 1000


@attrs.frozen
class Size:
    """Size of the pictures, samples, and number of pictures of each kind."""

    width: int
    height: int
    samples: int
    honest: int
    lies: int


@attrs.frozen
class Drawn:
    """Both looks of a draw; the second look is None if the first did not refuse the picture."""

    first: exchangeability.Exchangeability
    second: exchangeability.Exchangeability | None

    def is_refused(self, *, twice: bool) -> bool:
        """Return True if the first look refuses the picture; with ``twice``, if both looks do."""
        of = self.second if twice else self.first
        return of is not None and of.outcome == exchangeability.REFUSED


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────


def render_scene(name: str, folder: Path, size: Size) -> None:
    """Render all pictures of a scene and save their display values in ``NAME.npz``."""
    import bpy as module  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    bpy: Any = module
    bpy.ops.wm.open_mainfile(filepath=str(folder / f"{name}.blend"))
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = size.width, size.height
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.use_persistent_data = True
    coarse_render.choose_raw(scene.render.image_settings)
    made: dict[str, list[Array]] = {case: [] for case in CASES}

    def light(
        seed: int, share: float = 1.0, *, denoised: bool = False, percent: int = 100
    ) -> Array:
        scene.cycles.seed, scene.cycles.use_denoising = seed, denoised
        scene.cycles.samples = max(round(size.samples * share), 1)
        scene.render.resolution_percentage = percent
        path = folder / f"{name}.exr"
        still(bpy, scene, FRAME, str(path))
        return coarse_render.read_raw(str(path))

    def keep(case: str, of: Array) -> None:
        values = view_transform.shown(bpy, scene, of, str(folder)) * 65535
        made[case].append(np.round(values).astype(np.uint16))

    for seed in range(size.honest):
        honest = light(seed)
        keep(HONEST, honest)
        for case, times in BRIGHTER.items() if seed < BRIGHTENED else ():
            keep(case, honest * np.float32(times))
    for seed in range(SEED_OF_LIES, SEED_OF_LIES + size.lies):
        for case, (share, is_denoised) in SAMPLED.items():
            keep(case, light(seed, share, denoised=is_denoised))
        small = light(seed, percent=50)
        keep(HALF, smooth(small))
        keep(BLOCKS, small.repeat(2, 0).repeat(2, 1))
    stacked: dict[str, Any] = {case: np.stack(of) for case, of in made.items()}
    np.savez_compressed(folder / f"{name}.npz", **stacked)


def smooth(small: Array) -> Array:
    """Return the picture at twice the size, with bilinear interpolation."""

    def twice(of: Array) -> Array:
        before, after = np.concatenate([of[:1], of[:-1]]), np.concatenate([of[1:], of[-1:]])
        pairs = np.stack([0.75 * of + 0.25 * before, 0.75 * of + 0.25 * after], 1)
        return pairs.reshape(2 * of.shape[0], *of.shape[1:])

    return twice(twice(small).swapaxes(0, 1)).swapaxes(0, 1).astype(np.float32)


def rendered(name: str, folder: Path, size: Size) -> Mapping[str, Array]:
    """Return pictures of the scene by case; missing pictures are rendered in a separate Blender."""
    path, began = folder / f"{name}.npz", time.monotonic()
    if not path.exists():
        program = "".join((HEAD, ALL[name], SAVE))
        run([sys.executable, "-c", program, str(folder / f"{name}.blend")])
        numbers = [str(number) for number in attrs.astuple(size)]
        run([sys.executable, "-m", "bench.across", "--render", name, str(folder), *numbers])
        if not path.exists():
            raise SystemExit(f"the scene {name} cannot be rendered")
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    with np.load(path) as file:
        return {case: file[case] / np.float32(65535) for case in file.files}


def run(command: Sequence[str]) -> None:
    """Run a program to its end; ignore its exit code, as Blender may crash while it exits."""
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=3600, check=False)


# ── draws ────────────────────────────────────────────────────────────────────────────────────────


def regions(chance: Any, size: tuple[int, int]) -> list[crop_placement.Crop]:
    """Return regions as a check places them when nothing is known about the frame."""
    crops = [crop_placement.place((*chance.random(2), None), size, []) for _ in range(3)]
    return crop_placement.enlarged(crops, size, exchangeability.CELLS_LEAST)


def look(chance: Any, theirs: Array, ours: Array) -> exchangeability.Exchangeability:
    """Compare pictures in random regions, as one look of a check does."""
    height, width = theirs.shape[:2]
    places = regions(chance, (width, height))

    def cells(picture: Array) -> Array:
        cut = [picture[height - y - h : height - y, x : x + w] for x, y, w, h in places]
        return exchangeability.cells_in(places, cut)

    return exchangeability.compare(np.stack([cells(of) for of in ours]), cells(theirs))


def draw(chance: Any, pictures: Mapping[str, Array], case: str) -> Drawn:
    """Draw a delivery and compare it; compare it again if the first look refuses it."""
    number = int(chance.integers(len(pictures[case])))
    theirs = pictures[case][number]
    others = [
        seed
        for seed in range(len(pictures[HONEST]))
        if seed != number or case not in (HONEST, *BRIGHTER)
    ]
    chosen = chance.permutation(others)
    first, second = exchangeability.SEEDS_FIRST, exchangeability.SEEDS_SECOND
    seen = look(chance, theirs, pictures[HONEST][chosen[:first]])
    if seen.outcome != exchangeability.REFUSED:
        return Drawn(seen, None)
    return Drawn(seen, look(chance, theirs, pictures[HONEST][chosen[first : first + second]]))


def table(found: Mapping[str, Mapping[str, list[Drawn]]]) -> Sequence[str]:
    """Return a Markdown table of the refusals in per cent: mean of all scenes, and the lowest."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "| --- " * len(COLUMNS) + "|"]
    for case in CASES:
        of = {name: cases[case] for name, cases in found.items()}
        every = [one for drawn in of.values() for one in drawn]
        cells = [case, f"{len(every):,}"]
        for twice in (False, True):
            shares = {
                name: 100 * np.mean([one.is_refused(twice=twice) for one in drawn])
                for name, drawn in of.items()
            }
            least = min(shares, key=lambda name: float(shares[name]))
            refused = sum(one.is_refused(twice=twice) for one in every)
            said = f"{np.mean(list(shares.values())):.1f} ({shares[least]:.0f}, {least})"
            cells.append(f"{refused}" if case == HONEST else said)
        unsaid = [one.first.outcome == exchangeability.UNSAID for one in every]
        cells.append(f"{100 * np.mean(unsaid):.1f}")
        cells.append(f"{100 * np.mean([is_guarded(one.first) for one in every]):.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def is_guarded(look: exchangeability.Exchangeability) -> bool:
    """Return True if the picture is accepted only because its bias is at most two per cent."""
    if look.outcome != exchangeability.ACCEPTED or look.bias > exchangeability.BIAS_LEAST:
        return False
    return bool(exchangeability.judged(look._replace(bias=1.0)).reasons)


def detail(name: str, cases: Mapping[str, list[Drawn]]) -> str:
    """Return a scene's refusals in per cent, for each case by one look and by two."""
    parts = []
    for case in CASES:
        one, two = (
            100 * np.mean([of.is_refused(twice=twice) for of in cases[case]])
            for twice in (False, True)
        )
        parts.append(f"{case} {one:.0f}/{two:.0f}")
    reasons = sorted({f"{r}" for of in cases[HONEST] for r in of.first.reasons})
    noisy = np.mean([of.first.noisy / max(of.first.cells, 1) for of in cases[HONEST]])
    return f"{name}: {', '.join(parts)}; cells with noise {noisy:.2f}; honest refused by {reasons}"


def main() -> None:
    """Render the scenes, draw deliveries and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", nargs=7, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, default=Path("across"), help="keeps the pictures")
    parser.add_argument("--only", action="append", choices=list(ALL), help="these scenes alone")
    parser.add_argument("--pixels", type=int, nargs=2, default=(192, 108))
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--pictures", type=int, nargs=2, default=(16, 3), help="honest, of a lie")
    parser.add_argument("--draws", type=int, nargs=2, default=(300, 60), help="honest, of a lie")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.render:
        name, folder, *numbers = given.render
        width, height, samples, honest, lies = map(int, numbers)
        render_scene(name, Path(folder), Size(width, height, samples, honest, lies))
        sys.stdout.flush()
        os._exit(0)
    given.folder.mkdir(parents=True, exist_ok=True)
    width, height = given.pixels
    honest, lies = given.pictures
    size = Size(width, height, given.samples, honest, lies)
    print(f"{attrs.asdict(size)}; load {os.getloadavg()[0]:.1f}")
    for title, scenes in GROUPS.items():
        found: dict[str, Mapping[str, list[Drawn]]] = {}
        for name in (name for name in scenes if name in (given.only or ALL)):
            pictures = rendered(name, given.folder, size)
            chance = np.random.default_rng([given.seed, *name.encode()])
            found[name] = {
                case: [draw(chance, pictures, case) for _ in range(given.draws[case != HONEST])]
                for case in CASES
            }
            print(detail(name, found[name]), flush=True)
        if found:
            print("\n".join([f"\n{len(found)} {title}:", *table(found), ""]), flush=True)


if __name__ == "__main__":
    main()
