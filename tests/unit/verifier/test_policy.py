"""Who is checked how often, where, by whom, and what a verdict changes: pure decisions."""

import functools
import math
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.verifier import choice, crops, verdict
from actors.verifier.away import Rests
from actors.verifier.choice import Candidate
from actors.verifier.verdict import Compared
from rendertrust.node.inside.placing import SIDE_LEAST, Crop, place
from sql import reputation, sampling
from sql.reputation import FORGIVEN_BY, FORGIVEN_MOST, NEW, STRIKES_MOST, Record


def placed(
    result: bytes, size: tuple[int, int], grid: list[list[float]] | None = None
) -> list[Crop]:
    found = crops.draws(SECRET, UNIT, result)
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
VERDICTS = st.sampled_from(["exact", "match", "suspicious", "mismatch"])


# ── odds ─────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_a_newcomer_is_always_checked_and_nobody_never(valid: int, least: float) -> None:
    chance = sampling.odds(valid, least)
    assert least <= chance <= 1
    assert chance == 1 or valid >= sampling.ALWAYS_UNTIL
    assert sampling.odds(valid + 1, least) <= chance


@given(RESULTS)
def test_what_is_certain_is_drawn_and_what_is_impossible_not(result: bytes) -> None:
    assert sampling.is_drawn(SECRET, UNIT, result, 1.0)
    assert not sampling.is_drawn(SECRET, UNIT, result, 0.0)


