"""Pure decisions of a session: comparing, vouching, judging and retrying."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.effects import UnitFail
from actors.node_session import result_validation, unit_failures
from actors.node_session.connection import FloodGuard
from actors.node_session.ledger_requests import renewals, vouched_at
from actors.node_session.messages import AlternativesFound
from actors.node_session.progress_watchdog import overdue
from actors.node_session.session_state import HeldUnit, HeldUnits, Phase
from actors.node_session.settings import NodeSessionSettings
from actors.node_session.unit_failures import Failure
from actors.ports import ObjectInfo
from rendertrust.protocol import JobResult, Running
from sql.nodes import NodeIdentity
from sql.unit_retry_policy import TRIES_MOST
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import JOB, NODE, USER, assignment

SETTINGS = NodeSessionSettings(bucket="rendertrust")
STRICT = NodeSessionSettings(bucket="rendertrust", require_object=True)
JOBS = [UUID(int=n) for n in range(1, 5)]


@st.composite
def works(draw: st.DrawFn) -> HeldUnits:
    work = HeldUnits()
    for job in draw(st.lists(st.sampled_from(JOBS), unique=True)):
        unit = assignment(job, attempt=draw(st.integers(1, 3)))
        work.add(
            HeldUnit(
                unit,
                phase=draw(st.sampled_from(Phase)),
                heard_at=draw(st.none() | st.floats(0, 100)),
                vouched_at=draw(st.none() | st.floats(0, 100)),
                begun_at=draw(st.none() | st.floats(0, 100)),
            )
        )
    return work


said_to_run = st.lists(
    st.builds(
        Running,
        job_id=st.sampled_from(JOBS).map(str) | st.just("nonsense"),
        unit=st.none() | st.just(0),
        attempt=st.none() | st.integers(1, 3),
    ),
    max_size=6,
)


@given(works(), said_to_run)
def test_all_that_a_node_says_is_kept_or_dropped_and_all_it_was_given_accounted_for(
    work: HeldUnits, said: list[Running]
) -> None:
    comparison = work.compare(said)
    for running in said:
        held = work.named(running.job_id, running.unit, running.attempt)
        assert (held in comparison.keep) if held else (running in comparison.drop)
    kept = {id(held) for held in comparison.keep}
    for held in work:
        lost, unsent = held in comparison.lost, held in comparison.unsent
        assert (id(held) in kept) + lost + unsent <= 1
        assert lost == (held.phase is Phase.RUNNING and id(held) not in kept)
        assert unsent == (held.phase is Phase.SENT and id(held) not in kept)


@given(works(), st.none() | st.integers(1, 4))
def test_no_more_than_the_slots_are_out(work: HeldUnits, slots: int | None) -> None:
    sendable = work.sendable(slots)
    assert all(held.phase is Phase.WAITING for held in sendable)
    out = sum(held.phase in (Phase.SENT, Phase.RUNNING) for held in work)
    waiting = sum(held.phase is Phase.WAITING for held in work)
    assert len(sendable) == (waiting if slots is None or out < slots else 0)


@given(works(), st.floats(101, 200))
def test_a_lease_lasts_from_the_word_it_is_based_on(work: HeldUnits, now: float) -> None:
    words = {held.key: vouched_at(held, now) for held in work}
    vouched = {held.key: held.vouched_at for held in work}
    renewed = renewals(work, NODE, now, 60.0)
    for lease in renewed:
        word = words[lease.job, lease.unit]
        assert word is not None
        assert lease.seconds == pytest.approx(60.0 - (now - word))
        assert lease.seconds <= 60.0
        before = vouched[lease.job, lease.unit]
        assert before is None or word > before
    ours = {held.key for held in work if held.phase in (Phase.WAITING, Phase.ENDING)}
    ours = {key for key in ours if (before := vouched[key]) is None or now > before}
    assert ours <= {(lease.job, lease.unit) for lease in renewed}


@given(works())
def test_a_word_renews_a_lease_once(work: HeldUnits) -> None:
    renewals(work, NODE, 150.0, 60.0)
    again = renewals(work, NODE, 150.0, 60.0)
    assert again == ()


@given(
    st.sampled_from(("scene", "node", "network", "gateway", "verifier")),
    st.integers(1, 20),
    st.integers(0, 2),
    st.integers(0, 4),
    st.frozensets(st.sampled_from(JOBS), max_size=2),
)
def test_a_failure_is_final_for_a_reason_and_waits_no_longer_than_four_seconds(
    error_class: str, attempt: int, before: int, faults: int, avoid: frozenset[UUID]
) -> None:
    """Retries come after one, two and four seconds; then the failure is final."""
    unit = assignment(attempt=attempt, failures=before, faults=faults, avoid=avoid)
    failed = before + faults + 1
    effect = unit_failures.failed(unit, NODE, Failure(error_class, "broken"), EPOCH)
    assert isinstance(effect, UnitFail)
    if effect.retry_at is None:
        third = error_class == "node" and before == 2
        worn = attempt >= TRIES_MOST or failed > 3
        assert error_class == "scene" or third or worn
    else:
        wait = (effect.retry_at - EPOCH).total_seconds()
        assert wait == 2.0 ** (failed - 1) <= 4.0
        assert error_class != "scene"
    if effect.error_class != error_class:
        assert effect.error_class == "scene"
        assert (len(avoid | {NODE}), before) == (3, 2)


@given(st.integers(1, 20), st.integers(0, 9))
def test_what_a_node_gives_back_did_not_fail(attempt: int, faults: int) -> None:
    unit = assignment(attempt=attempt, faults=faults)
    failure = Failure("network", "it drains", returned=True)
    effect = unit_failures.failed(unit, NODE, failure, EPOCH)
    assert effect.returned
    assert (effect.retry_at is None) == (attempt >= TRIES_MOST)


@given(st.integers(1, 99))
def test_a_lost_unit_is_nobodys_fault_however_often_it_is_lost(attempt: int) -> None:
    lost = unit_failures.lost(assignment(attempt=attempt), NODE)
    assert (lost.attempt, lost.lost_by) == (attempt, NODE)


@given(
    st.sampled_from(("node", "network", "gateway", "verifier", "scene")),
    st.integers(1, 40),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.integers(1, 5),
    st.booleans(),
)
def test_strangers_words_end_a_unit_only_by_three_owners_or_where_nobody_else_is(
    error_class: str, attempt: int, before: tuple[int, int], owners: int, is_other: bool
) -> None:
    failed, faults = before
    unit = assignment(attempt=attempt, failures=failed, faults=faults)
    others = AlternativesFound(
        unit.job, unit.number, attempt, is_able=True, is_other=is_other, owners=owners
    )
    failure = Failure(error_class, "broken", confirmed=False)
    effect = unit_failures.failed(unit, NODE, failure, EPOCH, others=others)
    is_last = failed + (error_class == "node") >= 3 or failed + faults + 1 > 3
    assert (effect.retry_at is None) == (is_last and (owners >= 3 or not is_other))


@given(st.integers(1, 99), st.booleans(), st.booleans(), st.booleans())
def test_what_strangers_nodes_lack_ends_nothing_and_counts_where_another_owner_says_so(
    attempt: int, is_able: bool, is_seconded: bool, is_untried: bool
) -> None:
    unit = assignment(attempt=attempt)
    others = AlternativesFound(
        unit.job,
        unit.number,
        attempt,
        is_able=is_able,
        is_other=False,
        is_seconded=is_seconded,
        is_untried=is_untried,
    )
    lack = unit_failures.MissingCapability(unit_failures.MEMORY, 1 << 30, "it is big")
    effect = unit_failures.incapable(unit, NODE, lack, others, is_trusted=False, now=EPOCH)
    assert effect.retry_at is not None
    assert effect.uncounted
    assert 1 <= (effect.retry_at - EPOCH).total_seconds() <= (4 if is_untried else 600)
    assert effect.needs_memory == ((1 << 30) + 1 if is_able and is_seconded else 0)


@given(st.text(max_size=40).map(lambda tail: f"s3://rendertrust/{tail}"))
def test_in_our_bucket_nothing_but_our_key_counts(reference: str) -> None:
    unit = assignment()
    for settings in (SETTINGS, STRICT):
        named = result_validation.named(reference, unit, settings)
        assert isinstance(named, result_validation.ResultRefused)
        ours = result_validation.named(
            f"s3://rendertrust/{result_validation.object_key(unit, result_validation.RESULT)}",
            unit,
            settings,
        )
        assert isinstance(ours, result_validation.OwnObject)


@given(st.none() | st.text(max_size=40))
def test_where_objects_are_required_nothing_but_our_key_is_taken(reference: str | None) -> None:
    named = result_validation.named(reference, assignment(), STRICT)
    assert isinstance(named, result_validation.ResultRefused)


@pytest.mark.parametrize(("characters", "taken"), [(500, True), (501, False)])
def test_a_reference_elsewhere_has_500_characters_at_most(characters: int, taken: bool) -> None:
    reference = "s3://elsewhere/".ljust(characters, "x")
    named = result_validation.named(reference, assignment(), SETTINGS)
    assert isinstance(
        named, result_validation.ForeignObject if taken else result_validation.ResultRefused
    )


@pytest.mark.parametrize(("size", "taken"), [(1, True), (2**34, True), (2**34 + 1, False)])
def test_an_object_has_16_gib_at_most(size: int, taken: bool) -> None:
    said = JobResult(job_id=str(JOB), status="completed")
    found = result_validation.checked(said, ObjectInfo("key", size, None), SETTINGS)
    assert isinstance(
        found, result_validation.OwnObject if taken else result_validation.ResultRefused
    )


def test_keys_of_different_attempts_and_users_differ() -> None:
    keys = {
        result_validation.object_key(assignment(attempt=n), result_validation.RESULT)
        for n in range(1, 5)
    }
    assert len(keys) == 4
    assert all(key.startswith(f"results/{USER}/{JOB}/") for key in keys)


def test_an_unowned_node_earns_for_suspense() -> None:
    node = NodeIdentity(NODE, None, ("echo",), verified=True)
    found = ObjectInfo("key", 3, None)
    effect = result_validation.completion(
        assignment(), node, SETTINGS, named=result_validation.OwnObject(), found=found
    )
    assert (effect.verified, effect.operator) == (True, "suspense")


@given(st.integers(1, 20), st.lists(st.floats(0, 100), max_size=60).map(sorted))
def test_a_flood_is_what_comes_too_often_in_one_window(most: int, times: list[float]) -> None:
    guard = FloodGuard(most, 10.0)
    admitted = [now for now in times if guard.admits(now)]
    for start in admitted:
        # Any ten seconds overlap with two windows at most.
        assert sum(start <= now < start + 10.0 for now in admitted) <= 2 * most
    if len(times) <= most:
        assert admitted == times


def test_the_runtime_of_an_attempt_counts_from_its_begin() -> None:
    work = HeldUnits()
    held = HeldUnit(assignment(), phase=Phase.RUNNING, begun_at=10.0)
    work.add(held)
    assert overdue(work, 100.0, 90.0) == ()
    assert overdue(work, 100.1, 90.0) == (held,)
