"""Several gateways: each check is done at one gateway that has a suitable verifier."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from actors.node_session.messages import RunCheck
from sql.checks import CheckId
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import EXACT, Play, apart, verifying


@asynccontextmanager
async def another_gateway(play: Play) -> AsyncGenerator[Play]:
    """Run another gateway over the same database."""
    root, verifier, ledger = play.begin()
    await root.start()
    here = (play.store, play.objects, play.clock, root, play.scheduler, play.begin, play.sampling)
    try:
        yield Play(verifier, ledger, *here)
    finally:
        await root.stop()


@simulated
async def test_a_gateway_without_verifiers_leaves_a_check_to_one_that_has_some() -> None:
    async with verifying() as play, another_gateway(play) as other:
        drawn = await play.delivered()
        await other.checks(other.inspector(), EXACT)
        await play.ends(drawn, "COMPLETED")
        assert play.verdict(drawn) == "exact"
        play.known("v" * 1000)


@simulated
async def test_a_check_of_a_gateway_that_died_is_made_at_another() -> None:
    """The check moves once the dead gateway's claim has expired."""
    async with verifying(claim_seconds=30.0) as play, another_gateway(play) as other:
        first = play.inspector()
        job = await play.delivered()
        await play.asked(first)
        second = other.inspector(21)
        await play.root.stop()
        assert second.probe.ref.depth == 0
        await other.checks(second, EXACT)
        await other.ends(job, "COMPLETED")
        assert other.verdict(job) == "exact"


@simulated
async def test_one_verifier_is_asked_however_many_gateways_there_are() -> None:
    async with verifying() as play, another_gateway(play) as other:
        here, there = play.inspector(), other.inspector(21)
        job = await play.delivered()
        await asyncio.sleep(10)
        asked = [one for one in (here, there) if one.probe.ref.depth]
        assert len(asked) == 1
        order = await asked[0].probe.expect(RunCheck)
        (play if asked == [here] else other).says(asked[0], order, EXACT)
        await play.ends(job, "COMPLETED")


@simulated
@pytest.mark.parametrize("skew", [7200.0, -7200.0])
async def test_how_long_a_check_may_wait_does_not_follow_the_gateways_time_of_day(
    skew: float,
) -> None:
    """The database tells how long a delivery has waited; from then on a monotonic clock counts."""
    async with verifying(wait_seconds=60.0) as play:
        checker = play.inspector(20, "gpu/x/9")
        job = await play.delivered()
        await play.checks(checker, {"looked": True})
        play.clock.skew = skew
        await asyncio.sleep(55)
        assert play.verdict(job) is None
        await until(lambda: play.verdict(job) is not None, within=10)
        assert play.verdict(job) == "unverifiable"


@simulated
async def test_what_waited_before_a_start_waits_as_long_again() -> None:
    """The time during which no gateway ran does not count, because nobody could check the
    result.
    """
    async with verifying(wait_seconds=60.0) as play:
        checker = play.inspector(20, "gpu/x/9")
        job = await play.delivered()
        await play.checks(checker, {"looked": True})
        await asyncio.sleep(50)
        await play.restarts()
        await play.checks(play.inspector(20, "gpu/x/9"), {"looked": True})
        await asyncio.sleep(55)
        assert play.verdict(job) is None
        await until(lambda: play.verdict(job) is not None, within=10)


@simulated
async def test_what_no_verifier_here_is_free_for_is_not_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with verifying() as play:
        checker = play.inspector()
        await play.delivered()
        await play.asked(checker)
        job = await play.delivered()
        claimed, claim = set[CheckId](), play.store.claim_checks

        async def recording(
            gateway: UUID, checks: Collection[CheckId], seconds: float
        ) -> frozenset[CheckId]:
            claimed.update(checks)
            return await claim(gateway, checks, seconds)

        monkeypatch.setattr(play.store, "claim_checks", recording)
        await asyncio.sleep(10)
        assert claimed, "the claim of the first check is renewed"
        assert (job, 0, 1) not in claimed


@simulated
async def test_a_busy_verifier_of_another_gateway_counts_as_one_that_has_the_build() -> None:
    """A gateway whose own verifiers lack the node's build leaves the result to the other
    gateway.
    """
    async with (
        verifying(wait_seconds=60.0, first_seconds=900.0) as play,
        another_gateway(play) as other,
    ):
        play.inspector(20, "gpu/x/9")
        able = other.inspector(21)
        await asyncio.sleep(15)  # until each gateway knows the other's verifier
        await play.delivered()
        order = await play.asked(able)
        waiting = await play.delivered()
        await asyncio.sleep(600)
        assert play.verdict(waiting) is None
        other.says(able, order, EXACT)
        await other.checks(able, EXACT)
        await play.ends(waiting, "COMPLETED")
        assert play.verdict(waiting) == "exact"


@simulated
async def test_a_build_whose_last_verifier_left_is_waited_for_before_nobody_can_tell() -> None:
    async with (
        verifying(wait_seconds=60.0, first_seconds=900.0) as play,
        another_gateway(play) as other,
    ):
        checker = play.inspector(20, "gpu/x/9")
        gone = other.inspector(21)
        await asyncio.sleep(15)
        await play.delivered()
        await play.asked(gone)
        waiting = await play.delivered()
        await asyncio.sleep(600)
        other.goes(gone)
        await asyncio.sleep(45)
        assert play.verdict(waiting) is None
        for _ in range(2):
            await play.checks(checker, {"looked": True})
        await until(lambda: play.verdict(waiting) is not None, within=40)
        assert play.verdict(waiting) == "unverifiable"


@simulated
async def test_a_whole_frame_is_checked_where_its_verifier_connects_next() -> None:
    """Otherwise the first gateway would renew its claim, and nobody would check the result."""
    async with verifying() as play, another_gateway(play) as other:
        checker = play.inspector()
        job = await play.delivered()
        await play.checks(checker, apart(0.9))
        order = await play.asked(checker)
        assert order.whole
        play.goes(checker)
        await other.confirms(other.inspector(), apart(0.9))
        await other.ends(job, "QUEUED")
