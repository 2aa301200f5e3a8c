"""Measurements of a few crops of some frames, and the estimated seconds of all frames.

The render of a crop takes a base time, for setting up the scene, and time for its pixels. A render
of nearly no pixels measures the base time; the time for pixels grows with pixels and samples.
Between probed frames the time is interpolated linearly.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from rendertrust.tiling import Tile

CROPS: Final = 3
CROP_SHARE: Final = 0.01  # pixels of a crop, as a share of the frame's pixels
SIDE_LEAST: Final = 64  # pixels of a crop's side; smaller crops cannot be timed
SAMPLES_MOST: Final = 64
SECONDS_LEAST: Final = 0.001


@attrs.frozen(kw_only=True)
class MeasuredFrame:
    """Times of one probed frame, in seconds.

    ``base`` is the time of a render of nearly no pixels. ``pixel`` is the time of a single pixel at
    all samples, as the mean of the frame's crops. ``least`` and ``most`` are this time for the
    cheapest and the dearest crop.
    """

    frame: int
    base: float
    pixel: float
    least: float
    most: float


@attrs.frozen(kw_only=True)
class Probe:
    """The measured frames, ascending, and the size of the scene's pictures.

    ``starting`` is the number of seconds until Blender had opened the scene; 0 if not measured.
    """

    width: int
    height: int
    samples: int
    frames: tuple[MeasuredFrame, ...]
    starting: float = 0.0


def frames_to_probe(frames: Sequence[int]) -> tuple[int, ...]:
    """Return the first, the middle and the last frame of ``frames``."""
    ascending = sorted(set(frames))
    if not ascending:
        raise ValueError("no frames are given")
    chosen = (ascending[0], ascending[len(ascending) // 2], ascending[-1])
    return tuple(sorted(set(chosen)))


def crops(width: int, height: int, count: int = CROPS) -> list[Tile]:
    """Return crops with the picture's proportions along its diagonal, from top to bottom."""
    across = min(max(round(width * CROP_SHARE**0.5), SIDE_LEAST), width)
    down = min(max(round(height * CROP_SHARE**0.5), SIDE_LEAST), height)
    steps = [(part + 0.5) / count for part in range(count)]
    return [
        Tile(round((width - across) * at), round((height - down) * at), across, down)
        for at in steps
    ]


def probe_of(done: Mapping[str, Any]) -> Probe:
    """Return the worker's measurements as a probe. Raise ValueError without measurements."""
    if not done["frames"]:
        raise ValueError("no frame was probed")
    ratio = done["samples"] / max(done["probed_samples"], 1)
    return Probe(
        width=done["width"],
        height=done["height"],
        samples=done["samples"],
        starting=done.get("load_seconds", 0.0),
        frames=tuple(
            sorted((_probed(frame, ratio) for frame in done["frames"]), key=lambda of: of.frame)
        ),
    )


def _probed(measured: Mapping[str, Any], ratio: float) -> MeasuredFrame:
    # The first render of a process also sets up data that later renders reuse. The shortest time is
    # therefore the base.
    base = min(measured["base_seconds"], *measured["seconds"])
    over = [max(seconds - base, 0.0) for seconds in measured["seconds"]]
    each = [
        part / max(size, 1) * ratio for part, size in zip(over, measured["pixels"], strict=True)
    ]
    return MeasuredFrame(
        frame=measured["frame"],
        base=base,
        pixel=sum(over) / max(sum(measured["pixels"]), 1) * ratio,
        least=min(each),
        most=max(each),
    )


@attrs.frozen
class Spread:
    """Range of seconds on the probing machine, by the cheapest, the mean and the dearest crop."""

    least: float
    likely: float
    most: float

    def __add__(self, other: "Spread") -> "Spread":
        return Spread(self.least + other.least, self.likely + other.likely, self.most + other.most)


NO_TIME: Final = Spread(0.0, 0.0, 0.0)


def spread_of(
    probe: Probe, frames: Iterable[int], *, width: int | None = None, height: int | None = None,
    samples: int | None = None,
) -> Spread:  # fmt: skip
    """Return the time of all frames together, at another size or number of samples if given.

    The ends of the range assume that all of a frame is like the cheapest or like the dearest crop.
    """
    pixels = (width or probe.width) * (height or probe.height)
    more = pixels * (samples or probe.samples) / max(probe.samples, 1)
    return sum((_frame(_between(probe.frames, frame), more) for frame in frames), NO_TIME)


def _frame(probed: MeasuredFrame, more: float) -> Spread:
    rates = (probed.least, probed.pixel, probed.most)
    return Spread(*(max(probed.base + rate * more, SECONDS_LEAST) for rate in rates))


def _between(frames: Sequence[MeasuredFrame], frame: int) -> MeasuredFrame:
    """Interpolate between the two nearest frames; beyond the ends, return the nearest frame."""
    at = bisect_left(frames, frame, key=lambda probed: probed.frame)
    if at in (0, len(frames)):
        return frames[min(at, len(frames) - 1)]
    before, after = frames[at - 1], frames[at]
    share = (frame - before.frame) / (after.frame - before.frame)

    def on_the_line(name: str) -> float:
        first, second = float(getattr(before, name)), float(getattr(after, name))
        return first + (second - first) * share

    names = ("base", "pixel", "least", "most")
    return MeasuredFrame(frame=frame, **{name: on_the_line(name) for name in names})
