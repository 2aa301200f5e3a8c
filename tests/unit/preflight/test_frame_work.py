"""Prices of frames by their work: whole numbers that are the same on every machine."""

from fractions import Fraction
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.frame_range import canonical
from rendertrust.preflight.frame_probe import MeasuredFrame, Probe, spread_of
from rendertrust.preflight.frame_work import (
    LEAST,
    SECOND,
    FrameWork,
    ReferenceFrame,
    price_of,
    work_of,
)
from sql.job_plan import Pricing
from tests.support.plans import in_frames
from web.jobs.pricing import Tariff
from web.jobs.unit_plan import UnitPlan, split_into_units

LOOKED = UUID(int=1)
NUMBERS = st.integers(-1000, 1000)
SECONDS = st.floats(0, 1000)
SHARES = st.floats(0, 1e-2)
PRICES = st.integers(0, 10**9)
SIDES, SAMPLES = st.integers(4, 16_384), st.integers(1, 65_536)
SIZES = st.tuples(SIDES, SIDES, SAMPLES)
REFERENCES = st.builds(
    ReferenceFrame, SIDES, SIDES, SAMPLES, st.integers(1, 86_400), st.integers(0, 100)
)


@st.composite
def probes(draw: st.DrawFn) -> Probe:
    numbers = sorted(draw(st.sets(NUMBERS, min_size=1, max_size=3)))
    frames = tuple(
        MeasuredFrame(
            frame=number,
            base=draw(SECONDS),
            flat=draw(SHARES),
            pixel=draw(SHARES),
            least=0.0,
            most=1.0,
        )
        for number in numbers
    )
    return Probe(width=100, height=50, samples=draw(st.integers(1, 4096)), frames=frames)


@st.composite
def works(draw: st.DrawFn) -> FrameWork:
    numbers = sorted(draw(st.sets(NUMBERS, min_size=1, max_size=3)))
    return FrameWork(tuple(numbers), tuple(draw(st.integers(LEAST, 10**12)) for _ in numbers))


def test_a_frame_costs_in_proportion_to_its_work() -> None:
    assert price_of(60 * SECOND, 100_000, 60) == 100_000
    assert price_of(3 * SECOND, 100_000, 60) == 5_000
    assert price_of(1, 100_000, 60) == 1
    assert price_of(10**15, 0, 60) == 0


def test_decimals_are_what_is_written() -> None:
    probed = MeasuredFrame(frame=1, base=1.0, pixel=1e-4, least=0.0, most=1.0)
    probe = Probe(width=200, height=100, samples=100, frames=(probed,))
    assert work_of(probe).of(1) == 3 * SECOND
    assert work_of(probe, width=100, height=100, samples=50).of(7) == 1_500_000
    saved = attrs.evolve(probed, flat=2e-4)  # which does not depend on the samples
    again = attrs.evolve(probe, frames=(saved,))
    assert work_of(again, width=100, height=100, samples=50).of(7) == 3_500_000
    drawn = attrs.evolve(probe, frames=(attrs.evolve(probed, sample=0.2),))
    assert work_of(drawn, width=100, height=100, samples=50).of(7) == 1_600_000


@given(probes(), NUMBERS)
def test_work_is_what_the_estimate_says(probe: Probe, frame: int) -> None:
    seconds = spread_of(probe, [frame]).likely
    assert work_of(probe).of(frame) == pytest.approx(seconds * SECOND, rel=1e-6, abs=LEAST + 2)


@given(probes(), NUMBERS, st.integers(4, 500), st.integers(4, 500), st.integers(1, 9999))
def test_more_pixels_and_more_samples_are_never_less_work(
    probe: Probe, frame: int, width: int, height: int, samples: int
) -> None:
    def of(**size: int) -> int:
        return work_of(probe, **{"width": width, "height": height, "samples": samples, **size}).of(
            frame
        )

    assert LEAST <= of() <= of(width=width + 1)
    assert of() <= of(height=height * 2)
    assert of() <= of(samples=samples + 1)


@given(works(), NUMBERS)
def test_a_frame_lies_between_those_that_were_probed(work: FrameWork, frame: int) -> None:
    assert min(work.microseconds) <= work.of(frame) <= work.most
    for probed, microseconds in zip(work.frames, work.microseconds, strict=True):
        assert work.of(probed) == microseconds


