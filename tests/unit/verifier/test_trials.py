"""Verifiers are given what is known to be wrong; who calls it valid has not looked."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.node_session.messages import RunCheck
from sql.sampling import ALWAYS_UNTIL
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import EXACT, Checker, Play, apart, verifying

OURS = UUID(int=20)
LAZY = UUID(int=30)
WRONG = apart(1.5)
STATED = 128


def samples(order: RunCheck) -> int | None:
    found: int | None = order.unit.params.get("samples")
    return found


async def states(play: Play, ours: Checker, params: Mapping[str, Any] | None = None) -> None:
    """The gateway's own looks, and says how many samples the scene has, where its job does not."""
    if "samples" not in (params or {}):
        told = {"looked": True, "samples": STATED}
        assert (await play.checks(ours, told)).draws == ()


@asynccontextmanager
async def with_a_trial(**params: Any) -> AsyncGenerator[tuple[Play, Checker, Checker, UUID]]:
    """A result that was found valid, and that is known not to be what other samples give."""
    async with verifying(own=frozenset({OURS}), trial_odds=0.05, least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        ours, lazy = play.checker(20, None), play.checker(30, 3)
        job = await play.delivered(**params)
        await states(play, ours, params)
        first = await play.checks(lazy, EXACT)
        assert samples(first) == params.get("samples", STATED), "nothing is known to try it with"
        await play.ends(job, "COMPLETED")
        made = await play.checks(ours, WRONG)
        assert made.unit.job == job
        assert samples(made) not in (None, params.get("samples"))
        yield play, ours, lazy, job


@simulated
@pytest.mark.parametrize("params", [{}, {"samples": 8}, {"samples": 64}])
async def test_what_is_known_to_be_wrong_is_asked_for_as_anything_else(params: Any) -> None:
    async with with_a_trial(**params) as (play, _, lazy, job):
        waits = await play.delivered(**params)
        trial = await play.asked(lazy)
        assert (trial.unit.job, samples(trial) != params.get("samples")) == (job, True)
        assert len(trial.draws) == 3
        play.says(lazy, trial, WRONG)
        await play.checks(lazy, EXACT)
        await play.ends(waits, "COMPLETED")
        assert play.earned(UUID(int=3)) > 0
        [test] = play.store.verifier_tests.values()
        assert (test.node_id, test.passed, test.job_id) == (LAZY, True, job)
        assert await play.store.records([LAZY]) == []


@simulated
async def test_who_calls_it_valid_has_a_strike_and_is_believed_no_more() -> None:
    async with with_a_trial() as (play, ours, lazy, _):
        waits = await play.delivered()
        await play.checks(lazy, EXACT)
        await until(lambda: bool(play.store.verifier_tests), within=60)
        [record] = await play.store.records([LAZY])
        assert record.reputation.strikes == 1
        await play.checks(ours, EXACT)  # the gateway's own looks instead
        await play.ends(waits, "COMPLETED")
        assert lazy.probe.ref.depth == 0
        assert play.verdict(waits) == "exact"


@simulated
async def test_evidence_that_says_how_many_samples_it_has_makes_no_trial() -> None:
    """Of an agent of a release before: who compares them with what he is to render knows."""
    async with verifying(own=frozenset({OURS}), trial_odds=0.05, least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        ours, lazy = play.checker(20, None), play.checker(30, 3)
        job = await play.delivered()
        await states(play, ours)
        await play.checks(lazy, EXACT)
        await play.ends(job, "COMPLETED")
        await play.checks(ours, {**WRONG, "stamped": True})
        other = await play.delivered()
        assert (await play.checks(lazy, EXACT)).unit.job == other
        await play.ends(other, "COMPLETED")
        assert play.store.known_trials == {}


@simulated
async def test_the_third_one_is_quarantine() -> None:
    async with with_a_trial() as (play, _, lazy, _):
        play.store.add_node(LAZY, ("check",), owner=UUID(int=3))
        play.known("mm", LAZY)
        await play.delivered()
        await play.checks(lazy, EXACT)
        await until(lambda: play.standing(LAZY) == "QUARANTINED", within=60)


@simulated
async def test_a_trial_is_given_once_to_each_owner() -> None:
    async with with_a_trial() as (play, _, lazy, _):
        friend = play.checker(31, 3)
        await play.delivered()
        await until(lambda: bool(lazy.probe.ref.depth or friend.probe.ref.depth), within=60)
        [one] = [c for c in (lazy, friend) if c.probe.ref.depth]
        trial = await play.checks(one, WRONG)
        later = await until_asked(play, [lazy, friend])
        assert samples(later[1]) == STATED, "what waits"
        assert trial.check != later[1].check


async def until_asked(play: Play, checkers: list[Checker]) -> tuple[Checker, RunCheck]:
    await until(lambda: any(one.probe.ref.depth for one in checkers), within=60)
    [one] = [c for c in checkers if c.probe.ref.depth]
    return one, await play.asked(one)


@simulated
@pytest.mark.parametrize("report", [None, {"crops": 1}, {"fault": "the picture is none"}])
async def test_who_breaks_down_is_not_blamed_and_has_not_passed(report: Any) -> None:
    """Nor who finds a fault where there is none: that costs nothing, and shows nothing."""
    async with with_a_trial() as (play, _, lazy, _):
        await play.delivered()
        await play.checks(lazy, report)
        await play.asked(lazy)
        assert not play.store.verifier_tests


@simulated
async def test_who_cannot_check_what_our_own_could_has_not_looked() -> None:
    async with with_a_trial() as (play, _, lazy, _):
        await play.delivered()
        await play.checks(lazy, {"unable": "it uses Path Guiding"})
        await until(lambda: bool(play.store.verifier_tests), within=60)
        [test] = play.store.verifier_tests.values()
        assert not test.passed


@simulated
async def test_before_one_check_comes_one_trial() -> None:
    """However many are known, and though it is drawn each time that the node is looked at."""
    async with with_a_trial() as (play, ours, lazy, _):
        await until(lambda: bool(play.store.known_trials), within=60)
        [made] = play.store.known_trials.values()
        for number in range(1, 5):
            other = attrs.evolve(made.trial, id=UUID(int=number))
            play.store.known_trials[other.id] = attrs.evolve(made, trial=other)
        await play.restarts()
        play.appears(ours)
        play.appears(lazy)
        waits = await play.delivered()
        await states(play, ours)
        await play.checks(lazy, None)  # a trial that came to nothing was one, too
        order = await play.asked(lazy)
        assert order.unit.job == waits


@simulated
@pytest.mark.parametrize("report", [EXACT, apart(0.05), apart(0.3), None, {"fault": "it is none"}])
async def test_only_what_the_gateways_own_sees_to_be_wrong_is_a_trial(report: Any) -> None:
    """A scene may look alike with any number of samples, or nearly."""
    async with verifying(own=frozenset({OURS}), trial_odds=0.05, least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        ours, other = play.checker(20, None), play.checker(30, 3)
        job = await play.delivered()
        await states(play, ours)
        await play.checks(other, EXACT)
        await play.ends(job, "COMPLETED")
        await play.checks(ours, report)
        waits = await play.delivered()
        order = await play.checks(other, EXACT)
        assert samples(order) == STATED
        await play.ends(waits, "COMPLETED")


@simulated
async def test_without_a_verifier_of_the_gateways_own_nobody_is_tried() -> None:
    async with verifying(trial_odds=0.05) as play:
        other = play.checker(30, 3)
        for _ in range(3):
            job = await play.delivered()
            order = await play.checks(other, EXACT)
            assert samples(order) is None
            await play.ends(job, "COMPLETED")
        assert not play.store.verifier_tests


@simulated
async def test_work_that_strangers_may_not_see_makes_no_trial() -> None:
    async with verifying(own=frozenset({OURS}), trial_odds=0.05, least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        ours = play.checker(20, None)
        job = await play.delivered(_pool="trusted")
        await play.checks(ours, EXACT)
        await play.ends(job, "COMPLETED")
        await play.delivered(_pool="trusted")
        order = await play.asked(ours)
        assert samples(order) is None, "it is the next result"


@simulated
async def test_an_answer_waits_for_the_database() -> None:
    async with with_a_trial() as (play, _, lazy, _):
        await play.delivered()
        trial = await play.asked(lazy)
        play.store.away = True
        play.says(lazy, trial, EXACT)
        play.store.away = False
        await until(lambda: bool(play.store.verifier_tests), within=60)


# ── a trial of each crop ─────────────────────────────────────────────────────────────────────────


def seeing(wrong: set[int], count: int, layers: int = 1) -> dict[str, Any]:
    """A report of ``count`` crops, each of so many view layers, of which these are wrong."""
    good, bad = {"equal": True, "off": None}, {"equal": False, "off": 1.5}
    crops = [
        bad if number in wrong and layer == layers - 1 else good
        for number in range(count)
        for layer in range(layers)
    ]
    return {"crops": crops, "finish": good}


async def known_trial(play: Play, ours: Checker, helper: Checker, right: set[int]) -> RunCheck:
    """A trial is made of which the gateway's own sees that those crops are right."""
    job = await play.delivered()
    await states(play, ours)
    await play.checks(helper, EXACT)
    await play.ends(job, "COMPLETED")
    made = await play.asked(ours)
    assert len(made.draws) == 15
    play.says(ours, made, seeing({*range(15)} - right, 15, layers=2))
    await until(lambda: bool(play.store.known_trials), within=60)
    return made


@simulated
@pytest.mark.parametrize("right", [{0, 3, 4, 8}, {2, 6, 13}])
async def test_of_three_crops_one_is_wrong_where_two_can_be_right(right: set[int]) -> None:
    """Who renders one of three is found by the others."""
    async with verifying(own=frozenset({OURS}), trial_odds=0.05, least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        ours, lazy = play.checker(20, None), play.checker(30, 3)
        made = await known_trial(play, ours, lazy, right)
        kinds = {place % 3 for place in right}
        await play.delivered()
        trial = await play.asked(lazy)
        places = [made.draws.index(drawn) for drawn in trial.draws]
        assert [place % 3 for place in places] == [0, 1, 2], "of each kind one, in its place"
        wrong = {number for number, place in enumerate(places) if place not in right}
        assert wrong, "something is"
        assert len(wrong) <= 1 + (3 - len(kinds))
        play.says(lazy, trial, seeing(wrong, 3))
        await until(lambda: bool(play.store.verifier_tests), within=60)
        [test] = play.store.verifier_tests.values()
        assert test.passed


@simulated
@pytest.mark.parametrize("seen", [0, 1, 2])
async def test_who_says_what_one_crop_shows_and_makes_up_the_others_has_not_looked(
    seen: int,
) -> None:
    async with verifying(own=frozenset({OURS}), trial_odds=0.05, least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        ours, lazy = play.checker(20, None), play.checker(30, 3)
        await known_trial(play, ours, lazy, set())  # all are wrong
        await play.delivered()
        trial = await play.asked(lazy)
        play.says(lazy, trial, seeing({seen}, 3))
        await until(lambda: bool(play.store.verifier_tests), within=60)
        [test] = play.store.verifier_tests.values()
        assert not test.passed


@simulated
async def test_a_report_of_one_crop_is_none() -> None:
    async with verifying() as play:
        job = await play.delivered()
        one, other = play.checker(20, 3), play.checker(21, 4)
        asked = [one, other]
        await until(lambda: any(c.probe.ref.depth for c in asked), within=60)
        [first] = [c for c in asked if c.probe.ref.depth]
        play.says(first, await play.asked(first), seeing(set(), 1))
        [second] = [c for c in asked if c is not first]
        await play.checks(second, EXACT)
        await play.ends(job, "COMPLETED")
        assert play.store.checks[job, 0, 1].verifier_id == second.node


@simulated
async def test_another_class_of_the_gateways_own_takes_what_was_drawn() -> None:
    """It may see more crops right than those see who are asked."""
    async with verifying(own=frozenset({OURS}), trial_odds=0.05, least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        ours, lazy = play.checker(20, None, "cpu/another/5.2"), play.checker(30, 3)
        made = await known_trial(play, ours, lazy, {0, 3, 6, 9, 12})
        await play.delivered()
        trial = await play.asked(lazy)
        assert trial.draws == made.draws[:3]


# ── another life of the gateway ──────────────────────────────────────────────────────────────────


@simulated
async def test_what_is_known_outlives_the_gateway_and_is_given_once() -> None:
    async with with_a_trial() as (play, ours, lazy, job):
        await until(lambda: bool(play.store.known_trials), within=60)
        await play.restarts()
        play.appears(ours)
        play.appears(lazy)
        await play.delivered()
        await states(play, ours)
        trial = await play.checks(lazy, WRONG)
        assert (trial.unit.job, samples(trial) not in (None, STATED)) == (job, True)
        await play.checks(lazy, EXACT)
        await until(lambda: bool(play.store.verifier_tests), within=60)
        await play.restarts()
        play.appears(lazy)
        for _ in range(3):
            waits = await play.delivered()
            order = await play.checks(lazy, EXACT)
            assert samples(order) is None, "it passed, and its owner had that one"
            await play.ends(waits, "COMPLETED")


@simulated
async def test_who_is_not_believed_is_not_believed_in_another_life() -> None:
    async with with_a_trial() as (play, ours, lazy, _):
        waits = await play.delivered()
        await play.checks(lazy, EXACT)
        await until(lambda: bool(play.store.verifier_tests), within=60)
        await play.restarts()
        play.appears(lazy)
        play.appears(ours)
        await play.checks(ours, EXACT)
        await play.ends(waits, "COMPLETED")
        assert lazy.probe.ref.depth == 0


ALARM = {"crops": [{"equal": False, "off": 0.4}] * 3, "finish": EXACT["finish"]}


@simulated
async def test_who_calls_everything_suspicious_does_not_pass_a_trial() -> None:
    """It is no strike, as what is suspicious may be another machine; it is believed no more."""
    async with verifying(own=frozenset({OURS}), trial_odds=0.05, least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        ours, wolf = play.checker(20, None), play.checker(30, 3)
        await known_trial(play, ours, wolf, {0, 3, 4, 8})
        waits = await play.delivered()
        await play.checks(wolf, ALARM)
        assert (await play.checks(ours, EXACT)).unit.job == waits
        await play.ends(waits, "COMPLETED")
        assert (wolf.probe.ref.depth, play.store.verifier_tests) == (0, {})


@simulated
async def test_who_cries_wolf_three_times_is_believed_no_more() -> None:
    async with verifying(own=frozenset({OURS}), least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        ours, wolf = play.checker(20, None), play.checker(30, 3)
        for _ in range(3):
            job = await play.delivered()
            seen = await play.checks(wolf, ALARM)
            order = await play.asked(ours)
            assert {*seen.draws} < {*order.draws}, "the gateway's own looks there, too"
            play.says(ours, order, {**EXACT, "crops": [*EXACT["crops"]] * 2})
            await play.ends(job, "COMPLETED")
        job = await play.delivered()
        assert (await play.checks(ours, EXACT)).unit.job == job
        await play.ends(job, "COMPLETED")
        assert (wolf.probe.ref.depth, await play.store.records([wolf.node])) == (0, [])
