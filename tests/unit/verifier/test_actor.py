"""The Verifier: which verifiers are asked about a delivery, and the money that a verdict moves."""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.ledger.effects import UnitAssign, UnitRequeue
from actors.node_session.messages import RunCheck
from actors.scheduler.messages import StandingChanged
from actors.verifier.case import LOST_MOST
from actors.verifier.messages import LieDetected
from rendertrust.verdict_reason import NO_EVIDENCE, SENTENCES
from sql.database import Conflict
from sql.reputation_rules import FORGIVEN_BY, STRIKES_MOST
from sql.sampling import ALWAYS_UNTIL
from sql.unit_retry_policy import NODE_FAILURES_MOST
from sql.units import result_key
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import (
    CLASS,
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
CHECK_SECONDS = 20.0
AGAIN_SECONDS = 30.0
OTHER_CLASS = "cpu/sse/5.2"
LOOKED: Mapping[str, Any] = {"looked": True}
UNABLE = {"unable": "its simulation is not baked"}
NEVER_DRAWN: Mapping[str, Any] = {"least_odds": 0.0}


@simulated
async def test_nothing_is_charged_or_paid_before_the_verdict() -> None:
    async with verifying() as play:
        job = await play.delivered()
        checker = play.inspector()
        order = await play.asked(checker)
        assert (order.unit.job, order.unit.number, order.picture.key) == (
            job,
            0,
            result_key(CREATOR, job, 0, 1),
        )
        assert (play.charged(), play.earned()) == (0, 0)
        assert play.store.units[job, 0].state == "VERIFYING"
        play.says(checker, order, EXACT)
        unit = await play.ends(job, "COMPLETED")
        assert (unit.verified, play.verdict(job)) == (True, "exact")
        assert (play.charged(), play.earned()) == (PRICE, SHARE)
        assert play.store.checks[job, 0, 1].verifier_id == checker.node


@simulated
async def test_what_is_invalid_is_neither_charged_nor_paid_and_is_rendered_again() -> None:
    async with verifying() as play:
        job = await play.delivered()
        await play.confirms(play.inspector(), apart(0.9))
        unit = await play.ends(job, "QUEUED")
        assert (unit.failures, play.verdict(job)) == (1, "invalid")
        assert (play.charged(), play.earned()) == (0, 0)
        assert (await play.store.records([NODE]))[0].reputation.strikes == 1


@simulated
async def test_what_no_node_was_sent_is_no_try_of_what_a_check_refuses() -> None:
    """Of twelve attempts, only the last attempt was sent to a node."""
    async with verifying() as play:
        job = await play.assigned(NODE)
        for attempt in range(1, 12):
            await play.do(UnitRequeue(job, 0, attempt, "its job was paused", unsent=True))
            await play.do(UnitAssign(job, 0, attempt + 1, NODE))
        await play.again(job, NODE, 12)
        await play.confirms(play.inspector(), apart(0.9))
        unit = await play.ends(job, "QUEUED")
        assert unit.not_before is not None
        assert (unit.not_before - play.clock.now()).total_seconds() <= 1.0
        assert (unit.attempt, unit.unsent, unit.failures) == (12, 11, 1)


# -- choice of the verifier


@simulated
async def test_nobody_is_asked_but_the_gateways_verifiers() -> None:
    async with verifying() as play:
        stranger = play.inspector(30)
        job = await play.delivered()
        await asyncio.sleep(60)
        assert (stranger.probe.ref.depth, play.verdict(job)) == (0, None)
        await play.checks(play.inspector(), EXACT)
        await play.ends(job, "COMPLETED")


@simulated
@pytest.mark.parametrize("drawn", [True, False])
async def test_no_verifier_is_asked_about_its_owners_other_nodes(drawn: bool) -> None:
    """The result is checked by another verifier, or waits for one, if not for long."""
    mine = UUID(int=20)
    async with verifying(wait_seconds=60.0, least_odds=0.0) as play:
        play.store.add_node(mine, ("check",), owner=OPERATOR)
        play.known("" if drawn else "v" * 1000)
        biased, report = play.inspector(20), EXACT if drawn else {"looked": True}
        job = await play.delivered()
        await asyncio.sleep(40)
        assert (biased.probe.ref.depth, play.verdict(job)) == (0, None)
        other = await play.delivered(UUID(int=11), UUID(int=5))
        assert (await play.checks(biased, EXACT)).unit.job == other
        assert (await play.checks(play.inspector(21), report)).unit.job == job
        await play.ends(job, "COMPLETED")


@simulated
async def test_a_build_that_only_the_owners_verifier_has_counts_as_one_that_nobody_has() -> None:
    async with verifying(wait_seconds=30.0) as play:
        play.store.add_node(UUID(int=20), ("check",), owner=OPERATOR)
        play.inspector(20)
        other = play.inspector(21, "cpu/avx2/4.5")
        job = await play.delivered()
        await play.checks(other, LOOKED)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.charged()) == ("unverifiable", 0)


