"""Reference seconds of a frame, fitted to the measurements of a probe."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.preflight.frame_probe import (
    MeasuredFrame,
    Probe,
    frames_to_probe,
    probe_of,
    spread_of,
)

PROBE = Probe(
    width=1000,
    height=500,
    samples=100,
    frames=(
        MeasuredFrame(frame=1, base=1.0, pixel=1e-5, least=0.5e-5, most=2e-5),
        MeasuredFrame(frame=11, base=2.0, pixel=3e-5, least=3e-5, most=3e-5),
    ),
)
SECONDS = st.floats(0, 1000)
Rounds = list[tuple[float, float, float]]
ROUNDS = st.lists(st.tuples(SECONDS, SECONDS, SECONDS), min_size=1, max_size=3)


def seconds_of(probe: Probe, frame: int, **other: int) -> float:
    return spread_of(probe, [frame], **other).likely


def measured(
    frame: int, base: Sequence[float], one: Sequence[float], many: Sequence[float]
) -> dict[str, Any]:
    seconds = {"one_seconds": list(one), "many_seconds": list(many)}
    return {"frame": frame, "base_seconds": list(base), **seconds}


def done(*frames: dict[str, Any], samples: int = 640) -> dict[str, Any]:
    return {
        "width": 100,
        "height": 50,
        "samples": samples,
        "probed_pixels": 1000,
        "probed_samples": min(samples, 11),
        "frames": list(frames),
    }


@pytest.mark.parametrize(
    ("frames", "probed"),
    [(range(1, 251), (1, 126, 250)), ([7], (7,)), ([9, 3], (3, 9)), ([5, 5, 1, 9], (1, 5, 9))],
)
def test_first_middle_and_last_frame_are_probed(frames: list[int], probed: tuple[int, ...]) -> None:
    assert frames_to_probe(frames) == probed


def test_no_frames_cannot_be_probed() -> None:
    with pytest.raises(ValueError, match="no frames"):
        frames_to_probe([])
    with pytest.raises(ValueError, match="no frame"):
        probe_of(done())


def test_seconds_grow_with_pixels_and_samples_and_lie_between_frames() -> None:
    assert seconds_of(PROBE, 1) == pytest.approx(1 + 500_000 * 1e-5)
    assert seconds_of(PROBE, 6) == pytest.approx(1.5 + 500_000 * 2e-5)
    assert seconds_of(PROBE, 400) == seconds_of(PROBE, 11)
    assert seconds_of(PROBE, -400) == seconds_of(PROBE, 1)
    assert seconds_of(PROBE, 1, samples=200) == pytest.approx(1 + 500_000 * 2e-5)
    assert seconds_of(PROBE, 1, width=500, height=250) == pytest.approx(1 + 125_000 * 1e-5)


def test_what_every_frame_costs_is_not_counted_by_the_pixel() -> None:
    probe = probe_of(done(measured(1, [2.0], [2.5], [5.5])))
    found = probe.frames[0]
    assert found.base == 2.0
    assert found.pixel == pytest.approx(640 * 3.0 / 10 / 1000)  # 10 more samples took 3 s
    assert found.flat == pytest.approx((0.5 - 0.3) / 1000)
    assert seconds_of(probe, 1) == pytest.approx(2.0 + 5000 * (0.2 + 640 * 0.3) / 1000)
    few = seconds_of(probe, 1, samples=1, width=50, height=20)
    assert few == pytest.approx(2.5), "what was measured itself"


def test_what_each_sample_costs_whatever_the_pixels_is_not_counted_by_the_pixel() -> None:
    """EEVEE takes 2 s, 0.1 s for each sample, and 0.3 ms for each sample of a pixel."""
    times = measured(1, [2.1], [2.1 + 0.3], [2.0 + 11 * (0.1 + 0.3)])
    probe = probe_of(done({**times, "sample_seconds": [2.0 + 11 * 0.1]}))
    found = probe.frames[0]
    assert found.base == pytest.approx(2.0)
    assert found.sample == pytest.approx(640 * 0.1)
    assert found.pixel == pytest.approx(640 * 0.3 / 1000)
    assert found.flat == pytest.approx(0.0, abs=1e-9)
    few = seconds_of(probe, 1, samples=10, width=20, height=10)
    assert few == pytest.approx(2.0 + 10 * (0.1 + 200 * 0.3 / 1000))


def test_one_sample_is_measured_by_the_pixel() -> None:
    probe = probe_of(done(measured(1, [2.0], [2.5], [2.4]), samples=1))
    assert probe.frames[0].flat == 0.0
    assert probe.frames[0].pixel == pytest.approx(0.4 / 1000)


def test_other_load_does_not_raise_the_price() -> None:
    quiet = probe_of(done(measured(1, [2.0], [2.5], [5.5])))
    busy = probe_of(done(measured(1, [3.0, 2.0, 2.4], [2.5, 4.0, 2.6], [9.0, 5.6, 5.5])))
    found = busy.frames[0]
    assert seconds_of(busy, 1) == pytest.approx(seconds_of(quiet, 1))
    assert found.least < found.pixel < found.most


@given(ROUNDS, st.integers(1, 65_536))
def test_a_price_is_never_nothing(rounds: Rounds, samples: int) -> None:
    probe = probe_of(done(measured(1, *zip(*rounds, strict=True)), samples=samples))
    assert seconds_of(probe, 1) > 0
    assert seconds_of(probe, 1, samples=samples * 2) >= seconds_of(probe, 1)


@given(ROUNDS, ROUNDS, st.lists(st.integers(-99, 99), min_size=1))
def test_what_frames_take_lies_between_their_shortest_and_their_longest_renders(
    first: Rounds, last: Rounds, frames: list[int]
) -> None:
    each = (measured(1, *zip(*first, strict=True)), measured(20, *zip(*last, strict=True)))
    probe = probe_of(done(*each))
    spread = spread_of(probe, frames)
    near = 1e-9 + spread.most * 1e-9
    assert spread.least - near <= spread.likely <= spread.most + near
    assert spread.likely == pytest.approx(sum(seconds_of(probe, frame) for frame in frames))
