"""Estimates of a job's remaining time."""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.cli.progress_rate import EstimateOfOne, GatewayEstimate, ProgressRate
from tests.unit.cli.test_job_grid import job


def test_it_is_not_told_from_one_sample() -> None:
    assert ProgressRate().add(10.0, 0.5) is None


def test_it_follows_from_what_was_seen() -> None:
    pace = ProgressRate()
    pace.add(100.0, 0.2)
    assert pace.add(110.0, 0.4) == 30.0


def test_another_attempt_begins_anew() -> None:
    pace = ProgressRate()
    pace.add(0.0, 0.2)
    pace.add(10.0, 0.9)
    assert pace.add(11.0, 0.1) is None
    assert pace.add(12.0, 0.2) == 8.0


def test_an_unknown_progress_begins_anew() -> None:
    pace = ProgressRate()
    pace.add(0.0, 0.5)
    assert pace.add(1.0, None) is None
    assert pace.add(2.0, 0.6) is None


@given(st.lists(st.tuples(st.floats(0, 1e6), st.none() | st.floats(0, 1))))
def test_it_is_never_below_zero(samples: list[tuple[float, float | None]]) -> None:
    pace = ProgressRate()
    for now, progress in sorted(samples, key=lambda sample: sample[0]):
        left = pace.add(now, progress)
        assert left is None or left >= 0


def test_the_gateways_estimate_is_counted_down_between_its_answers() -> None:
    told, first = GatewayEstimate(), attrs.evolve(job("RUNNING"), eta_seconds=60.0)
    assert told.left(10.0, first) == 60.0
    assert told.left(25.0, first) == 45.0
    assert told.left(99.0, first) == 0.0
    assert told.left(99.0, attrs.evolve(first, eta_seconds=40.0)) == 40.0
    assert told.left(99.0, job("RUNNING")) is None
    assert told.left(99.0, attrs.evolve(job("COMPLETED"), eta_seconds=5.0)) is None


def test_a_job_of_one_unit_has_the_gateways_estimate_or_else_its_rate() -> None:
    told, first = EstimateOfOne(), attrs.evolve(job("RUNNING"), eta_seconds=60.0, progress=0.2)
    assert told.left(0.0, first) == 60.0
    later = attrs.evolve(first, progress=0.4)
    assert told.left(10.0, later) == 60.0
    assert told.left(20.0, later) == 50.0
    assert told.left(20.0, attrs.evolve(first, eta_seconds=None, progress=0.6)) == 20.0
