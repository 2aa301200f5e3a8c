"""The size by which unmeasured frames are priced, and the price of credits in money."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.money import CreditPrice
from rendertrust.preflight.frame_probe import MeasuredFrame, Probe
from rendertrust.preflight.frame_work import FrameWork, ReferenceFrame
from sql.overruns import Overrun
from sql.skus import SkuRow, cheapest
from web.jobs.preflight_report import SceneFacts
from web.jobs.preflights import PreflightState, chosen
from web.jobs.pricing import Tariff, by_size, frame_size, measured_basis

REFERENCE = ReferenceFrame(1920, 1080, 128, 60, 5)
START = datetime(2026, 1, 1, tzinfo=UTC)
JOB = UUID(int=7)


def facts(width: int = 200, height: int = 100, samples: int | None = 16) -> SceneFacts:
    return SceneFacts(True, [5, 2], width=width, height=height, samples=samples)


def test_what_the_job_names_counts() -> None:
    params = {"width": 64, "height": 36, "samples": 4}
    for is_ours in (False, True):
        assert frame_size(params, facts(), REFERENCE, is_ours=is_ours) == (64, 36, 4)
    assert frame_size({"samples": 4}, None, REFERENCE, is_ours=False) == (1920, 1080, 4)


def test_what_nobody_knows_is_as_in_the_reference_frame() -> None:
    assert frame_size({}, None, REFERENCE, is_ours=False) == (1920, 1080, 128)
    assert frame_size({}, facts(0, 0, None), REFERENCE, is_ours=True) == (1920, 1080, 128)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(1, 10_000))
def test_what_an_operators_node_reads_makes_no_frame_cheaper(
    width: int, height: int, samples: int
) -> None:
    found = facts(width, height, samples)
    assert frame_size({}, found, REFERENCE, is_ours=True) == (width, height, samples)
    told = frame_size({}, found, REFERENCE, is_ours=False)
    unknown = frame_size({}, None, REFERENCE, is_ours=False)
    assert REFERENCE.microseconds(*told) >= REFERENCE.microseconds(*unknown)


@pytest.mark.parametrize(
    ("scene", "measured", "frames", "counts"),
    [
        ((1, 250), None, (), True),  # the current frame
        ((1, 250), None, (1, 250), True),
        ((1, 250), None, (250, 251), False),
        ((1, 250), None, (0,), False),
        ((1, 250), [300, 400], (300, 350), True),
        ((1, 250), [300, 400], (1, 2), False),
        ((1, 250), [1, 400], (1, 399), True),
    ],
    ids=["none", "all", "after", "before", "own", "not-scene", "wider"],
)
def test_a_measurement_counts_for_the_frames_in_its_range(
    scene: tuple[int, int], measured: list[int] | None, frames: tuple[int, ...], *, counts: bool
) -> None:
    first, last = scene
    found = attrs.evolve(facts(), frame_start=first, frame_end=last, measured_range=measured)
    assert found.counts_for(frames) is counts


def preflight(
    number: int, measured: tuple[int, int], asked: tuple[int, int] | None = None, **more: Any
) -> PreflightState:
    """Return a preflight of a scene with the frames 1 to 10 that is done."""
    found = attrs.evolve(facts(), frame_start=1, frame_end=10, measured_range=[*measured])
    known: dict[str, Any] = {"facts": found, "is_ours": True, "ends": asked or measured}
    return PreflightState(UUID(int=number), "DONE", **{**known, **more})


def waiting(number: int, *asked: int) -> PreflightState:
    return PreflightState(UUID(int=number), "PENDING", ends=(asked[0], asked[-1]))


SCENES = preflight(1, (1, 10))
OTHERS = preflight(2, (10, 12))
BROKEN = PreflightState(UUID(int=9), "FAILED", error="no", ends=(20, 20))


@pytest.mark.parametrize(
    ("oldest_first", "frames", "number"),
    [
        ([SCENES, OTHERS], (1, 10), 1),
        ([OTHERS, SCENES], (10,), 1),
        ([SCENES, OTHERS], (11,), 2),
        ([SCENES, OTHERS, preflight(3, (1, 300))], (1, 10), 1),
        ([SCENES, OTHERS, preflight(3, (1, 300))], (11,), 2),
        ([SCENES, OTHERS, preflight(3, (10, 12))], (10, 12), 3),
        ([SCENES, preflight(3, (1, 10), (3, 4))], (1, 10), 3),
        ([SCENES, preflight(3, (1, 10), is_ours=False)], (1, 10), 1),
        ([SCENES, waiting(3, 11, 12)], (1, 10), 1),
        ([SCENES, waiting(3, 11, 12)], (11, 12), 3),
        ([SCENES, waiting(3, 1, 10)], (1, 10), 3),
        ([waiting(3, 1, 10)], (7,), 3),
        ([SCENES, BROKEN], (20,), 9),
        ([SCENES, BROKEN], (30,), 1),
    ],
    ids=[
        *(
            "back",
            "scene-first",
            "outside",
            "wider-later",
            "first-measured",
            "again",
            "again-inside",
        ),
        *("own-node", "others-wait", "wait", "wait-again", "not-known", "failed", "findings"),
    ],
)
def test_the_same_frames_find_their_preflight_again(
    oldest_first: list[PreflightState], frames: tuple[int, ...], number: int
) -> None:
    found = chosen(oldest_first[::-1], frames)
    assert found is not None
    assert found.job == UUID(int=number)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40), st.booleans()), max_size=12))
def test_what_is_measured_for_other_frames_changes_no_price(
    others: list[tuple[int, int, bool]],
) -> None:
    """Once frames have a measurement by the gateway, requests for other frames do not change it."""
    frames = (1, 10)
    later = [
        preflight(2 + place, (first, first + size), is_ours=is_ours)
        for place, (first, size, is_ours) in enumerate(others)
        if (first, first + size) != frames
    ]
    for count in range(len(later) + 1):
        assert chosen([*later[:count][::-1], SCENES], frames) == SCENES


def test_without_preflights_there_is_none() -> None:
    assert chosen([], (1,)) is None


def test_a_scene_that_cannot_be_opened_is_not_opened_again_for_other_frames() -> None:
    assert SceneFacts(False, [5, 2]).counts_for((7,))


def test_the_basis_names_the_measured_frames_and_a_size_that_was_not_measured() -> None:
    each = {"base": 1.0, "pixel": 1e-4, "least": 0.0, "most": 1.0}
    frames = tuple(MeasuredFrame(frame=number, **each) for number in (1, 5, 10))
    probe = Probe(width=200, height=100, samples=16, frames=frames)
    assert measured_basis(probe, {}).endswith("small renders of frames 1, 5 and 10.")
    same = {"width": 200, "height": 100, "samples": 16}
    assert measured_basis(probe, same) == measured_basis(probe, {})
    for other in ({"width": 400, "height": 200}, {"samples": 32}):
        assert "count in proportion" in measured_basis(probe, other)
    only = attrs.evolve(probe, frames=frames[1:2])
    assert measured_basis(only, {}).endswith("small renders of frame 5.")


def overrun(owner: int, percent: int, *, measured: bool = False) -> Overrun:
    at = START + timedelta(minutes=owner)
    ids: dict[str, Any] = {"job": JOB, "node": UUID(int=owner), "owner": UUID(int=owner)}
    return Overrun(
        unit=0, attempt=owner, percent=percent, at=at, frames="3", measured=measured, **ids
    )


@pytest.mark.parametrize(
    ("overruns", "times"),
    [
        ([], 1),
        ([overrun(1, 400), overrun(2, 500)], 1),  # of two owners only
        ([overrun(1, 400), overrun(2, 500), overrun(3, 600)], 5),
        ([overrun(n, 500, measured=True) for n in (1, 2, 3)], 1),  # of another kind of quote
    ],
)
def test_frames_that_took_longer_raise_the_price_by_size(
    overruns: list[Overrun], times: int
) -> None:
    found = PreflightState(JOB, "DONE", facts(), is_ours=True)
    work, basis = by_size({}, found, REFERENCE, overruns)
    assert work == FrameWork((0,), (times * REFERENCE.microseconds(200, 100, 16),))
    assert basis.startswith("By size: 200 \u00d7 100 pixels and 16 samples for each frame")
    assert ("how long" in basis) is (times > 1)


def test_a_job_of_one_picture_costs_what_its_frame_costs() -> None:
    work = FrameWork((1, 3), (1_000_000, 3_000_000))
    tariff = Tariff(600_000, "", work=work, pays_for=60, looked=JOB, only=2)
    assert tariff.cost == 20_000
    assert tariff.ends(()) == (20_000, 20_000)
    assert tariff.seconds(()) == 2.0
    pricing = tariff.pricing(())
    assert pricing is not None
    assert pricing.work == 2_000_000


def sku(units: int, amount: int, currency: str = "usd", *, on_sale: bool = True) -> SkuRow:
    return SkuRow(f"s{units}", "", units, amount, currency, on_sale, START)


def test_money_is_that_of_the_cheapest_package_on_sale_in_the_currency() -> None:
    offers = [
        sku(1_000_000, 1000),
        sku(10_000_000, 7000),
        sku(20_000_000, 7000, on_sale=False),
        sku(10_000_000, 1, "jpy"),
    ]
    assert cheapest(offers, "usd") == offers[1]
    assert cheapest(offers, "eur") is None
    found = CreditPrice(7000, 10_000_000, "usd")
    assert found.of(310_000) == 217
    assert [found.of(units) for units in (0, 714, 715)] == [0, 0, 1]  # half a cent is 1 cent