@simulated
async def test_one_of_the_very_class_is_asked_before_one_that_is_only_alike() -> None:
    async with verifying() as play:
        alike, same = play.inspector(20, "cpu/sse/5.2"), play.inspector(21)
        job = await play.delivered()
        await play.checks(same, EXACT)
        await play.ends(job, "COMPLETED")
        play.goes(same)
        job = await play.delivered()
        await play.checks(alike, EXACT)
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "consistent"


@simulated
async def test_a_result_is_compared_in_the_build_that_rendered_it() -> None:
    """The verifier may first install that build, for as long as it takes."""
    async with verifying(wait_seconds=30.0) as play:
        checker = play.inspector(20, "cpu/avx2/4.5", others=("cpu/avx2/5.0", CLASS))
        job = await play.delivered()
        for _ in range(5):
            order = await play.asked(checker)
            play.says(checker, order, None, "Blender 5.2 is being installed", is_given_back=True)
        order = await play.checks(checker, EXACT)
        assert (order.build, len(order.draws)) == ("5.2", 3)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.charged() > 0) == ("exact", True)


@simulated
@pytest.mark.parametrize("device_class", ["optix/avx2/4.5", "cpu/avx2/4.5"])
async def test_of_a_build_that_no_verifier_has_nobody_can_tell_and_nobody_is_paid(
    device_class: str,
) -> None:
    async with verifying(wait_seconds=30.0) as play:
        play.known("v" * ALWAYS_UNTIL + "m")
        checker = play.inspector(20, device_class)
        job = await play.delivered()
        begun = play.clock.monotonic()
        assert not (await play.checks(checker, LOOKED)).draws
        unit = await play.ends(job, "COMPLETED")
        assert play.clock.monotonic() - begun >= 30
        assert (play.verdict(job), play.charged(), play.earned()) == ("unverifiable", 0, 0)
        assert (unit.price, checker.probe.ref.depth) == (0, 0), "nobody pays what nobody earns"


@simulated
async def test_of_such_a_build_what_was_not_drawn_is_not_paid_either() -> None:
    """If these results were paid, a node could lie freely while no verifier has its build."""
    async with verifying(wait_seconds=30.0, **NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector(20, "cpu/avx2/4.5")
        job = await play.delivered()
        await play.checks(checker, LOOKED)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.charged(), play.earned()) == ("unverifiable", 0, 0)


@simulated
@pytest.mark.parametrize("drawn", [True, False])
async def test_of_such_a_build_what_cannot_be_opened_is_a_strike(drawn: bool) -> None:
    async with verifying(wait_seconds=30.0, least_odds=0.0) as play:
        play.known("" if drawn else "v" * 1000)
        checker = play.inspector(20, "cpu/avx2/4.5")
        job = await play.delivered()
        await play.checks(checker, {"fault": "the picture is none"})
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), play.store.checks[job, 0, 1].strike) == ("invalid", True)


@simulated
async def test_without_a_verifier_everything_waits() -> None:
    """A drawn result waits for its verdict; any other result waits until a verifier opens it."""
    async with verifying(wait_seconds=60.0, **NEVER_DRAWN) as play:
        drawn = await play.delivered()
        play.known("v" * 1000)
        other = await play.delivered()
        await asyncio.sleep(600)
        assert {play.verdict(drawn), play.verdict(other)} == {None}
        checker = play.inspector()
        for _ in range(2):
            order = await play.asked(checker)
            play.says(checker, order, EXACT if order.draws else LOOKED)
        await play.ends(drawn, "COMPLETED")
        await play.ends(other, "COMPLETED")


