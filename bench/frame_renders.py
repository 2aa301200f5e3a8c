"""One frame of a scene in a separate Blender, rendered as asked, for ``bench.prices``.

    python -m bench.frame_renders SCENE.blend FRAME FOLDER

Each line of standard input asks for one thing: ``trials`` for the small renders by which a
preflight measures the frame, ``whole`` for the frame itself. The answer is a JSON line with CPU
seconds.
"""

import sys
from pathlib import Path
from typing import Any, Final

from rendertrust.node.worker.ipc import Say, speaker, take_standard_output
from rendertrust.node.worker.render import price_probe
from rendertrust.node.worker.scene.loader import opened
from rendertrust.node.worker.scene.output import set_format, size_of
from rendertrust.node.worker.scene.settings import prepare
from rendertrust.preflight.frame_probe import PIXEL_SAMPLES, PIXELS_MOST

TRIALS: Final = "trials"
WHOLE: Final = "whole"
THREADS: Final = 1


def answer(bpy: Any, scene: Any, frame: int, path: str, say: Say) -> None:
    """Render what each line asks for, until standard input ends."""
    size, samples = size_of(scene), scene.cycles.samples
    trial = price_probe.trial_of(size, samples, PIXELS_MOST, PIXEL_SAMPLES)
    own: price_probe.Picture = (size, None, samples)
    # The first render sets up data that later renders reuse.
    price_probe.timed(bpy, scene, frame, path, (size, price_probe.NEARLY_NONE, samples))
    say("ready")
    for line in sys.stdin:
        if line.strip() == WHOLE:
            say("rendered", cpu=price_probe.timed(bpy, scene, frame, path, own)[1])
            continue
        each = price_probe.trials_of(scene, size, trial)
        taken = [price_probe.timed(bpy, scene, frame, path, one) for one in each.values()]
        say(
            "measured",
            width=size[0],
            height=size[1],
            samples=samples,
            probed_pixels=trial[0][0] * trial[0][1],
            probed_samples=trial[1],
            frames=[price_probe.told(frame, taken, THREADS, [*each])],
        )


def main() -> None:
    """Open the scene as a preflight does, and answer."""
    say = speaker(take_standard_output())
    import bpy as module  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    bpy: Any = module
    path, frame, folder = sys.argv[1:]
    order = {"scene": path, "inputs": folder, "threads": THREADS}
    scene = opened(bpy, order)
    prepare(scene, order)
    scene.cycles.use_adaptive_sampling = scene.render.use_compositing = False
    set_format(scene.render.image_settings, "IMAGE", "PNG")
    answer(bpy, scene, int(frame), str(Path(folder) / "frame.png"), say)


if __name__ == "__main__":
    main()
