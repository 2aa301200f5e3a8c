"""Clawback: uncompared pending results of a node are compared once the node is found lying."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.ledger.effects import DisputeDecide, DisputeOpen, EarningMature
from actors.ledger.messages import Commit, GuardFailed
from actors.verifier.messages import LieDetected
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import (
    CREATOR,
    EXACT,
    NODE,
    OPERATOR,
    PRICE,
    Inspector,
    Play,
    apart,
    verifying,
)

SHARE = PRICE * 70 // 100
LOOKED = {"looked": True}
CHUNK = {**EXACT, "crops": EXACT["crops"][:2]}
NEVER_DRAWN = {"least_odds": 0.0}


async def settle_undrawn(play: Play, checker: Inspector, node: UUID = NODE, **params: Any) -> UUID:
    """Return a job of a known node that was settled without being drawn."""
    job = await play.delivered(node, **params)
    await play.checks(checker, LOOKED)
    await play.ends(job, "COMPLETED")
    assert play.verdict(job) == "sampled-out"
    return job


def report_lie(play: Play, node: UUID = NODE) -> None:
    """Report a lie of the node, as its session does."""
    play.known("m", node)
    assert play.verifier.tell(LieDetected(node))


async def is_held(play: Play, job: UUID) -> None:
    await until(lambda: (job, 0) in play.store.disputes, within=60)
    assert play.store.disputes[job, 0].state == "OPEN"
    mature = await play.ledger.ask(Commit(effects=(EarningMature(job, 0),)), within=60)
    assert isinstance(mature, GuardFailed)


@simulated
@pytest.mark.parametrize(
    ("report", "state", "share"), [(EXACT, "REJECTED", SHARE), (apart(0.9), "UPHELD", 0)]
)
async def test_it_is_compared_and_given_back_if_it_is_invalid(
    report: dict[str, Any], state: str, share: int
) -> None:
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        job = await settle_undrawn(play, checker)
        assert (play.charged(), play.earned()) == (PRICE, SHARE)
        report_lie(play)
        order = await play.asked(checker)
        assert (order.unit.job, len(order.draws)) == (job, 3)
        await is_held(play, job)
        play.says(checker, order, report)
        if report is not EXACT:
            await play.renders_whole(checker, report)
        await until(lambda: play.store.disputes[job, 0].state == state, within=60)
        assert (await play.store.audit(), play.earned()) == ([], share)
        assert play.store.units[job, 0].state == "COMPLETED"


@simulated
async def test_an_object_that_the_store_lost_is_left_to_an_admin() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        job = await settle_undrawn(play, checker)
        report_lie(play)
        order = await play.asked(checker)
        await play.objects.delete(order.picture.key)
        play.says(checker, order, EXACT)
        await until(lambda: play.store.findings, within=60)
        assert (play.store.disputes[job, 0].state, play.earned()) == ("OPEN", SHARE)
        assert not play.store.checks[job, 0, 1].strike


@simulated
async def test_other_nodes_of_its_owner_are_found_out_with_it() -> None:
    other = UUID(int=11)
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        play.known("v" * 1000, other)
        checker = play.inspector()
        job = await settle_undrawn(play, checker, other)
        report_lie(play)
        assert play.store.nodes[other].owner == OPERATOR
        assert (await play.checks(checker, EXACT)).unit.job == job
        await until(lambda: play.store.disputes[job, 0].state == "REJECTED", within=60)
        assert "another result of its operator" in play.store.disputes[job, 0].reason


@simulated
async def test_what_another_gateway_settles_within_the_minute_is_held_back_too() -> None:
    """The other gateway had not heard of the lie."""
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        job = await settle_undrawn(play, checker)
        share = play.store.earnings.pop((job, 0))
        report_lie(play)
        await asyncio.sleep(30)
        play.store.earnings[job, 0] = share
        await until(lambda: (job, 0) in play.store.disputes, within=60)
        await play.checks(checker, EXACT)
        await until(lambda: play.store.disputes[job, 0].state == "REJECTED", within=60)


@simulated
@pytest.mark.parametrize("after", [30.0, 90.0, pytest.param(1000.0, marks=pytest.mark.nightly)])
async def test_what_was_delivered_before_is_held_back_however_late_it_is_settled(
    after: float,
) -> None:
    """The job is of another node of the owner, whose results are not all compared."""
    other = UUID(int=11)
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        play.known("v" * 1000, other)
        job = await play.delivered(other)
        report_lie(play)
        await asyncio.sleep(after)
        checker = play.inspector()
        await play.checks(checker, LOOKED)
        await play.ends(job, "COMPLETED")
        await is_held(play, job)
        await play.checks(checker, EXACT)
        await until(lambda: play.store.disputes[job, 0].state == "REJECTED", within=60)


@simulated
@pytest.mark.parametrize("is_compared", [False, True])
async def test_a_dispute_that_an_admin_rejected_saves_no_share_from_a_check(
    is_compared: bool,
) -> None:
    """A share is safe only if a check with the creator's comparison decided the dispute."""
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        job, name = await settle_undrawn(play, checker), UUID(int=5)
        await play.do(DisputeOpen(name, job, 0, CREATOR, "too dark", timedelta(days=7)))
        if is_compared:
            play.store.comparisons[name] = ((0.5, 0.5),)
        await play.do(DisputeDecide(job, 0, CREATOR, False, "as dark as the scene"))
        report_lie(play)
        if is_compared:
            await asyncio.sleep(600)
            assert not play.store.disputes[job, 0].by_gateway
            return
        await until(lambda: play.store.disputes[job, 0].by_gateway, within=60)
        await is_held(play, job)
        await play.confirms(checker, apart(0.9))
        await until(lambda: play.store.disputes[job, 0].state == "UPHELD", within=60)
        assert (play.earned(), await play.store.audit()) == (0, [])


