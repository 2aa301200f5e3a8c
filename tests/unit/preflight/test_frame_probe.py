"""Reference seconds of a frame, fitted to the measurements of a probe."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.preflight.frame_probe import (
    SIDE_LEAST,
    MeasuredFrame,
    Probe,
    crops,
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


def seconds_of(probe: Probe, frame: int, **other: int) -> float:
    return spread_of(probe, [frame], **other).likely


def measured(frame: int, base: float, *seconds: float, pixels: int = 100) -> dict[str, Any]:
    crops = {"seconds": list(seconds), "pixels": [pixels] * len(seconds)}
    return {"frame": frame, "base_seconds": base, **crops}


def done(*frames: dict[str, Any], samples: int = 640) -> dict[str, Any]:
    return {
        "width": 100,
        "height": 50,
        "samples": samples,
        "probed_samples": min(samples, 64),
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
    probe = probe_of(done(measured(1, 2.0, 2.1, 2.3)))
    assert probe.frames[0].base == 2.0
    assert probe.frames[0].pixel == pytest.approx(0.4 / 200 * 10)  # for 640 samples instead of 64
    slow_start = probe_of(done(measured(1, 9.0, 2.1, 2.3)))
    assert slow_start.frames[0].base == 2.1


@given(st.integers(4, 8000), st.integers(4, 8000), st.integers(1, 9))
def test_crops_lie_in_the_frame_and_are_small(width: int, height: int, count: int) -> None:
    found = crops(width, height, count)
    assert len(found) == count
    for tile in found:
        assert min(tile.x, tile.y) >= 0
        assert min(tile.width, tile.height) >= 1
        assert tile.x + tile.width <= width
        assert tile.y + tile.height <= height
        assert tile.width <= max(SIDE_LEAST, 0.11 * width)
        assert tile.height <= max(SIDE_LEAST, 0.11 * height)


@given(SECONDS, st.lists(SECONDS, min_size=1, max_size=4), st.integers(1, 65_536))
def test_a_price_is_never_nothing(base: float, seconds: list[float], samples: int) -> None:
    probe = probe_of(done(measured(1, base, *seconds), samples=samples))
    assert seconds_of(probe, 1) > 0
    assert seconds_of(probe, 1, samples=samples * 2) >= seconds_of(probe, 1)


@given(
    st.lists(SECONDS, min_size=3, max_size=3), SECONDS, st.lists(st.integers(-99, 99), min_size=1)
)
def test_what_frames_take_lies_between_their_cheapest_and_their_dearest_crop(
    seconds: list[float], base: float, frames: list[int]
) -> None:
    probe = probe_of(done(measured(1, base, *seconds), measured(20, base, *reversed(seconds))))
    spread = spread_of(probe, frames)
    near = 1e-9 + spread.most * 1e-9
    assert spread.least - near <= spread.likely <= spread.most + near
    assert spread.likely == pytest.approx(sum(seconds_of(probe, frame) for frame in frames))