@simulated
async def test_work_of_its_creators_own_nodes_is_shown_to_nobody() -> None:
    async with verifying() as play:
        checker = play.inspector()
        job = await play.delivered(pool="mine")
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), checker.probe.ref.depth) == ("unverified", 0)


@simulated
async def test_what_a_verifier_of_the_gateways_rendered_is_opened_alone() -> None:
    ours = UUID(int=21)
    async with verifying(least_odds=1.0) as play:
        checker, job = play.inspector(20), await play.delivered(ours)
        assert (await play.checks(checker, LOOKED)).draws == ()
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "sampled-out"


@simulated
@pytest.mark.parametrize("report", [None, {}, {"crops": []}, {"crops": 1}, LOOKED])
async def test_a_check_that_comes_to_nothing_is_made_again_and_costs_the_node_nothing(
    report: Mapping[str, Any] | None,
) -> None:
    async with verifying(again_seconds=AGAIN_SECONDS) as play:
        job, checker = await play.delivered(), play.inspector()
        await play.checks(checker, report)
        unit = await play.ends(job, "VERIFYING")
        assert unit.failures == 0
        await play.checks(checker, EXACT)
        await play.ends(job, "COMPLETED")


@simulated
async def test_after_three_such_checks_nobody_can_tell() -> None:
    async with verifying() as play:
        play.known("v" * ALWAYS_UNTIL + "mv")
        job, checker = await play.delivered(), play.inspector()
        for _ in range(3):
            await play.checks(checker, None)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.charged()) == ("unverifiable", 0)


@simulated
async def test_a_verifier_that_goes_is_replaced_and_one_that_comes_anew_is_asked_anew() -> None:
    async with verifying() as play:
        job, first = await play.delivered(), play.inspector()
        await play.asked(first)
        play.goes(first)
        second = play.inspector(21)
        order = await play.asked(second)
        again = play.comes_back(second)
        await play.dropped(second, order)
        await play.checks(again, EXACT)
        await play.ends(job, "COMPLETED")


@simulated
async def test_what_takes_each_verifier_along_ends_and_others_are_checked_meanwhile() -> None:
    async with verifying(least_odds=1.0) as play:
        play.known("v" * 1000)
        deadly, checker = await play.delivered(), play.inspector()
        orders = 0
        while orders < LOST_MOST:
            order = await play.asked(checker)
            if order.unit.job == deadly:
                orders += 1
                play.goes(checker)
                await play.delivered()
                checker = play.comes_back(checker)
            else:
                play.says(checker, order, EXACT)
                await play.ends(order.unit.job, "COMPLETED")
                # longer than the pause before the next check of ``deadly``
                await asyncio.sleep(15 * 2**orders)
        await play.ends(deadly, "QUEUED")
        row = play.store.checks[deadly, 0, 1]
        assert (row.verdict, row.strike, row.verifier_id) == ("invalid", False, checker.node)
        assert (deadly, 0) not in play.store.earnings


@simulated
async def test_a_unit_whose_every_result_takes_verifiers_along_fails_and_costs_nothing() -> None:
    async with verifying(again_seconds=1.0) as play:
        job, checker, lost = await play.delivered(), play.inspector(), 0
        for attempt in range(1, NODE_FAILURES_MOST + 1):
            node = UUID(int=9 + attempt)
            if attempt > 1:
                play.store.add_node(node, ("render",), owner=UUID(int=50 + attempt))
                await play.do(UnitAssign(job, 0, attempt, node))
                await play.again(job, node, attempt, UUID(int=50 + attempt))
            while play.verdict(job, attempt) is None:
                await play.asked(checker)
                lost += 1
                play.goes(checker)
                checker = play.comes_back(checker)
                await asyncio.sleep(40)
            assert play.verdict(job, attempt) == "invalid"
        await play.ends(job, "FAILED")
        assert (lost, play.charged()) == (LOST_MOST * NODE_FAILURES_MOST, 0)
        assert not any(row.strike for row in play.store.checks.values())