@simulated
async def test_another_gateway_claws_back_what_the_one_that_booked_the_verdict_did_not() -> None:
    """The first gateway died within a second of the verdict."""
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        job = await settle_undrawn(play, checker)
        first = play.root
        play.root, play.verifier, play.ledger = play.begin()
        await play.root.start()
        await asyncio.sleep(5)
        await first.stop()
        play.known("m")
        begun = play.clock.monotonic()
        await is_held(play, job)
        assert play.clock.monotonic() - begun <= 61


@simulated
async def test_it_is_held_back_across_a_restart_and_until_somebody_can_look() -> None:
    """A gateway that died when its node was found lying resumes the clawback after a restart."""
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        job = await settle_undrawn(play, checker)
        play.goes(checker)
        await play.root.stop()
        play.known("m")
        play.root, play.verifier, play.ledger = play.begin()
        await play.root.start()
        await is_held(play, job)
        await play.checks(play.inspector(), EXACT)
        await until(lambda: play.store.disputes[job, 0].state == "REJECTED", within=60)
        assert play.earned() == SHARE


@simulated
@pytest.mark.parametrize("enabled", [True, False], ids=["no such build", "off"])
async def test_it_is_withheld_while_no_verifier_can_compare_it(enabled: bool) -> None:
    """Only an admin or a verifier that connects can then decide about the share."""
    async with verifying(**NEVER_DRAWN, enabled=enabled, wait_seconds=10.0) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        if enabled:
            job = await settle_undrawn(play, checker)
            play.goes(checker)
            play.inspector(21, "gpu/x/9")
        else:
            job = await play.delivered()
            await play.ends(job, "COMPLETED")
            row = play.store.checks[job, 0, 1]
            # as if the job had been settled while verification was on
            play.store.checks[row.id] = attrs.evolve(row, verdict="sampled-out")
            play.goes(checker)
        report_lie(play)
        await is_held(play, job)
        await asyncio.sleep(15)
        assert play.store.disputes[job, 0].state == "OPEN"
        assert (play.charged(), play.earned()) == (PRICE, SHARE)
        await play.do(DisputeDecide(job, 0, CREATOR, False, "an admin looked at it"))
        assert await play.store.audit() == []
        assert play.store.earnings[job, 0].state == "PENDING", "pending until its window is over"


@simulated
async def test_what_no_verifier_can_tell_is_left_to_an_admin() -> None:
    async with verifying(**NEVER_DRAWN, again_seconds=1.0) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        job = await settle_undrawn(play, checker)
        report_lie(play)
        for _ in range(3):
            play.says(checker, await play.asked(checker), None, "no space left on the disk")
        await asyncio.sleep(30)
        assert (play.store.disputes[job, 0].state, play.earned()) == ("OPEN", SHARE)


@simulated
async def test_results_to_claw_back_take_turns_with_fresh_ones() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        first, second = await settle_undrawn(play, checker), await settle_undrawn(play, checker)
        play.goes(checker)
        report_lie(play)
        await is_held(play, first)
        await is_held(play, second)
        fresh = [await play.delivered(UUID(int=12), UUID(int=5)) for _ in range(4)]
        checker, asked = play.inspector(), list[UUID]()
        for _ in range(4):
            order = await play.asked(checker)
            await asyncio.sleep(10)
            asked.append(order.unit.job)
            play.says(checker, order, EXACT)
        assert {*asked[:4]} == {first, second, *fresh[:2]}


@simulated
async def test_what_was_compared_stays_as_it_is_but_for_chunks() -> None:
    """The check of a chunk compared only a few of its frames."""
    async with verifying(**NEVER_DRAWN) as play:
        checker = play.inspector()
        frame = await play.delivered()
        await play.checks(checker, EXACT)
        chunk = await play.delivered(frame=None, frames=[*range(1, 10)])
        await play.checks(checker, CHUNK)
        for job in (frame, chunk):
            await play.ends(job, "COMPLETED")
        report_lie(play)
        assert (await play.checks(checker, CHUNK)).unit.job == chunk
        await until(lambda: play.store.disputes[chunk, 0].state == "REJECTED", within=60)
        assert [*play.store.disputes] == [(chunk, 0)]


# -- invalid results without a strike


