"""Pure decisions of verification: odds, regions, verdicts and reputations."""

import math
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.verifier import check_orders, thresholds
from actors.verifier.thresholds import RegionDifference
from rendertrust.node.worker.checks.crop_placement import SIDE_LEAST, Crop, place
from sql import reputation_rules, sampling
from sql.reputation_rules import FORGIVEN_BY, FORGIVEN_MOST, NEW, STRIKES_MOST, Record


def placed(
    result: bytes, size: tuple[int, int], grid: list[list[float]] | None = None
) -> list[Crop]:
    found = check_orders.draws(SECRET, UNIT, result)
    return [place(drawn, size, grid or []) for drawn in found]


SECRET, UNIT, RESULT = b"s" * 32, b"job:0:1", b"r" * 32
RESULTS = st.binary(min_size=32, max_size=32)
SIZES = st.tuples(st.integers(1, 16_384), st.integers(1, 16_384))
GRIDS = st.integers(1, 12).flatmap(
    lambda columns: st.lists(
        st.lists(st.floats(0, 1e6, allow_nan=False), min_size=columns, max_size=columns),
        min_size=1,
        max_size=12,
    )
)

# -- odds


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_a_newcomer_is_always_checked_and_nobody_never(valid: int, least: float) -> None:
    chance = sampling.odds(valid, least)
    assert least <= chance <= 1
    assert chance == 1 or valid >= sampling.ALWAYS_UNTIL
    assert sampling.odds(valid + 1, least) <= chance