@simulated
async def test_a_settled_result_that_takes_verifiers_along_is_left_to_an_admin() -> None:
    async with verifying(again_seconds=1.0, **NEVER_DRAWN) as play:
        play.known("v" * 1000)
        job, checker = await play.delivered(), play.inspector()
        await play.checks(checker, LOOKED)
        await play.ends(job, "COMPLETED")
        play.known("m")
        assert play.verifier.tell(LieDetected(NODE))
        for _ in range(LOST_MOST):
            await play.asked(checker)
            play.goes(checker)
            checker = play.comes_back(checker)
        await until(lambda: play.store.findings, within=60)
        assert (play.store.disputes[job, 0].state, play.earned()) == ("OPEN", SHARE)


@simulated
async def test_a_verifier_that_is_seen_again_goes_on() -> None:
    async with verifying() as play:
        job, checker = await play.delivered(), play.inspector()
        order = await play.asked(checker)
        play.appears(checker)
        play.says(checker, order, EXACT)
        await play.ends(job, "COMPLETED")


@simulated
async def test_a_restart_makes_the_check_again() -> None:
    async with verifying() as play:
        job = await play.delivered()
        await play.asked(play.inspector())
        await play.restarts()
        await play.checks(play.inspector(), EXACT)
        await play.ends(job, "COMPLETED")


@simulated
async def test_the_check_of_what_does_not_wait_any_more_is_taken_back() -> None:
    async with verifying() as play:
        job, checker = await play.delivered(), play.inspector()
        order = await play.asked(checker)
        del play.store.checks[job, 0, 1]
        await play.dropped(checker, order)


# -- results that cannot be compared


@simulated
@pytest.mark.parametrize(
    ("letters", "is_paid"), [("", False), ("v" * ALWAYS_UNTIL, True), ("v" * 30 + "m", False)]
)
async def test_what_cannot_be_compared_for_its_scene_is_paid_to_who_is_known(
    letters: str, is_paid: bool
) -> None:
    """The unit is charged only if its operator is paid: a creator pays nothing that
    nobody earns.
    """
    async with verifying(least_odds=1.0) as play:
        play.known(letters)
        job = await play.delivered()
        await play.checks(play.inspector(), UNABLE)
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "unverifiable"
        assert (play.charged(), play.earned()) == ((PRICE, SHARE) if is_paid else (0, 0))


@simulated
async def test_a_scene_of_which_regions_say_nothing_is_rendered_whole_from_then_on() -> None:
    """Also after a restart of the gateway, results of the scene are compared as whole frames."""
    async with verifying() as play:
        job, checker = await play.delivered(), play.inspector()
        regions = await play.checks(checker, apart(0.9))
        whole = await play.renders_whole(checker, EXACT)
        assert whole.draws == regions.draws, "at the same places"
        await play.ends(job, "COMPLETED")
        await until(lambda: bool(play.store.uncut_scenes), within=60)
        await play.restarts()
        later = await play.delivered()
        await play.renders_whole(play.inspector(), apart(0.9))
        await play.ends(later, "QUEUED")
        assert [*play.store.uncut_scenes] == [(CREATOR, "s3://rendertrust/x")]


# -- signatures and stored objects


@simulated
@pytest.mark.parametrize("swapped", ["result", "evidence"])
async def test_an_object_that_was_swapped_since_it_was_delivered_is_not_paid(swapped: str) -> None:
    async with verifying() as play:
        job, checker = await play.delivered(), play.inspector()
        order = await play.asked(checker)
        stored = order.picture if swapped == "result" else order.evidence
        assert stored is not None
        await play.objects.delete(stored.key)
        await play.objects.put(stored.key, b"another one")
        play.says(checker, order, EXACT)
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), play.earned()) == ("invalid", 0)


@simulated
async def test_an_object_that_the_store_lost_is_rendered_again_and_is_no_strike() -> None:
    async with verifying() as play:
        job, checker = await play.delivered(), play.inspector()
        order = await play.asked(checker)
        await play.objects.delete(order.picture.key)
        play.says(checker, order, EXACT)
        await play.ends(job, "QUEUED")
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.strike, play.earned()) == ("invalid", False, 0)
        assert not play.store.fines