def test_as_many_are_drawn_as_was_said() -> None:
    drawn = sum(
        sampling.is_drawn(SECRET, UNIT, bytes([n % 256, n // 256]), 0.1) for n in range(5000)
    )
    assert 400 < drawn < 600


@given(RESULTS, st.binary(min_size=1), st.binary(min_size=1))
def test_another_secret_draws_otherwise(result: bytes, one: bytes, other: bytes) -> None:
    same = sampling.draw(one, b"x", UNIT, result) == sampling.draw(other, b"x", UNIT, result)
    assert same is (one.rstrip(b"\0") == other.rstrip(b"\0"))  # HMAC fills keys up with zeros


# ── crops ────────────────────────────────────────────────────────────────────────────────────────


@given(RESULTS, SIZES, GRIDS | st.just([]))
def test_crops_lie_within_the_frame(
    result: bytes, size: tuple[int, int], grid: list[list[float]]
) -> None:
    found = placed(result, size, grid)
    assert len(found) == crops.COUNT
    for x, y, across, down in found:
        assert 0 <= x <= x + across <= size[0]
        assert 0 <= y <= y + down <= size[1]
        assert min(across, down) >= min(*size, SIDE_LEAST)
    assert found == placed(result, size, grid)
    assert placed(result, size) == placed(result, size, [[0]])


def test_without_the_secret_nobody_knows_where_the_crops_lie() -> None:
    for other in (b"", b"another"):
        for drawn, guessed in zip(
            crops.draws(SECRET, UNIT, RESULT), crops.draws(other, UNIT, RESULT), strict=True
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
    assert 1350 < hits < 1750  # half of 3,000, and a 64th of the other half


def test_a_frame_without_pixels_has_no_crops() -> None:
    with pytest.raises(ValueError, match="pixels"):
        placed(RESULT, (0, 10))


# ── verdicts ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("compared", "said"),
    [
        (Compared(True, 0.0), "exact"),
        (Compared(False, 0.0), "match"),
        (Compared(False, 0.1), "match"),
        (Compared(False, 0.11), "suspicious"),
        (Compared(False, 0.5), "suspicious"),
        (Compared(False, 0.51), "mismatch"),
        (Compared(False, math.inf), "mismatch"),
        (Compared(False, math.nan), "mismatch"),
    ],
)
def test_what_a_crop_says(compared: Compared, said: str) -> None:
    assert verdict.of_crop(compared) == said


@given(st.lists(st.builds(Compared, st.booleans(), st.floats(0, 2)), min_size=1))
def test_the_worst_crop_counts(found: list[Compared]) -> None:
    order = ["mismatch", "suspicious", "match", "exact"]
    worst = min(order.index(verdict.of_crop(one)) for one in found)
    assert verdict.of_all(found) == order[worst]


def test_nothing_compared_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="nothing"):
        verdict.of_all([])


@given(VERDICTS, VERDICTS)
def test_a_third_has_the_word_on_suspicion_alone(
    first: verdict.Verdict, third: verdict.Verdict
) -> None:
    said = verdict.decided(first, third)
    assert said != "suspicious"
    if first != "suspicious":
        assert said == first
    else:
        assert verdict.is_valid(said) is verdict.is_valid(third)


# ── reputation ───────────────────────────────────────────────────────────────────────────────────


@given(st.text(alphabet="vm", max_size=200), st.integers(0, 200))
def test_a_reputation_is_what_the_verdicts_were(said: str, split: int) -> None:
    found = NEW
    for letter in said:
        before, found = found, reputation.after(found, letter)
        assert (found.score >= before.score) is (letter == "v")
    assert found == reputation.after(reputation.after(NEW, said[:split]), said[split:])
    assert (found.valid, found.mismatches) == (said.count("v"), said.count("m"))
    assert found.valid_in_row == len(said) - 1 - said.rfind("m")
    assert 0 <= found.strikes <= found.mismatches


@given(st.text(alphabet="vm", max_size=80), st.text(alphabet="vm", max_size=80))
def test_a_release_is_a_new_beginning_under_suspicion(before: str, since: str) -> None:
    """Whatever was before: the next mismatch is one too many, until it is made good."""
    record = Record(UUID(int=1), "cpu", True, before, since)
    known = record.reputation
    assert known.mismatches == (before + since).count("m")
    if not since:
        assert sampling.odds(known.valid_in_row, 0.0) == 1.0
    fresh = Record(UUID(int=1), "cpu", True, "", since).reputation
    assert (fresh.strikes, fresh.valid_in_row) == (known.strikes, known.valid_in_row)


def test_three_mismatches_are_too_many_and_the_way_back_is_long() -> None:
    found = NEW
    for _ in range(STRIKES_MOST):
        assert not found.is_to_be_quarantined
        found = reputation.after(found, "m")
    assert found.is_to_be_quarantined
    found = reputation.released(found)
    assert not found.is_to_be_quarantined
    assert sampling.odds(found.valid_in_row, 0.01) == 1.0
    assert reputation.after(found, "m").is_to_be_quarantined
    assert reputation.after(found, "v" * 60).strikes == 0


# ── who checks whom ──────────────────────────────────────────────────────────────────────────────

OWNERS = st.sampled_from([None, *(UUID(int=n) for n in range(1, 5))])
CANDIDATES = st.builds(
    Candidate,
    st.integers(1, 20).map(lambda n: UUID(int=1000 + n)),
    OWNERS,
    st.sampled_from(["cpu/avx2/5.2", "cpu/sse/5.2"]),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(CANDIDATES), CANDIDATES, st.frozensets(OWNERS.filter(bool)), RESULTS)
def test_nobody_looks_at_his_own_work(
    candidates: list[Candidate], subject: Candidate, asked: frozenset[UUID], result: bytes
) -> None:
    found = choice.choose(candidates, subject, secret=SECRET, unit=UNIT, result=result, asked=asked)
    able = [one for one in candidates if choice.may_check(one, subject, asked)]
    free = [attrs.evolve(one, is_free=True) for one in candidates]
    if asked and any(one.is_own and choice.may_check(one, subject, asked) for one in free):
        able = [one for one in able if one.is_own]  # also while it is busy
    assert (found is None) is (not able)
    if found is None:
        return
    assert found in able
    assert found.is_free
    assert found.device_class == subject.device_class or found.is_own
    assert found.id != subject.id
    if not found.is_own:
        assert found.owner not in (None, subject.owner, *asked)


def test_the_gateways_own_looks_where_nobody_else_can() -> None:
    subject = Candidate(UUID(int=1), UUID(int=11), "cpu")
    friend = Candidate(UUID(int=2), UUID(int=11), "cpu")
    stranger = Candidate(UUID(int=3), UUID(int=12), "cpu")
    nobodys = Candidate(UUID(int=4), None, "cpu")
    own = Candidate(UUID(int=5), None, "cpu", is_own=True)

    def chosen(*candidates: Candidate, asked: frozenset[UUID] = frozenset()) -> Candidate | None:
        return choice.choose(
            candidates, subject, secret=SECRET, unit=UNIT, result=RESULT, asked=asked
        )

    assert chosen(friend, nobodys) is None
    assert chosen(friend, nobodys, own) == own
    assert chosen(friend, stranger, own) == stranger
    assert chosen(stranger, own, asked=frozenset({UUID(int=12)})) == own
    assert chosen(attrs.evolve(stranger, device_class="gpu")) is None


def test_no_class_is_so_rare_that_the_gateways_own_does_not_look() -> None:
    """A node says itself what it is of. Of another build nothing can be compared."""
    own = Candidate(UUID(int=5), None, "cpu/x86_64/avx2/abc", is_own=True)
    exact = attrs.evolve(own, id=UUID(int=6), device_class="cpu/x86_64/made-up/abc")
    other_build = attrs.evolve(own, device_class="cpu/x86_64/avx2/def")
    subject = Candidate(UUID(int=1), UUID(int=11), "cpu/x86_64/made-up/abc")

    def chosen(*candidates: Candidate) -> Candidate | None:
        return choice.choose(candidates, subject, secret=SECRET, unit=UNIT, result=RESULT)

    assert chosen(own) == own
    assert chosen(own, exact) == exact
    assert chosen(other_build) is None
    assert chosen(attrs.evolve(own, is_own=False, owner=UUID(int=12))) is None


def test_friends_are_not_asked_alone_however_many_they_are() -> None:
    subject = Candidate(UUID(int=1), UUID(int=11), "cpu")
    friends = [Candidate(UUID(int=100 + n), UUID(int=200 + n), "cpu") for n in range(50)]
    own = Candidate(UUID(int=5), None, "cpu", is_own=True)
    asked = [
        choice.choose(
            [*friends, own],
            subject,
            secret=SECRET,
            unit=UNIT,
            result=bytes([n % 256, n // 256]),
            own_odds=0.2,
        )
        for n in range(1000)
    ]
    assert 150 < sum(found == own for found in asked) < 250


def test_an_owner_of_many_nodes_is_not_asked_more_often() -> None:
    subject = Candidate(UUID(int=1), UUID(int=11), "cpu")
    many = [Candidate(UUID(int=100 + n), UUID(int=12), "cpu") for n in range(50)]
    one = Candidate(UUID(int=2), UUID(int=13), "cpu")
    asked = [
        choice.choose(
            [*many, one], subject, secret=SECRET, unit=UNIT, result=bytes([n % 256, n // 256])
        )
        for n in range(1000)
    ]
    assert 400 < sum(found == one for found in asked) < 600


@given(st.lists(CANDIDATES), CANDIDATES, st.frozensets(OWNERS.filter(bool)), RESULTS)
def test_who_rests_leaves_his_checks_to_the_gateways_own_and_not_to_friends(
    candidates: list[Candidate], subject: Candidate, resting: frozenset[UUID], result: bytes
) -> None:
    """Else whoever keeps honest ones from answering has his friends asked in their place."""

    def chosen(resting: frozenset[UUID]) -> Candidate | None:
        choose = functools.partial(choice.choose, secret=SECRET, unit=UNIT, result=result)
        return choose(candidates, subject, resting=resting, own_odds=0.2)

    before, found = chosen(frozenset()), chosen(resting)
    if before is None or before.is_own or before.owner not in resting:
        assert found == before
        return
    able = [one for one in candidates if choice.may_check(one, subject)]
    assert found is not None
    if any(one.is_own for one in able):
        assert found.is_own
    else:
        assert found.owner not in resting or all(one.owner in resting for one in able)


@given(st.lists(st.tuples(st.floats(0.0, 900.0), st.floats(0.0, 9_000.0))))
def test_who_keeps_checks_for_nothing_does_so_for_a_tenth_of_the_time(
    turns: list[tuple[float, float]],
) -> None:
    """Who is asked as others are: after so many seconds, or as soon as he may be."""
    rests, owner, now, kept = Rests(), UUID(int=11), 0.0, 0.0
    for seconds, later in turns:
        rests.begin(owner, now, now + seconds)
        now, kept = now + seconds + later, kept + seconds
        while owner in rests.at(now):
            now += 60.0
    assert kept <= now / 10 + 1e-6


def test_who_lies_whenever_he_is_forgiven_is_quarantined_all_the_same() -> None:
    lied = "m" + "v" * FORGIVEN_BY
    known = reputation.after(NEW, lied * (STRIKES_MOST + FORGIVEN_MOST - 1) + "m")
    assert known.is_to_be_quarantined
    assert not reputation.after(NEW, lied * FORGIVEN_MOST).strikes
    again = reputation.released(known)
    assert (again.strikes, reputation.after(again, "v" * FORGIVEN_BY).strikes) == (2, 1)


def test_each_attempt_at_a_unit_is_drawn_anew() -> None:
    """Else whoever delivers the same result again knows whether it is looked at."""
    names = [sampling.unit_name(UUID(int=1), 0, attempt) for attempt in (1, 2)]
    first, second = (sampling.draw(SECRET, b"drawn", name, RESULT) for name in names)
    assert first != second