def test_as_many_are_drawn_as_was_said() -> None:
    results = (bytes([n % 256, n // 256]) for n in range(5000))
    numbers = [sampling.draw(SECRET, b"drawn", UNIT, result) for result in results]
    assert all(0 <= number < 1 for number in numbers)
    assert 400 < sum(number < 0.1 for number in numbers) < 600


@given(RESULTS, st.binary(min_size=1), st.binary(min_size=1))
def test_another_secret_draws_otherwise(result: bytes, one: bytes, other: bytes) -> None:
    same = sampling.draw(one, b"x", UNIT, result) == sampling.draw(other, b"x", UNIT, result)
    assert same is (one.rstrip(b"\0") == other.rstrip(b"\0"))  # HMAC pads keys with zeros


# -- crops


@given(RESULTS, SIZES, GRIDS | st.just([]))
def test_crops_lie_within_the_frame(
    result: bytes, size: tuple[int, int], grid: list[list[float]]
) -> None:
    found = placed(result, size, grid)
    assert len(found) == check_orders.COUNT
    for x, y, across, down in found:
        assert 0 <= x <= x + across <= size[0]
        assert 0 <= y <= y + down <= size[1]
        assert min(across, down) >= min(*size, SIDE_LEAST)
    assert found == placed(result, size, grid)
    assert placed(result, size) == placed(result, size, [[0]])


def test_without_the_secret_nobody_knows_where_the_crops_lie() -> None:
    for other in (b"", b"another"):
        for drawn, guessed in zip(
            check_orders.draws(SECRET, UNIT, RESULT),
            check_orders.draws(other, UNIT, RESULT),
            strict=True,
        ):
            assert drawn[:2] != guessed[:2]


def test_each_is_about_a_hundredth_of_the_frame() -> None:
    for _, _, across, down in placed(RESULT, (1920, 1080)):
        assert across * down == 1920 * 1080 // 100


def test_where_much_varies_is_looked_at_half_of_the_time() -> None:
    grid = [[0.0] * 8 for _ in range(8)]
    grid[6][1] = 1.0  # the cell from 200, 1200 to 400, 1400
    hits = 0
    for number in range(1000):
        found = placed(bytes([number % 256, number // 256]), (1600, 1600), grid)
        centres = [(x + across / 2, y + down / 2) for x, y, across, down in found]
        hits += sum(200 <= x <= 400 and 1200 <= y <= 1400 for x, y in centres)
    assert 1350 < hits < 1750  # expected: half of 3,000, and a 64th of the other half


def test_a_frame_without_pixels_has_no_crops() -> None:
    with pytest.raises(ValueError, match="pixels"):
        placed(RESULT, (0, 10))


# -- verdicts


@pytest.mark.parametrize(
    ("compared", "said"),
    [
        (RegionDifference(True, 0.0), "exact"),
        (RegionDifference(False, 0.0), "match"),
        (RegionDifference(False, 0.1), "match"),
        (RegionDifference(False, 0.11), "open"),
        (RegionDifference(False, 0.5), "open"),
        (RegionDifference(False, 0.51), "mismatch"),
        (RegionDifference(False, math.inf), "mismatch"),
        (RegionDifference(False, math.nan), "mismatch"),
    ],
)
def test_what_a_region_says(compared: RegionDifference, said: str) -> None:
    assert thresholds.of_region(compared) == said


@given(st.lists(st.builds(RegionDifference, st.booleans(), st.floats(0, 2)), min_size=1))
def test_the_worst_region_counts(found: list[RegionDifference]) -> None:
    order = ["mismatch", "open", "match", "exact"]
    worst = min(order.index(thresholds.of_region(one)) for one in found)
    assert thresholds.of_all(found) == order[worst]


def test_nothing_compared_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="nothing"):
        thresholds.of_all([])


# -- reputation


@given(st.text(alphabet="vm", max_size=200), st.integers(0, 200))
def test_a_reputation_is_what_the_verdicts_were(said: str, split: int) -> None:
    found = NEW
    for letter in said:
        before, found = found, reputation_rules.after(found, letter)
        assert (found.score >= before.score) is (letter == "v")
    assert found == reputation_rules.after(reputation_rules.after(NEW, said[:split]), said[split:])
    assert (found.valid, found.invalid) == (said.count("v"), said.count("m"))
    assert found.valid_in_row == len(said) - 1 - said.rfind("m")
    assert 0 <= found.strikes <= found.invalid


@given(st.text(alphabet="vm", max_size=80), st.text(alphabet="vm", max_size=80))
def test_a_release_is_a_new_beginning_under_suspicion(before: str, since: str) -> None:
    """Whatever the record was, the next invalid result means quarantine unless valid results follow
    the release.
    """
    record = Record(UUID(int=1), "cpu", True, before, since)
    known = record.reputation
    assert known.invalid == (before + since).count("m")
    if not since:
        assert sampling.odds(known.valid_in_row, 0.0) == 1.0
    fresh = Record(UUID(int=1), "cpu", True, "", since).reputation
    assert (fresh.strikes, fresh.valid_in_row) == (known.strikes, known.valid_in_row)


def test_three_invalid_results_are_too_many_and_the_way_back_is_long() -> None:
    found = reputation_rules.after(NEW, "m" * STRIKES_MOST)
    assert found.strikes == STRIKES_MOST
    found = reputation_rules.released(found)
    assert found.strikes == STRIKES_MOST - 1
    assert sampling.odds(found.valid_in_row, 0.01) == 1.0
    assert reputation_rules.after(found, "m").strikes == STRIKES_MOST
    assert reputation_rules.after(found, "v" * 60).strikes == 0


def test_who_lies_whenever_he_is_forgiven_is_quarantined_all_the_same() -> None:
    lied = "m" + "v" * FORGIVEN_BY
    known = reputation_rules.after(NEW, lied * (STRIKES_MOST + FORGIVEN_MOST - 1) + "m")
    assert known.strikes >= STRIKES_MOST
    assert not reputation_rules.after(NEW, lied * FORGIVEN_MOST).strikes
    again = reputation_rules.released(known)
    assert (again.strikes, reputation_rules.after(again, "v" * FORGIVEN_BY).strikes) == (2, 1)


def test_each_attempt_at_a_unit_is_drawn_anew() -> None:
    """If one draw held for all attempts, a node that repeats a result would know the draw."""
    names = [sampling.unit_name(UUID(int=1), 0, attempt) for attempt in (1, 2)]
    first, second = (sampling.draw(SECRET, b"drawn", name, RESULT) for name in names)
    assert first != second