@simulated
@pytest.mark.parametrize(
    ("seen", "strike"), [("f" * 64, True), (None, False)], ids=["other pixels", "none"]
)
async def test_who_signs_for_pixels_that_are_not_there_is_not_paid(
    seen: str | None, strike: bool
) -> None:
    """If the node were paid, a receipt would vouch for pixels that do not exist."""
    async with verifying() as play:
        pixels = {"sha256": "0" * 64, "width": 1, "height": 1}
        play.work = json.dumps({"pixels": pixels})
        job = await play.delivered()
        await play.checks(play.inspector(), {**EXACT, **({} if seen is None else {"seen": seen})})
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), play.charged()) == ("invalid", 0)
        assert play.store.checks[job, 0, 1].strike is strike


# -- results that were not drawn


async def known_node(play: Play, device_class: str = CLASS) -> Inspector:
    """Give the node a record with which it is hardly ever drawn, and return a verifier."""
    play.known("v" * 1000)
    return play.inspector(20, device_class)


@simulated
async def test_what_is_not_drawn_is_opened_and_paid() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        checker = await known_node(play)
        job = await play.delivered()
        order = await play.asked(checker)
        assert order.draws == ()
        assert play.store.units[job, 0].state == "VERIFYING"
        play.says(checker, order, LOOKED)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("sampled-out", SHARE)


@simulated
async def test_a_node_whose_instruction_set_no_verifier_has_is_always_compared() -> None:
    """Rounding may excuse a lie of such a node, so it would gain from lies that are not drawn."""
    async with verifying(**NEVER_DRAWN) as play:
        checker, job = await known_node(play, OTHER_CLASS), await play.delivered()
        assert (await play.checks(checker, LOOKED)).draws == ()
        assert len((await play.checks(checker, EXACT)).draws) == 3
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("consistent", SHARE)


@simulated
@pytest.mark.parametrize("leaves", [False, True])
async def test_a_verifier_of_another_class_excuses_no_lie_while_one_of_the_class_is_known(
    *, leaves: bool
) -> None:
    """The other verifier is asked only because the one of the node's class is busy; if that one
    leaves, the other's refusal is repeated and counts.
    """
    async with verifying(first_seconds=900.0) as play:
        other, same = play.inspector(20, OTHER_CLASS), play.inspector(21)
        await play.delivered()
        busy = await play.asked(same)
        job = await play.delivered(frame=None, frames=[1, 2])
        off = {"crops": [{"equal": False, "off": 9.0}], "finish": None, "loose": True}
        play.says(other, await play.asked(other), off)
        await asyncio.sleep(30)
        assert (play.verdict(job), other.probe.ref.depth) == (None, 0)
        if leaves:
            play.goes(same)
            await play.checks(other, EXACT)
            await until(lambda: other.probe.ref.depth, within=900)
            play.says(other, await play.asked(other), off)
        else:
            play.says(same, busy, EXACT)
            play.says(same, await play.asked(same), {**off, "loose": False})
        await until(lambda: play.verdict(job), within=60)
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.strike) == ("invalid", not leaves)


@simulated
async def test_what_is_odd_when_it_is_opened_is_compared() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        checker, job = await known_node(play), await play.delivered()
        await play.checks(checker, {**LOOKED, "suspect": "the picture is of one colour"})
        assert len((await play.checks(checker, EXACT)).draws) == 3
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "exact"


@simulated
async def test_what_waits_of_a_node_that_is_found_out_is_compared() -> None:
    """Both a result that is being opened and a result that waits for its check are compared."""
    async with verifying(**NEVER_DRAWN) as play:
        checker = await known_node(play)
        jobs = [await play.delivered(), await play.delivered()]
        order = await play.asked(checker)
        play.known("m")
        assert play.verifier.tell(LieDetected(NODE))
        play.says(checker, order, LOOKED)
        for _ in jobs:
            assert len((await play.checks(checker, EXACT)).draws) == 3
        for job in jobs:
            await play.ends(job, "COMPLETED")
            assert play.verdict(job) == "exact"


@simulated
async def test_what_waits_of_a_node_is_compared_as_soon_as_other_work_of_it_is_in_doubt() -> None:
    """Otherwise a waiting result could be paid while the doubtful result's whole frame is
    rendered.
    """
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        seen, other = await play.delivered(), await play.delivered()
        checker = play.inspector()
        first = await play.checks(checker, {**LOOKED, "suspect": "it is of one colour"})
        second = play.inspector(21)
        reports = {first.unit.job: apart(0.9)}
        await play.checks(checker, reports[first.unit.job])
        whole = await play.asked(checker)
        assert whole.whole
        order = await play.asked(second)
        assert (order.unit.job, len(order.draws)) == (({seen, other} - {first.unit.job}).pop(), 3)


