"""Distance between EEVEE frames of different drivers, and the verdicts of the check on them.

    python -m bench.eevee --folder eevee [--only SCENE]

Each scene is drawn with N, ¾ N and ½ N samples by each variant of llvmpipe (``VARIANTS``): the same
driver with another number of threads, narrower vectors, and other code for textures. ``--folder``
keeps the pictures, so an interrupted run can be resumed.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.verify_scenes import HEAD, SAVE, SCENES
from rendertrust.node.worker.checks.eevee_check import SHARES, distance, outcome

# Environment variables of the drawing processes. The first two variants have the same drawing
# class.
VARIANTS: Final[Mapping[str, Mapping[str, str]]] = {
    "two threads": {"LP_NUM_THREADS": "2"},
    "one thread": {"LP_NUM_THREADS": "1"},
    "narrower vectors": {"LP_NATIVE_VECTOR_WIDTH": "128"},
    "other code": {
        "LP_NATIVE_VECTOR_WIDTH": "128",
        "GALLIVM_PERF": "no_filter_hacks,no_rho_approx,no_brilinear,no_quad_lod,no_aos_sampling",
    },
}
FIRST, AGAIN, *OTHERS = VARIANTS
FRAME: Final = 4
EEVEE: Final = """
scene.render.engine = "BLENDER_EEVEE"
scene.eevee.use_shadows = True
"""
# Settings that switch on further features of EEVEE, by scene.
SETTINGS: Final[Mapping[str, str]] = {
    "glass": "scene.eevee.use_raytracing = True",
    "text": "scene.eevee.use_raytracing = True",
    "many lights": "scene.camera.data.dof.use_dof = True\nscene.camera.data.dof.focus_distance = 4",
    "big mesh": "scene.eevee.use_fast_gi = scene.eevee.use_raytracing = True",
}


def draw(path: str, out: str, width: int, height: int, samples: int) -> None:
    """Draw a scene with each fraction of the samples (``SHARES``), in this process."""
    import bpy as module  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    bpy: Any = module
    bpy.ops.wm.open_mainfile(filepath=path)
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.image_settings.file_format = "PNG"
    scene.frame_set(FRAME)
    for share in SHARES:
        scene.eevee.taa_render_samples = max(round(samples * share), 1)
        scene.render.filepath = f"{out}-{share}.png"
        bpy.ops.render.render(write_still=True)


def drawn(folder: Path, name: str, variant: str, size: Sequence[int]) -> list[Any]:
    """Return the pictures of a scene by a variant, in the order of ``SHARES``."""
    scene, out = folder / f"{name}.blend", folder / f"{name}-{variant}"
    if not scene.exists():
        program = "".join((HEAD, SCENES[name], EEVEE, SETTINGS.get(name, ""), SAVE))
        run([sys.executable, "-c", program, str(scene)], {})
    paths = [Path(f"{out}-{share}.png") for share in SHARES]
    if not all(path.exists() for path in paths):
        given = [str(scene), str(out), *map(str, size)]
        run([sys.executable, "-m", "bench.eevee", "--draw", *given], VARIANTS[variant])
    return [read(path) for path in paths]


def read(path: Path) -> Any:
    """Return a picture as values from 0 to 1."""
    from PIL import Image  # noqa: PLC0415 - not beside Blender

    with Image.open(path) as image:
        return np.asarray(image, np.float32) / 255


def run(command: Sequence[str], more: Mapping[str, str]) -> None:
    """Run a program to its end; ignore its exit code, as Blender may crash while it exits."""
    environment = {**os.environ, **more}
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, timeout=3600, check=False)


def tell(name: str, pictures: Mapping[str, list[Any]]) -> str:
    """Return the scene's row of the table."""
    ours, cells = pictures[FIRST], [name]
    cells.append("yes" if all(map(np.array_equal, ours, pictures[AGAIN])) else "no")
    cells.append(", ".join(f"{distance(ours[0], few):.2g}" for few in ours[1:]))
    for other in OTHERS:
        theirs = pictures[other]
        apart = distance(ours[0], theirs[0])
        said = [outcome([distance(mine, of) for mine in ours])[0] for of in theirs]
        cells.append(f"{apart:.2g}: {', '.join(said)}")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Draw the scenes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, default=Path("eevee"), help="keeps the pictures")
    parser.add_argument("--only", action="append", choices=list(SCENES), help="these scenes alone")
    parser.add_argument("--pixels", type=int, nargs=2, default=(128, 72))
    parser.add_argument("--samples", type=int, default=16)
    given = parser.parse_args()
    if given.draw:
        path, out, *numbers = given.draw
        width, height, samples = map(int, numbers)
        draw(path, out, width, height, samples)
        sys.stdout.flush()
        os._exit(0)
    folder = given.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    size = (*given.pixels, given.samples)
    print(f"{size[0]} by {size[1]}, {size[2]} samples; load {os.getloadavg()[0]:.1f}")
    heads = ("scene", "threads do not matter", "N from ¾ N, ½ N", *OTHERS)
    print("| " + " | ".join(heads) + " |\n" + "| --- " * len(heads) + "|")
    for name in given.only or SCENES:
        began = time.monotonic()
        pictures = {variant: drawn(folder, name, variant, size) for variant in VARIANTS}
        print(tell(name, pictures), flush=True)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
