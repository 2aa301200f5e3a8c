"""Measurements of small renders of some frames, and the estimated seconds of all frames.

A frame takes a base time, for setting up the scene; time for each pixel, to denoise and save it;
and time for each pixel that grows with the samples. EEVEE also takes time for each sample, whatever
the pixels, such as for shadows. A render of nearly no pixels measures the base time, and another
one with more samples the time for each sample. The others follow from two renders of the whole
frame, with one and with more samples. Between probed frames the time is interpolated linearly.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

PIXELS_MOST: Final = 150_000  # pixels of a trial render; larger frames are rendered smaller
PIXEL_SAMPLES: Final = 500_000  # pixels times samples of a trial render: some seconds of a core
SECONDS_LEAST: Final = 0.001


@attrs.frozen(kw_only=True)
class MeasuredFrame:
    """Times of one probed frame, in seconds.

    ``base`` is the time of a render of nearly no pixels. ``flat`` is the time of a single pixel
    that does not depend on the samples. ``pixel`` is the further time of a single pixel at all
    samples. ``least`` and ``most`` are this time by the shortest and the longest trial renders.
    ``sample`` is the time of all samples that does not depend on the pixels; Cycles has none.
    """

    frame: int
    base: float
    flat: float = 0.0
    pixel: float
    least: float
    most: float
    sample: float = 0.0


@attrs.frozen(kw_only=True)
class Probe:
    """The measured frames, ascending, and the size of the scene's pictures.

    ``starting`` is the number of seconds until Blender had opened the scene, and ``peak_bytes`` the
    most memory that Cycles counted; 0 if not measured.
    """

    width: int
    height: int
    samples: int
    frames: tuple[MeasuredFrame, ...]
    starting: float = 0.0
    peak_bytes: int = 0


def frames_to_probe(frames: Sequence[int]) -> tuple[int, ...]:
    """Return the first, the middle and the last frame of ``frames``."""
    ascending = sorted(set(frames))
    if not ascending:
        raise ValueError("no frames are given")
    chosen = (ascending[0], ascending[len(ascending) // 2], ascending[-1])
    return tuple(sorted(set(chosen)))


def probe_of(done: Mapping[str, Any]) -> Probe:
    """Return the worker's measurements as a probe. Raise ValueError without measurements."""
    if not done["frames"]:
        raise ValueError("no frame was probed")
    frames = (_probed(frame, done) for frame in done["frames"])
    return Probe(
        width=done["width"],
        height=done["height"],
        samples=done["samples"],
        starting=done.get("load_seconds", 0.0),
        peak_bytes=done.get("peak_bytes", 0),
        frames=tuple(sorted(frames, key=lambda of: of.frame)),
    )


def _probed(measured: Mapping[str, Any], done: Mapping[str, Any]) -> MeasuredFrame:
    # Other load only adds time, so the shortest of equal renders is right.
    base, one = min(measured["base_seconds"]), min(measured["one_seconds"])
    pixels, samples = done["probed_pixels"], done["probed_samples"]
    single = _single(measured, base, samples)
    pairs = [*zip(measured["one_seconds"], measured["many_seconds"], strict=True)]
    pairs.append((one, min(measured["many_seconds"])))
    if samples == 1:  # both renders are alike
        pairs = [(base, many) for _, many in pairs]
    each = [max((many - less) / max(samples - 1, 1) - single, 0.0) / pixels for less, many in pairs]
    flat = 0.0 if samples == 1 else max((one - base) / pixels - each[-1], 0.0)
    rates = [rate * done["samples"] for rate in each]
    least, most = min(rates), max(rates)
    return MeasuredFrame(
        frame=measured["frame"],
        base=max(base - single, 0.0),
        flat=flat,
        pixel=rates[-1],
        least=least,
        most=most,
        sample=single * done["samples"],
    )


def _single(measured: Mapping[str, Any], base: float, samples: int) -> float:
    """Return the seconds of one sample of nearly no pixels; 0 if the engine was not asked."""
    if samples == 1 or "sample_seconds" not in measured:
        return 0.0
    many: float = min(measured["sample_seconds"])
    return max(many - base, 0.0) / (samples - 1)


@attrs.frozen
class Spread:
    """Range of seconds on the probing machine, by its shortest and its longest trial renders."""

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

    The ends of the range follow from the shortest and the longest trial renders of each frame.
    """
    pixels = (width or probe.width) * (height or probe.height)
    share = (samples or probe.samples) / max(probe.samples, 1)
    return sum((_frame(_between(probe.frames, one), pixels, share) for one in frames), NO_TIME)


def _frame(probed: MeasuredFrame, pixels: int, share: float) -> Spread:
    base, rates = probed.base + probed.flat * pixels, (probed.least, probed.pixel, probed.most)
    base += probed.sample * share
    return Spread(*(max(base + rate * pixels * share, SECONDS_LEAST) for rate in rates))


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

    names = ("base", "flat", "pixel", "least", "most", "sample")
    return MeasuredFrame(frame=frame, **{name: on_the_line(name) for name in names})