# -- parts of frames, and videos

# Parameters of a job, and how many regions or whole pictures the verifier must compare.
PARTS: tuple[tuple[Mapping[str, Any], int, int], ...] = (
    ({"frame": None, "frames": [1, 2]}, 0, 1),
    ({"tile": [0, 0, 8, 8]}, 3, 0),
    ({"tiles": [[0, 0, 8, 8]]}, 0, 1),
    ({"job_type": "video", "fps": 24}, 0, 16),
)


def told_of(order: RunCheck, one: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a report with the same finding for every place of the check."""
    return {"crops": [one] * order.count, "finish": {"equal": True, "off": None}}


@simulated
@pytest.mark.parametrize(("params", "draws", "shown"), PARTS)
@pytest.mark.parametrize("off", [None, 7.0])
async def test_what_is_no_whole_frame_is_checked_as_frames_are(
    params: Mapping[str, Any], draws: int, shown: int, off: float | None
) -> None:
    async with verifying() as play:
        checker = play.inspector()
        job = await play.delivered(**params)
        order = await play.asked(checker)
        assert (len(order.draws), len(order.shown)) == (draws, shown)
        told = {name: value for name, value in params.items() if value and name != "job_type"}
        assert told.items() <= order.unit.params.items()
        play.says(checker, order, told_of(order, {"equal": off is None, "off": off}))
        # regions of a tile may render differently from the whole tile
        if off is not None and draws:
            order = await play.asked(checker)
            assert order.whole
            report = {**told_of(order, {"equal": False, "off": off}), "whole": True}
            play.says(checker, order, report)
        await play.ends(job, "COMPLETED" if off is None else "QUEUED")
        assert play.verdict(job) == ("exact" if off is None else "invalid")
        assert play.earned() == (SHARE if off is None else 0)


@simulated
async def test_who_leaves_out_a_frame_of_a_chunk_says_nothing() -> None:
    async with verifying() as play:
        checker = play.inspector()
        job = await play.delivered(frame=None, frames=list(range(1, 18)))
        order = await play.asked(checker)
        assert len(order.shown) == 3
        told = told_of(order, {"equal": True, "off": None})
        play.says(checker, order, {**told, "crops": told["crops"][:2]})
        await play.checks(checker, told)
        await play.ends(job, "COMPLETED")


# -- strikes and quarantine


async def lies(play: Play, checker: Inspector) -> None:
    job = await play.delivered()
    await play.confirms(checker, apart(0.9))
    await play.ends(job, "QUEUED")


@simulated
async def test_the_third_strike_is_quarantine() -> None:
    """The Scheduler is told, so that the node gets no strangers' work, and the reason is kept."""
    async with verifying() as play:
        checker = play.inspector()
        for _ in range(STRIKES_MOST):
            assert play.store.nodes.get(NODE) is None or play.standing() == "ACTIVE"
            await lies(play, checker)
        await until(lambda: play.standing() == "QUARANTINED", within=60)
        [act] = play.store.acts
        assert (act.act, act.target) == ("node.quarantine", f"node:{NODE}")
        assert "3 of its results" in act.reason
        [said] = [one for one in play.told() if isinstance(one, StandingChanged)]
        assert (said.node, said.standing.name) == (NODE, "QUARANTINED")


@simulated
async def test_who_is_released_is_quarantined_again_at_the_next_strike() -> None:
    async with verifying() as play:
        checker = play.inspector()
        for _ in range(STRIKES_MOST):
            await lies(play, checker)
        await until(lambda: play.standing() == "QUARANTINED", within=60)
        await asyncio.sleep(5)
        play.release()
        await asyncio.sleep(5)
        assert play.standing() == "ACTIVE"
        await lies(play, checker)
        await until(lambda: play.standing() == "QUARANTINED", within=60)


@simulated
async def test_strikes_are_the_nodes_whatever_class_it_says_it_is_of() -> None:
    async with verifying() as play:
        for number in range(STRIKES_MOST):
            play.known("m", device_class=f"class {number}")
        assert play.verifier.tell(LieDetected(NODE))
        await until(lambda: play.standing() == "QUARANTINED", within=60)


@simulated
async def test_strikes_that_were_made_good_do_not_count() -> None:
    async with verifying() as play:
        for strikes in range(STRIKES_MOST):
            play.known("v" * FORGIVEN_BY + "m")
            assert play.verifier.tell(LieDetected(NODE))
            await asyncio.sleep(5)
            assert play.standing() == "ACTIVE", strikes
        play.known("mm")
        assert play.verifier.tell(LieDetected(NODE))
        await until(lambda: play.standing() == "QUARANTINED", within=60)


@simulated
async def test_a_quarantine_that_the_database_missed_comes_once_it_is_back() -> None:
    async with verifying() as play:
        play.known("mmm")
        play.store.away = True
        assert play.verifier.tell(LieDetected(NODE))
        await asyncio.sleep(30)
        play.store.away = False
        await until(lambda: play.standing() == "QUARANTINED", within=60)


@simulated
async def test_a_deadlock_in_the_database_is_no_crash(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deadlock(*_: object) -> None:
        raise Conflict("deadlock")

    async with verifying() as play:
        job = await play.delivered()
        with monkeypatch.context() as patch:
            patch.setattr(play.store, "meet_verifiers", deadlock)
            await asyncio.sleep(60)
        checker = play.inspector()
        play.says(checker, await play.asked(checker), EXACT)
        await play.ends(job, "COMPLETED")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def _deliver_in_turn(play: Play, owners: Sequence[int]) -> UUID:
    """Return a job that nodes of these owners deliver in turn; each result is found to differ."""
    checker = play.inspector()
    job = await play.delivered(NODE, UUID(int=owners[0]))
    for attempt, owner in enumerate(owners, 1):
        if attempt > 1:
            node = UUID(int=9 + attempt)
            await play.ends(job, "QUEUED")
            play.store.add_node(node, ("render",), owner=UUID(int=owner))
            await play.do(UnitAssign(job, 0, attempt, node))
            await play.again(job, node, attempt, UUID(int=owner))
        await play.confirms(checker, apart(0.9))
    return job


async def _strikes(play: Play, job: UUID) -> list[int]:
    nodes = {row.node for row in play.store.checks.values() if row.job == job}
    return [one.reputation.strikes for one in await play.store.records(sorted(nodes))]


@simulated
@pytest.mark.parametrize(("owners", "whose"), [((2, 5, 6), "scene"), ((2, 2, 6), "node")])
async def test_what_three_owners_deliver_alike_is_the_scenes_fault_and_nobodys_strike(
    owners: tuple[int, ...], whose: str
) -> None:
    async with verifying() as play:
        job = await _deliver_in_turn(play, owners)
        unit = await play.ends(job, "FAILED")
        assert (unit.error_class, play.charged()) == (whose, 0)
        assert await _strikes(play, job) == ([] if whose == "scene" else [1, 1, 1])


@simulated
async def test_who_says_of_good_scenes_that_they_are_at_fault_is_quarantined() -> None:
    """A result of a blamed scene is always compared, and a valid result refutes the blame."""
    liar = UUID(int=30)
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        play.store.add_node(liar, ("render",), owner=UUID(int=7))
        checker = play.inspector()
        for count in range(1, STRIKES_MOST + 1):
            job = await play.refused(liar)
            await play.checks(checker, EXACT)
            unit = await play.ends(job, "COMPLETED")
            assert (unit.avoid, unit.failures) == ((liar,), 0)
            [record] = await play.store.records([liar])
            assert (record.device_class, record.since) == (CLASS, "m" * count)
        await until(lambda: play.standing(liar) == "QUARANTINED", within=60)
        assert play.standing() == "ACTIVE"


@simulated
async def test_who_blames_a_scene_whose_honest_frames_may_differ_gets_no_strike() -> None:
    """A Blender driver that reads facts of the machine may make a scene fail on one node only."""
    honest = UUID(int=30)
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        play.store.add_node(honest, ("render",), owner=UUID(int=7))
        checker = play.inspector()
        job = await play.refused(honest)
        await play.checks(checker, {**EXACT, "loose": True})
        await play.ends(job, "COMPLETED")
        assert play.verdict(job, 2) == "exact"
        assert await play.store.records([honest]) == []


@simulated
async def test_checks_become_rare_and_a_strike_makes_them_certain() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        checker = play.inspector()

        async def one(report: Mapping[str, Any]) -> str | None:
            """Return the verdict on a delivery; ``report`` is the answer if it is compared."""
            job = await play.delivered()
            while play.verdict(job) is None:
                order = await play.asked(checker)
                is_it = order.unit.job == job and report is not EXACT
                told = {**(report if is_it else EXACT), **({"whole": True} if order.whole else {})}
                play.says(checker, order, told if order.draws else LOOKED)
                await asyncio.sleep(2)
            return play.verdict(job)

        assert [await one(EXACT) for _ in range(ALWAYS_UNTIL)] == ["exact"] * ALWAYS_UNTIL
        assert [await one(EXACT) for _ in range(30)].count("sampled-out") > 20
        found = [await one(apart(2.0)) for _ in range(60)]
        first = found.index("invalid")
        assert found[:first] == ["sampled-out"] * first
        assert {*found[first:]} == {"invalid"}, "every result after the strike is compared"
        assert await play.store.audit() == []


# -- unavailable peers


@simulated
async def test_a_ledger_that_is_away_is_asked_again() -> None:
    async with verifying() as play:
        job, checker = await play.delivered(), play.inspector()
        order = await play.asked(checker)
        play.store.away = True
        play.says(checker, order, EXACT)
        await asyncio.sleep(30)
        play.store.away = False
        await play.ends(job, "COMPLETED")
        assert play.earned() == SHARE


@simulated
async def test_a_verdict_whose_commit_was_not_answered_counts_once() -> None:
    async with verifying() as play:
        job, checker = await play.delivered(), play.inspector()
        order = await play.asked(checker)
        play.store.lose_commit_answer()
        play.says(checker, order, EXACT)
        await play.ends(job, "COMPLETED")
        assert (play.charged(), play.earned()) == (PRICE, SHARE)


@simulated
async def test_what_waits_when_verification_is_switched_off_is_paid_unverified() -> None:
    """The result is not opened even if a verifier is connected."""
    async with verifying(enabled=False) as play:
        checker, job = play.inspector(), await play.delivered()
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("unverified", SHARE)
        assert checker.probe.ref.depth == 0


@simulated
async def test_where_credits_cost_money_nobody_is_paid_for_what_is_unverified() -> None:
    async with verifying(enabled=False, pays_unverified=False) as play:
        job = await play.delivered()
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.charged(), play.earned()) == ("unverified", PRICE, 0)


@simulated
@pytest.mark.parametrize("drawn", [True, False])
async def test_a_frame_without_evidence_is_unverified_where_none_is_required(
    drawn: bool,
) -> None:
    bare = {"fault": "there is no evidence beside the picture", "bare": True}
    async with verifying(require_evidence=False, **({} if drawn else NEVER_DRAWN)) as play:
        if not drawn:
            play.known("v" * 1000)
        job = await play.delivered()
        await play.checks(play.inspector(), bare)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.charged(), play.earned()) == ("unverified", PRICE, SHARE)
        assert play.store.checks[job, 0, 1].said == SENTENCES[NO_EVIDENCE]
    async with verifying() as play:
        job = await play.delivered()
        await play.checks(play.inspector(), bare)
        await play.ends(job, "QUEUED")
        assert play.verdict(job) == "invalid"


@simulated
async def test_what_nobody_can_check_keeps_nobody_waiting() -> None:
    async with verifying(at_once=4, wait_seconds=10_000.0) as play:
        checker = play.inspector(20, "gpu/x/9")
        other = play.inspector(21)
        play.goes(other)
        stuck = [await play.delivered() for _ in range(9)]
        last = attrs.evolve(play.store.checks[stuck[-1], 0, 1], device_class="gpu/x/9")
        play.store.checks[last.id] = last
        while not (order := await play.asked(checker)).draws:
            play.says(checker, order, LOOKED)
        play.says(checker, order, EXACT)
        await play.ends(stuck[-1], "COMPLETED")
        assert {play.verdict(job) for job in stuck[:-1]} == {None}