@given(PRICES, st.integers(LEAST, 10**12), st.integers(LEAST, 10**12), st.integers(1, 86_400))
def test_a_price_grows_with_the_work_and_is_less_than_a_unit_of_money_too_much(
    price: int, first: int, second: int, seconds: int
) -> None:
    cost = price_of(first, price, seconds)
    assert (cost - 1) * seconds * SECOND < price * first <= cost * seconds * SECOND
    assert (cost == 0) == (price == 0)
    together = price_of(first + second, price, seconds)
    assert cost <= together <= cost + price_of(second, price, seconds)


def test_a_small_frame_costs_little_and_the_reference_frame_the_price() -> None:
    full_hd = ReferenceFrame(1920, 1080, 128, 60, 5)
    assert full_hd.price(100_000, 1920, 1080, 128) == 100_000
    assert full_hd.price(100_000, 3840, 2160, 128) == 5_000 + 4 * 95_000
    assert full_hd.price(100_000, 1920, 1080, 64, frames=10) == 10 * (5_000 + 47_500)
    assert full_hd.price(100_000, 64, 36, 4) == 5_004


@given(REFERENCES, SIZES, PRICES, st.integers(1, 20_000))
def test_a_price_by_size_is_never_zero_and_within_its_bounds(
    reference: ReferenceFrame, size: tuple[int, int, int], price: int, frames: int
) -> None:
    cost = reference.price(price, *size, frames)
    assert (cost == 0) == (price == 0)
    own = reference.width * reference.height * reference.samples
    exact = Fraction(reference.base_percent, 100) + Fraction(
        (100 - reference.base_percent) * size[0] * size[1] * size[2], 100 * own
    )
    least = Fraction(LEAST, reference.seconds * SECOND)
    each = max(exact, least) * price
    # rounded up twice for each frame: to a microsecond, and to a unit of money
    more = Fraction(price, reference.seconds * SECOND) + 1
    assert each * frames <= cost <= (each + more) * frames


@given(REFERENCES, PRICES)
def test_the_reference_frame_costs_exactly_the_price(reference: ReferenceFrame, price: int) -> None:
    size = (reference.width, reference.height, reference.samples)
    assert reference.price(price, *size) == price


@given(REFERENCES, st.tuples(SIZES, SIZES), PRICES, st.integers(1, 500), st.integers(1, 500))
def test_more_pixels_samples_or_frames_are_never_cheaper(
    reference: ReferenceFrame,
    sizes: tuple[tuple[int, int, int], tuple[int, int, int]],
    price: int,
    frames: int,
    more: int,
) -> None:
    one, _ = sizes
    least, most = sorted(sizes, key=lambda size: size[0] * size[1] * size[2])
    assert reference.price(price, *least, frames) <= reference.price(price, *most, frames + more)
    assert reference.price(price, *one, frames + more) == sum(
        reference.price(price, *one, part) for part in (frames, more)
    )


@given(
    works(),
    st.sets(st.integers(-50, 300), min_size=1, max_size=40),
    st.integers(1, 9),
    PRICES,
    st.sampled_from((None, "2x2", "3x1")),
)
def test_all_frames_cost_the_same_however_they_are_cut(
    work: FrameWork, numbers: set[int], chunk: int, price: int, tiles: str | None
) -> None:
    tariff = Tariff(price, "", work=work, pays_for=60, looked=LOOKED)
    frames = sorted(numbers)
    size: dict[str, Any] = {"width": 64, "height": 48}
    cut = in_frames(canonical(frames), chunk if tiles is None else 1, tiles, **size)
    plan = split_into_units(cut, tariff.of)
    assert isinstance(plan, UnitPlan)
    assert sum(piece.price for piece in plan.units) == sum(map(tariff.of, frames))
    assert all(piece.price >= 0 for piece in plan.units)
    pricing = tariff.pricing(frames)
    assert pricing == Pricing(sum(map(work.of, frames)), price, 60, LOOKED)
    assert attrs.evolve(tariff, work=None).of(frames[0]) == price
