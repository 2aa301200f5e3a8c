"""What a frame costs: seconds of the reference machine, from a few small crops of some frames.

A crop's render costs what every frame costs (the scene is set up) and what its pixels cost. The
first is measured by a render of nearly no pixels, so the second is the rest; it grows with pixels
and samples. The price of a frame lies on the line between the two probed frames around it.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from rendertrust.tiling import Tile

CROPS: Final = 3
CROP_SHARE: Final = 0.01  # of the frame's pixels, each
SAMPLES_MOST: Final = 64
SECONDS_LEAST: Final = 0.001


@attrs.frozen(kw_only=True)
class Probed:
    """One probed frame: ``base`` seconds for any render of it, ``pixel`` for one pixel at all the
    scene's samples.
    """

    frame: int
    base: float
    pixel: float


@attrs.frozen(kw_only=True)
class Probe:
    """The measured frames, ascending, and the size of the scene's pictures."""

    width: int
    height: int
    samples: int
    frames: tuple[Probed, ...]


def frames_to_probe(frames: Sequence[int]) -> tuple[int, ...]:
    """First, middle and last of what was asked for."""
    ascending = sorted(set(frames))
    if not ascending:
        raise ValueError("no frames are asked for")
    chosen = (ascending[0], ascending[len(ascending) // 2], ascending[-1])
    return tuple(sorted(set(chosen)))


def crops(width: int, height: int, count: int = CROPS, share: float = CROP_SHARE) -> list[Tile]:
    """Crops along the diagonal, of the picture's shape: sky, middle and ground are all in it."""
    across = min(max(round(width * share**0.5), 4), width)
    down = min(max(round(height * share**0.5), 4), height)
    steps = [(part + 0.5) / count for part in range(count)]
    return [
        Tile(round((width - across) * at), round((height - down) * at), across, down)
        for at in steps
    ]


def probe_of(done: Mapping[str, Any]) -> Probe:
    """What the worker measured, as a probe. Raises ValueError where it measured nothing."""
    if not done["frames"]:
        raise ValueError("no frame was probed")
    ratio = done["samples"] / max(done["probed_samples"], 1)
    return Probe(
        width=done["width"],
        height=done["height"],
        samples=done["samples"],
        frames=tuple(
            sorted((_probed(frame, ratio) for frame in done["frames"]), key=lambda of: of.frame)
        ),
    )


def _probed(measured: Mapping[str, Any], ratio: float) -> Probed:
    # The first render of a process also sets up what later ones keep: the least is the base.
    base = min(measured["base_seconds"], *measured["seconds"])
    pixels = sum(measured["pixels"])
    over = sum(max(seconds - base, 0.0) for seconds in measured["seconds"])
    return Probed(frame=measured["frame"], base=base, pixel=over / max(pixels, 1) * ratio)


def seconds_of(
    probe: Probe, frame: int, *, width: int | None = None, height: int | None = None,
    samples: int | None = None,
) -> float:  # fmt: skip
    """Reference seconds of a whole frame, at another size or number of samples if given."""
    pixels = (width or probe.width) * (height or probe.height)
    more = (samples or probe.samples) / max(probe.samples, 1)
    base, pixel = _between(probe.frames, frame)
    return max(base + pixel * pixels * more, SECONDS_LEAST)


def _between(frames: Sequence[Probed], frame: int) -> tuple[float, float]:
    at = bisect_left([probed.frame for probed in frames], frame)
    if at == 0:
        return frames[0].base, frames[0].pixel
    if at == len(frames):
        return frames[-1].base, frames[-1].pixel
    before, after = frames[at - 1], frames[at]
    share = (frame - before.frame) / (after.frame - before.frame)
    return (
        before.base + (after.base - before.base) * share,
        before.pixel + (after.pixel - before.pixel) * share,
    )
