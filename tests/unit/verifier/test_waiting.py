"""The Verifier: who is asked again, what is over, and what is not waited for."""

import asyncio
from uuid import UUID

import pytest

from actors.ledger.messages import UnitStart
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import EXACT, NODE, PRICE, Checker, Play, apart, verifying

OURS = UUID(int=20)
SHARE = PRICE * 70 // 100
CHECK_SECONDS = 20.0


async def first_and_other(play: Play, one: Checker, other: Checker) -> tuple[Checker, Checker]:
    """Who was asked, and who was not."""
    await until(lambda: one.probe.ref.depth or other.probe.ref.depth, within=60)
    return (one, other) if one.probe.ref.depth else (other, one)


@simulated
async def test_a_check_that_took_too_long_is_taken_back() -> None:
    """Else the node would make it all the same, and later ones behind it."""
    async with verifying(check_seconds=CHECK_SECONDS) as play:
        job = await play.delivered()
        first, other = await first_and_other(play, play.checker(20, 3), play.checker(21, 4))
        order = await play.asked(first)
        await play.dropped(first, order)
        await play.checks(other, EXACT)
        await play.ends(job, "COMPLETED")


@simulated
async def test_a_check_has_the_time_that_its_unit_took_besides() -> None:
    """What was long to render is long to check: who does it is not to be cut off each time."""
    async with verifying(check_seconds=CHECK_SECONDS) as play:
        checker = play.checker(20, 3)
        job = await play.assigned(NODE)
        await play.do(UnitStart(job, 0, 1, NODE))
        await asyncio.sleep(10 * CHECK_SECONDS)
        await play.again(job, NODE, 1)
        order = await play.asked(checker)
        await asyncio.sleep(5 * CHECK_SECONDS)
        play.says(checker, order, EXACT)
        await play.ends(job, "COMPLETED")
        assert play.store.checks[job, 0, 1].verdict == "exact"


@simulated
async def test_the_check_of_a_node_that_comes_anew_is_taken_back() -> None:
    async with verifying() as play:
        await play.delivered()
        checker = play.checker(20, 3)
        order = await play.asked(checker)
        play.comes_back(checker)
        await play.dropped(checker, order)


@simulated
async def test_who_came_to_nothing_is_asked_again_after_a_while() -> None:
    """A download that failed, a machine that was at work: nobody else is there."""
    async with verifying(again_seconds=60.0) as play:
        job = await play.delivered()
        checker = play.checker(20, 3)
        await play.checks(checker, None)
        await asyncio.sleep(50)
        assert checker.probe.ref.depth == 0
        await play.checks(checker, None)
        await asyncio.sleep(110)  # twice as long
        assert checker.probe.ref.depth == 0
        await play.checks(checker, EXACT)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("exact", SHARE)


@simulated
async def test_who_was_silent_once_is_asked_again_where_nobody_else_is() -> None:
    async with verifying(check_seconds=CHECK_SECONDS, again_seconds=30.0) as play:
        job = await play.delivered()
        checker = play.checker(20, 3)
        await play.dropped(checker, await play.asked(checker))
        await play.checks(checker, EXACT)
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "exact"


@simulated
async def test_who_came_to_nothing_is_asked_after_the_others() -> None:
    """Also where they are at something else."""
    async with verifying(again_seconds=10.0) as play:
        job = await play.delivered()
        first, other = await first_and_other(play, play.checker(20, 3), play.checker(21, 4))
        order = await play.asked(first)
        await play.delivered()
        busy = await play.asked(other)
        play.says(first, order, None, "it failed")
        await asyncio.sleep(30)
        assert first.probe.ref.depth == 0
        play.says(other, busy, EXACT)
        assert (await play.checks(other, EXACT)).unit.job == job
        await play.ends(job, "COMPLETED")


# ── at the start ─────────────────────────────────────────────────────────────────────────────────


