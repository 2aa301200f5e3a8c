"""Several gateways: each check is made at one of them, whose nodes can make it."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from actors.node_session.messages import RunCheck
from sql.checks import CheckId
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import EXACT, Checker, Play, verifying

OURS = UUID(int=20)
GRACE = 35.0  # after a start


@asynccontextmanager
async def beside(play: Play) -> AsyncGenerator[Play]:
    """Another gateway over the same database."""
    root, verifier, ledger = play.begin()
    await root.start()
    here = (play.store, play.objects, play.clock, root, play.scheduler, play.begin, play.sampling)
    try:
        yield Play(verifier, ledger, *here)
    finally:
        await root.stop()


@simulated
async def test_a_gateway_without_nodes_that_can_leaves_a_check_to_one_that_has_some() -> None:
    async with verifying() as play, beside(play) as other:
        job = await play.delivered()
        await other.checks(other.checker(20, 3), EXACT)
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "exact"


@simulated
async def test_what_is_checked_at_one_gateway_is_not_given_up_at_another() -> None:
    """There it may wait no longer."""
    async with verifying(wait_seconds=10.0) as play, beside(play) as other:
        slow = other.checker(20, 3)
        job = await play.delivered()
        order = await other.asked(slow)
        await asyncio.sleep(40)
        assert play.verdict(job) is None
        other.says(slow, order, EXACT)
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "exact"


@simulated
async def test_a_check_of_a_gateway_that_died_is_made_at_another() -> None:
    async with verifying() as play, beside(play) as other:
        first = play.checker(20, 3)
        job = await play.delivered()
        await play.asked(first)
        second = other.checker(21, 4)
        await play.root.stop()
        assert second.probe.ref.depth == 0
        await other.checks(second, EXACT)
        await other.ends(job, "COMPLETED")
        assert other.verdict(job) == "exact"


@simulated
async def test_who_looks_at_it_here_is_asked_once_however_many_gateways_there_are() -> None:
    async with verifying() as play, beside(play) as other:
        here, there = play.checker(20, 3), other.checker(21, 4)
        job = await play.delivered()
        await asyncio.sleep(10)
        asked = [one for one in (here, there) if one.probe.ref.depth]
        assert len(asked) == 1
        order = await asked[0].probe.expect(RunCheck)
        (play if asked == [here] else other).says(asked[0], order, EXACT)
        await play.ends(job, "COMPLETED")


@simulated
async def test_another_gateways_first_word_is_known_here() -> None:
    """It must be confirmed by somebody else, wherever he is."""
    off = {**EXACT, "crops": [*EXACT["crops"][:2], {"equal": False, "off": 0.9}]}
    async with verifying() as play, beside(play) as other:
        job = await play.delivered()
        await asyncio.sleep(2)  # both have read it
        accuser = play.checker(20, 3)
        await play.checks(accuser, off)
        await other.checks(other.checker(21, 4), EXACT)
        await play.ends(job, "COMPLETED")
        assert play.store.suspicions
        assert play.verdict(job) == "exact"


@simulated
@pytest.mark.parametrize("skew", [7200.0, -7200.0])
async def test_how_long_a_check_may_wait_does_not_follow_the_gateways_time_of_day(
    skew: float,
) -> None:
    """The database says how long a delivery waits, and the monotonic clock counts on."""
    async with verifying(wait_seconds=60.0) as play:
        job = await play.delivered()
        play.clock.skew = skew
        await asyncio.sleep(55)
        assert play.verdict(job) is None
        await until(lambda: play.verdict(job) is not None, within=10)
        assert play.verdict(job) == "unverifiable"


@simulated
async def test_what_waited_before_a_start_waits_as_long_again() -> None:
    """Nobody could look while no gateway ran."""
    async with verifying(wait_seconds=60.0) as play:
        job = await play.delivered()
        await asyncio.sleep(50)
        await play.restarts()
        await asyncio.sleep(55)
        assert play.verdict(job) is None
        await until(lambda: play.verdict(job) is not None, within=10)


# ── the gateway's own verifier is connected to one of them ───────────────────────────────────────


@asynccontextmanager
async def with_ours_elsewhere(**settings: Any) -> AsyncGenerator[tuple[Play, Play, Checker]]:
    """The gateways started a while ago; the second one has the verifier."""
    more = {"own": frozenset({OURS}), **settings}
    async with verifying(**more) as play, beside(play) as other:
        play.known("v" * 1000)
        ours = other.checker(20, None)
        await asyncio.sleep(GRACE + 10)
        yield play, other, ours


@simulated
async def test_what_is_not_drawn_is_left_to_the_gateway_where_our_own_is() -> None:
    async with with_ours_elsewhere(least_odds=0.0) as (play, other, ours):
        first, second = await play.delivered(), await play.delivered()
        order = await other.asked(ours)
        await asyncio.sleep(20)
        assert [play.verdict(job) for job in (first, second)] == [None, None]
        other.says(ours, order, {"looked": True})
        await other.checks(ours, {"fault": "the picture is none: it is damaged"})
        await until(lambda: play.verdict(first) and play.verdict(second), within=30)
        assert {play.verdict(first), play.verdict(second)} == {"unchecked", "mismatch"}


@simulated
async def test_what_is_drawn_for_the_trusted_is_not_paid_where_our_own_is_not() -> None:
    """Whoever asks: a draw that stands with the delivery is no other at another gateway."""
    async with with_ours_elsewhere(least_odds=1.0) as (play, other, ours):
        first, second = [await play.delivered(_pool="trusted") for _ in range(2)]
        order = await other.asked(ours)
        await asyncio.sleep(300)
        assert [play.verdict(job) for job in (first, second)] == [None, None]
        other.says(ours, order, EXACT)
        await other.checks(ours, EXACT)
        await play.ends(first, "COMPLETED")
        await play.ends(second, "COMPLETED")
        assert (play.verdict(first), play.verdict(second)) == ("exact", "exact")


@simulated
@pytest.mark.parametrize(("wait", "least", "most"), [(3600.0, 55.0, 65.0), (30.0, 25.0, 35.0)])
async def test_what_is_not_drawn_does_not_wait_long_for_our_own(
    wait: float, least: float, most: float
) -> None:
    """It may have gone: what it would only glance at is paid after a minute, or when it is late."""
    async with verifying(own=frozenset({OURS}), least_odds=0.0, wait_seconds=wait) as play:
        play.known("v" * 1000)
        await asyncio.sleep(100)
        begun = play.clock.monotonic()
        job = await play.delivered()
        await until(lambda: play.verdict(job) is not None, within=90)
        assert least < play.clock.monotonic() - begun < most
        assert play.verdict(job) == "unchecked"


@simulated
async def test_what_nobody_here_would_be_asked_about_is_not_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stranger is free, but one of our own is to look first, and has something else to do."""
    async with verifying(own=frozenset({OURS}), least_odds=1.0) as play:
        ours = play.checker(20, None)
        await play.delivered()
        await play.asked(ours)
        stranger = play.checker(21, 3)
        job = await play.delivered()
        claimed, claim = set[CheckId](), play.store.claim_checks

        async def recording(
            gateway: UUID, checks: Collection[CheckId], seconds: float
        ) -> frozenset[CheckId]:
            claimed.update(checks)
            return await claim(gateway, checks, seconds)

        monkeypatch.setattr(play.store, "claim_checks", recording)
        await asyncio.sleep(10)
        assert claimed, "that of the first is renewed"
        assert (job, 0, 1) not in claimed
        assert stranger.probe.ref.depth == 0
