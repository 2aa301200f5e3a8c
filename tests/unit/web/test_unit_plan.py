"""Division of a job into units."""

from typing import Any, get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.frame_range import parse
from rendertrust.job_spec import JobSpec, Order
from sql.job_plan import NewUnit
from tests.support.plans import in_frames
from web.http.problem import Fault
from web.jobs.unit_plan import UNITS_MAX, UnitPlan, split_into_units

SIZE: dict[str, Any] = {"width": 64, "height": 48}


def planned(cut: JobSpec, price: int = 100) -> UnitPlan:
    plan = split_into_units(cut, lambda _: price)
    assert isinstance(plan, UnitPlan), plan
    return plan


def faults(cut: JobSpec) -> list[str]:
    found = split_into_units(cut, lambda _: 100)
    assert isinstance(found, list), found
    return [fault.field for fault in found]


def test_without_frames_a_job_is_one_unit() -> None:
    assert planned(in_frames(frame=3)) == UnitPlan((NewUnit(100),))


@given(
    st.sets(st.integers(-50, 300), min_size=1, max_size=80),
    st.integers(1, 9),
    st.sampled_from(get_args(Order)),
    st.integers(0, 1000),
)
def test_every_frame_is_in_one_unit_and_costs_its_price(
    numbers: set[int], chunk: int, order: Order, price: int
) -> None:
    text = ",".join(map(str, sorted(numbers)))
    pieces = planned(in_frames(text, chunk, order=order), price).units
    of_pieces = [parse(piece.frames or "") for piece in pieces]
    assert [frame for part in of_pieces for frame in part] == sorted(numbers)
    assert max(map(len, of_pieces)) <= chunk
    assert [piece.price for piece in pieces] == [price * len(part) for part in of_pieces]
    assert sorted(piece.place for piece in pieces) == list(range(len(pieces)))
    assert pieces[0].place == 0  # the first unit is placed first


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000))
def test_the_tiles_of_a_frame_cost_what_the_frame_does(
    frames: int, columns: int, rows: int, price: int
) -> None:
    plan = planned(in_frames(f"1-{frames}", tiles=f"{columns}x{rows}", **SIZE), price)
    count = columns * rows
    assert sum(piece.price for piece in plan.units) == price * frames
    for number, piece in enumerate(plan.units):
        frame, tile = divmod(number, count + 1)
        assert piece.frames == str(frame + 1)
        if tile == count:
            assert (piece.price, piece.tile, piece.missing, piece.feeds) == (0, None, count, None)
        else:
            assert (piece.tile, piece.feeds) == (tile, frame * (count + 1) + count)
            assert piece.missing == 0


@pytest.mark.parametrize(
    "frames", ["", "x", "1-", "5-1", "1,,2", "1-10x0", "1.5", "1-99999999", "1-200000"]
)
def test_nonsense_is_told_with_what_to_write_instead(frames: str) -> None:
    assert faults(in_frames(frames)) == ["frames"]


def test_what_does_not_go_together_is_told() -> None:
    assert faults(in_frames(chunk=2, tiles="2x2", order="every_nth")) == ["chunk", "tiles", "order"]
    assert faults(in_frames("1-2", frame=1)) == ["params.frame"]
    assert faults(in_frames("1-2", tiles="2x2")) == ["params"]
    assert faults(in_frames("1-2", 2, "2x2", **SIZE)) == ["tiles"]
    assert faults(in_frames("1-2", tiles="99x1", **SIZE)) == ["tiles"]
    assert faults(in_frames("1-2", tiles="2x1", **SIZE, noisy=True)) == ["params.noisy"]


def test_a_job_is_bounded() -> None:
    assert len(planned(in_frames(f"1-{UNITS_MAX}")).units) == UNITS_MAX
    found = split_into_units(in_frames(f"1-{UNITS_MAX + 1}"), lambda _: 1)
    assert isinstance(found, list)
    assert isinstance(found[0], Fault)
    assert "larger chunks" in found[0].message
    assert len(planned(in_frames(f"1-{UNITS_MAX + 1}", 2)).units) == UNITS_MAX // 2 + 1


@pytest.mark.parametrize(
    "cut", [in_frames("1-20000", tiles="6x8"), in_frames("1-20000"), in_frames("1-20000", 2)]
)
def test_units_are_counted_before_any_is_made(cut: JobSpec) -> None:
    def cost(frame: int) -> int:
        raise AssertionError(f"frame {frame} was priced")

    found = split_into_units(attrs.evolve(cut, params={"width": 640, "height": 480}), cost)
    assert isinstance(found, list)
    assert "a job has 5000 at most" in found[0].message


def test_the_units_of_tiles_are_counted_with_those_that_put_them_together() -> None:
    assert len(planned(in_frames("1-1000", tiles="2x2", **SIZE)).units) == UNITS_MAX
    found = split_into_units(in_frames("1-1001", tiles="2x2", **SIZE), lambda _: 1)
    assert isinstance(found, list)
    assert found[0].message.startswith("make 5005 units")