def refuse(play: Play, node: UUID = NODE, **more: Any) -> None:
    """Record that a verifier found a result of the node invalid, without a strike."""
    play.known("m", node)
    row = [*play.store.checks.values()][-1]
    given = {"strike": False, "verifier_id": UUID(int=20), **more}
    play.store.checks[row.id] = attrs.evolve(row, **given)


@simulated
async def test_an_invalid_result_without_a_strike_is_enough_and_costs_an_honest_node_nothing() -> (
    None
):
    other = UUID(int=11)
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        play.known("v" * 1000, other)
        checker = play.inspector()
        settled = [await settle_undrawn(play, checker, node) for node in (NODE, other)]
        lie = await play.delivered()
        play.says(checker, await play.asked(checker), {"suspect": "one color", **LOOKED})
        play.says(checker, await play.asked(checker), {**apart(9.0), "loose": True})
        play.says(checker, await play.asked(checker), {**apart(9.0), "loose": True, "whole": True})
        await play.ends(lie, "QUEUED")
        assert not play.store.checks[lie, 0, 1].strike
        for _ in settled:
            await play.checks(checker, EXACT)
        for job in settled:
            await until(partial(is_rejected, play, job), within=60)
            assert play.store.earnings[job, 0].state == "PENDING"
        assert (play.earned(), await play.store.audit()) == (2 * SHARE, [])


def is_rejected(play: Play, job: UUID) -> bool:
    return (job, 0) in play.store.disputes and play.store.disputes[job, 0].state == "REJECTED"


@simulated
async def test_further_invalid_results_do_not_start_the_same_clawback_again() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        job = await settle_undrawn(play, checker)
        refuse(play)
        await asyncio.sleep(61)
        await play.checks(checker, EXACT)
        await until(lambda: is_rejected(play, job), within=60)
        dispute = play.store.disputes[job, 0]
        for _ in range(5):
            refuse(play)
            await asyncio.sleep(100)
        assert play.store.disputes == {(job, 0): dispute}
        assert checker.probe.ref.depth == 0


@simulated
@pytest.mark.parametrize(
    "more", [{"verifier_id": None}, {"withdrawn": True}], ids=["store", "scene"]
)
async def test_a_fault_of_the_store_or_of_the_scene_starts_no_clawback(
    more: dict[str, Any],
) -> None:
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        await settle_undrawn(play, play.inspector())
        refuse(play, **more)
        await asyncio.sleep(300)
        assert not play.store.disputes


# -- fines


async def earn_units(play: Play, checker: Inspector, count: int) -> None:
    """Let an honest node deliver ``count`` units, and check each unit."""
    for _ in range(count):
        job = await play.delivered()
        order = await play.asked(checker)
        play.says(checker, order, EXACT if order.draws else LOOKED)
        await play.ends(job, "COMPLETED")


@simulated
async def test_an_invalid_result_costs_more_than_it_would_have_earned() -> None:
    """The fine grows as comparisons are rarer; it takes the newest pending shares."""
    async with verifying(least_odds=0.25) as play:
        checker = play.inspector()
        await earn_units(play, checker, 12)
        play.store.covers = False
        job = await play.delivered()
        while not (order := await play.asked(checker)).draws:
            play.says(checker, order, LOOKED)
            await play.ends(job, "COMPLETED")
            job = await play.delivered()
        play.says(checker, order, apart(0.9))
        await play.renders_whole(checker, apart(0.9))
        await play.ends(job, "QUEUED")
        row = play.store.checks[job, 0, 1]
        assert row.odds == 0.25
        due = 2 * SHARE * 4 - SHARE
        await until(lambda: len(play.store.fines) == due // SHARE, within=60)
        forfeited = [one for one in play.store.earnings.values() if one.state == "FORFEITED"]
        assert sum(share.amount for share in forfeited) == due
        newest = sorted(play.store.earnings.values(), key=lambda one: one.earned_at)[-7:]
        assert {one.id for one in forfeited} == {one.id for one in newest}
        assert await play.store.audit() == []


@simulated
async def test_what_is_always_compared_is_not_fined() -> None:
    """A lie in a result that is always compared could never have earned anything."""
    async with verifying() as play:
        checker = play.inspector()
        await earn_units(play, checker, 3)
        before = play.earned()
        job = await play.delivered()
        await play.confirms(checker, apart(0.9))
        await play.ends(job, "QUEUED")
        await asyncio.sleep(10)
        assert (play.store.checks[job, 0, 1].odds, play.earned()) == (1.0, before)


@simulated
async def test_what_was_found_without_a_draw_is_not_fined() -> None:
    """A file that cannot be opened is always found."""
    async with verifying(least_odds=0.25) as play:
        checker = play.inspector()
        await earn_units(play, checker, 12)
        before = play.earned()
        job = await play.delivered()
        while (order := await play.asked(checker)).draws:
            play.says(checker, order, EXACT)
            await play.ends(job, "COMPLETED")
            before = play.earned()
            job = await play.delivered()
        play.says(checker, order, {"fault": "it is no picture"})
        await play.ends(job, "QUEUED")
        row = play.store.checks[job, 0, 1]
        assert (row.drawn, row.odds, row.strike, play.earned()) == (False, 0.25, True, before)
