"""What the Verifier knows of why a result has no verdict yet."""

import asyncio
from uuid import UUID

import pytest

from actors.verifier.messages import CheckWait, ExplainChecks
from rendertrust.verdict_reason import NO_BUILD
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import EXACT, NODE, OPERATOR, Play, verifying

OTHER = UUID(int=77)
OTHER_BUILD = "cpu/avx2/5.1"


async def wait_of(play: Play, job: UUID) -> CheckWait:
    """Return what the Verifier answers about unit 0 of a job, once it has looked again."""
    await asyncio.sleep(15)
    found = await play.verifier.ask(ExplainChecks(job, (0, 7)), within=60)
    assert found.keys() == {0}
    return found[0]


@simulated
async def test_no_verifier_is_connected() -> None:
    async with verifying() as play:
        found = await wait_of(play, await play.delivered())
        assert found == CheckWait(has_verifier=False)


@simulated
async def test_the_only_verifier_belongs_to_the_owner_of_the_node() -> None:
    async with verifying() as play:
        checker = play.inspector()
        play.store.add_node(checker.node, ("check",), owner=OPERATOR)
        found = await wait_of(play, await play.delivered())
        assert not found.has_verifier


@simulated
async def test_no_verifier_has_the_build_of_the_node() -> None:
    async with verifying() as play:
        play.inspector(device_class=OTHER_BUILD)
        found = await wait_of(play, await play.delivered())
        assert (found.has_verifier, found.lacks_build) == (True, True)


@simulated
async def test_a_check_runs_and_others_wait_behind_it() -> None:
    async with verifying() as play:
        jobs = [await play.delivered() for _ in range(3)]
        checker = play.inspector()
        first = (await play.asked(checker)).unit.job
        rest = [job for job in jobs if job != first]
        assert (await wait_of(play, first)).is_running
        assert {(await wait_of(play, job)).ahead for job in rest} == {0, 1}
        assert not any([(await wait_of(play, job)).has_used_share for job in rest])


@simulated
async def test_a_failed_check_is_repeated_after_the_results_of_others() -> None:
    async with verifying() as play:
        checker = play.inspector()
        slow = await play.delivered()
        play.says(checker, await play.asked(checker), None, "no time")
        await play.delivered(user=OTHER)
        await play.delivered(user=OTHER)
        assert (await play.asked(checker)).unit.job != slow
        assert (await wait_of(play, slow)).is_last


@simulated
async def test_who_used_the_verifiers_for_long_waits_for_others() -> None:
    async with verifying() as play:
        jobs = [await play.delivered() for _ in range(3)]
        checker = play.inspector()
        first = await play.asked(checker)
        await asyncio.sleep(100)
        for _ in range(3):
            await play.delivered(UUID(int=11), user=OTHER)
        play.says(checker, first, EXACT)
        again = await play.asked(checker)
        mine = [job for job in jobs if job not in (first.unit.job, again.unit.job)]
        found = await wait_of(play, mine[0])
        assert found.has_used_share
        assert found.ahead >= 1


@simulated
async def test_a_result_of_another_node_is_not_pending_once_it_is_settled() -> None:
    async with verifying() as play:
        checker = play.inspector()
        job = await play.delivered(NODE)
        await play.checks(checker, EXACT)
        await play.ends(job, "COMPLETED")
        assert await play.verifier.ask(ExplainChecks(job, (0,)), within=60) == {}


@simulated
@pytest.mark.parametrize("least_odds", [0.0, 1.0])
async def test_a_result_that_no_verifier_may_check_does_not_wait_for_ever(
    least_odds: float,
) -> None:
    """All verifiers belong to the owner of the node; a verifier that is away may come back."""
    async with verifying(wait_seconds=60.0, least_odds=least_odds) as play:
        play.known("v" * 1000)
        job, checker = await play.delivered(), play.inspector()
        play.store.add_node(checker.node, ("check",), owner=OPERATOR)
        await asyncio.sleep(40)
        assert play.verdict(job) is None
        await play.ends(job, "COMPLETED")
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.reason, row.strike) == ("unverifiable", NO_BUILD, False)
        assert (play.charged(), play.earned(), checker.probe.ref.depth) == (0, 0, 0)


@simulated
async def test_a_result_without_any_verifier_waits_for_one() -> None:
    async with verifying(wait_seconds=60.0) as play:
        job = await play.delivered()
        await asyncio.sleep(600)
        assert play.verdict(job) is None
        await play.checks(play.inspector(), EXACT)
        await play.ends(job, "COMPLETED")