@simulated
async def test_what_nobody_is_to_check_waits_at_the_start_until_our_own_may_be_there() -> None:
    """It comes back within seconds; what lies there until then is not paid unseen."""
    async with verifying(own=frozenset({OURS}), least_odds=0.0, grace_seconds=35.0) as play:
        play.known("v" * 40)
        job = await play.delivered(samples=4)
        await asyncio.sleep(20)
        assert play.store.units[job, 0].state == "VERIFYING"
        await play.checks(play.checker(20, None), {"looked": True})
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "unchecked"


@simulated
async def test_without_our_own_nothing_waits_at_the_start_for_one() -> None:
    async with verifying(least_odds=0.0, grace_seconds=35.0) as play:
        play.known("v" * 40)
        job = await play.delivered()
        begun = play.clock.monotonic()
        await play.ends(job, "COMPLETED")
        assert play.clock.monotonic() - begun < 10


# ── for nodes that the creator trusts ────────────────────────────────────────────────────────────


@simulated
@pytest.mark.parametrize(
    ("own", "least", "most"), [(frozenset(), 0.0, 5.0), (frozenset({OURS}), 50.0, 55.0)]
)
async def test_where_our_own_cannot_look_work_for_trusted_nodes_is_paid(
    own: frozenset[UUID], least: float, most: float
) -> None:
    """Strangers may not see it, so nobody ever could; its creator chose who renders it. Where there
    are some of our own they may be connected to another gateway: it waits as long as it may.
    """
    async with verifying(own=own, wait_seconds=50.0) as play:
        play.checker(30, 3)
        job = await play.delivered(_pool="trusted")
        begun = play.clock.monotonic()
        await play.ends(job, "COMPLETED")
        assert least <= play.clock.monotonic() - begun <= most
        assert (play.verdict(job), play.earned()) == ("unchecked", SHARE)


@simulated
@pytest.mark.parametrize("away", [False, True])
async def test_a_suspicion_outlives_the_gateway_and_its_author_is_not_asked_anew(
    *, away: bool
) -> None:
    async with verifying() as play:
        job = await play.delivered()
        accuser = play.checker(20, 3)
        order = await play.asked(accuser)
        play.store.away = away
        play.says(accuser, order, apart(5.0))
        await asyncio.sleep(2)
        play.store.away = False
        await until(lambda: len(play.store.suspicions) == 1, within=60)
        await play.restarts()
        again = play.comes_back(accuser)
        await asyncio.sleep(5)
        assert again.probe.ref.depth == 0
        await play.checks(play.checker(21, 4), apart(5.0))
        await play.ends(job, "QUEUED")
        assert play.verdict(job) == "doubtful"
        [told] = play.store.suspicions.values()
        assert (told.verifier_id, told.word, told.said) == (
            accuser.node,
            "mismatch",
            "5 times the noise",
        )


@simulated
async def test_where_our_own_goes_work_for_trusted_nodes_is_paid_in_the_end() -> None:
    async with verifying(own=frozenset({OURS}), wait_seconds=40.0) as play:
        ours = play.checker(20, None)
        job = await play.delivered(_pool="trusted")
        await play.asked(ours)
        play.goes(ours)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("unchecked", SHARE)


@simulated
@pytest.mark.parametrize("own", [frozenset(), frozenset({OURS})])
async def test_who_lied_is_not_paid_unseen_by_who_trusts_him_either(own: frozenset[UUID]) -> None:
    async with verifying(own=own, wait_seconds=40.0) as play:
        play.known("m")
        job = await play.delivered(_pool="trusted")
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned(), play.charged()) == ("unverifiable", 0, 0)


@simulated
async def test_where_our_own_can_look_work_for_trusted_nodes_is_checked() -> None:
    async with verifying(own=frozenset({OURS})) as play:
        ours = play.checker(20, None)
        job = await play.delivered(_pool="trusted")
        await play.checks(ours, EXACT)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("exact", SHARE)
        assert NODE in play.store.nodes


@simulated
async def test_the_check_of_what_does_not_wait_any_more_is_taken_back() -> None:
    async with verifying() as play:
        job = await play.delivered()
        checker = play.checker(20, 3)
        order = await play.asked(checker)
        del play.store.checks[job, 0, 1]
        await play.dropped(checker, order)
