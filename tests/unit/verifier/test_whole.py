"""A strike by crops alone: the whole frame is rendered before, by the gateway's own."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from sql.sampling import ALWAYS_UNTIL
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import CREATOR, EXACT, NODE, PRICE, Checker, Play, apart, verifying

OWN, OTHER = UUID(int=20), UUID(int=21)
LIE = apart(0.9)
UNCUT = {"unable": "Render Properties > Path Guiding learns from it", "uncut": True}
UNMADE = {"crops": EXACT["crops"], "unmade": True}


def whole_off(value: float) -> dict[str, Any]:
    """A report of a whole frame that is rendered again."""
    return {**EXACT, "crops": [{"equal": False, "off": value}], "whole": True}


WHOLE = {**EXACT, "crops": EXACT["crops"][:1], "whole": True}
FAR = whole_off(9.0)
OFF = {"equal": False, "off": 9.0}


def own(play: Play, number: int = 20) -> Checker:
    return play.checker(number, None)


@simulated
async def test_a_scene_that_comes_out_otherwise_in_parts_makes_no_liar() -> None:
    async with verifying(own=frozenset({OWN})) as play:
        job, checker = await play.delivered(), own(play)
        crops = await play.checks(checker, LIE)
        whole = await play.renders_whole(checker, EXACT)
        assert whole.draws == crops.draws, "the same places"
        unit = await play.ends(job, "COMPLETED")
        assert (play.verdict(job), unit.verified, play.charged()) == ("exact", True, PRICE)
        assert (await play.store.records([NODE]))[0].reputation.strikes == 0
        assert "otherwise than its whole frame" in play.store.checks[job, 0, 1].said


@simulated
async def test_of_such_a_scene_no_other_frame_is_checked_by_parts() -> None:
    """Neither what waits by then, nor what comes later, in another life: whole, or not at all."""
    async with verifying(own=frozenset({OWN})) as play:
        jobs = [await play.delivered(), await play.delivered()]
        checker = own(play)
        first = (await play.checks(checker, LIE)).unit.job
        await play.renders_whole(checker, EXACT)
        await play.ends(first, "COMPLETED")
        [other] = {*jobs} - {first}
        await play.ends(other, "COMPLETED")  # at once: its creator's turn comes later
        await play.restarts()
        later = await play.delivered()
        await play.renders_whole(own(play), LIE)
        await play.ends(later, "QUEUED")
        assert [play.verdict(job) for job in (other, later)] == ["unverifiable", "mismatch"]
        assert [*play.store.uncut_scenes] == [(CREATOR, "s3://rendertrust/x")]


@simulated
async def test_nobody_waits_for_one_strike_more_of_who_is_out_by_those_that_it_has() -> None:
    """Its other frames would each wait for their turn, one of a creator's in a long while."""
    async with verifying(own=frozenset({OWN})) as play:
        play.known("mmm")
        jobs, checker = [await play.delivered() for _ in range(3)], own(play)
        for _ in jobs:
            order = await play.checks(checker, LIE)
            assert not order.whole
        for job in jobs:
            await play.ends(job, "QUEUED")
        assert {play.verdict(job) for job in jobs} == {"doubtful"}
        assert play.charged() == 0


@simulated
@pytest.mark.parametrize("unfinished", [{}, {"unmade": True}])
async def test_a_picture_that_was_not_looked_at_is_not_vouched_for_by_its_crops(
    unfinished: dict[str, Any],
) -> None:
    """As one of a kind that nobody reads."""
    async with verifying(own=frozenset({OWN})) as play:
        job, checker = await play.delivered(), own(play)
        await play.checks(checker, LIE)
        await play.renders_whole(checker, EXACT)
        await play.ends(job, "COMPLETED")
        await play.restarts()
        later = await play.delivered()
        await play.renders_whole(own(play), {"crops": EXACT["crops"], **unfinished})
        await play.ends(later, "COMPLETED")
        assert play.verdict(later) == "unverifiable"


@simulated
async def test_what_keeps_whoever_opens_it_is_paid_by_nobody_where_nothing_else_can_be_said() -> (
    None
):
    """It is none of a scene that can be cut: there it is held against one of the checker's own."""
    deadly = {"looked": True, "suspect": "the picture keeps whoever opens it"}
    async with verifying(own=frozenset({OWN}), least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        job, checker = await play.delivered(), own(play)
        await play.checks(checker, deadly)
        await play.checks(checker, deadly)
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), play.charged()) == ("doubtful", 0)
        assert (await play.store.records([NODE]))[0].reputation.strikes == 0


@simulated
async def test_no_frame_waits_to_be_rendered_whole_where_its_parts_are_no_measure() -> None:
    """A creator has hundreds of them; what cannot be done now is not done."""
    async with verifying(own=frozenset({OWN})) as play:
        jobs = [await play.delivered() for _ in range(2)]
        checker = own(play)
        seen = await play.checks(checker, UNCUT)
        order = await play.asked(checker)
        assert (order.whole, order.draws, len(order.shown)) == (True, (), 1)
        await asyncio.sleep(60)
        play.says(checker, order, WHOLE)
        await play.ends(seen.unit.job, "COMPLETED")
        await play.checks(checker, UNCUT)
        [other] = {*jobs} - {seen.unit.job}
        await play.ends(other, "COMPLETED")
        assert [play.verdict(job) for job in (seen.unit.job, other)] == ["exact", "unverifiable"]
        assert play.store.uncut_scenes == {}


@simulated
@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (FAR, "mismatch"),
        ({**FAR, "loose": True}, "doubtful"),
        ({**whole_off(0.3), "loose": True}, "unverifiable"),
        ({"fault": "the picture is none"}, "mismatch"),
        (None, "unverifiable"),
        (UNCUT, "unverifiable"),
    ],
)
async def test_noise_in_the_place_of_a_frame_that_cannot_be_cut_is_found(
    report: dict[str, Any] | None, verdict: str
) -> None:
    """Where honest frames of such a scene may differ, it is no strike."""
    async with verifying(own=frozenset({OWN}), least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        job, checker = await play.delivered(), own(play)
        await play.checks(checker, UNCUT)
        play.says(checker, await play.asked(checker), report, "it crashed")
        is_paid = verdict == "unverifiable"
        await play.ends(job, "COMPLETED" if is_paid else "QUEUED")
        assert (play.verdict(job), play.charged()) == (verdict, PRICE if is_paid else 0)
        strikes = (await play.store.records([NODE]))[0].reputation.strikes
        assert strikes == (verdict == "mismatch")


@simulated
@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        ({**EXACT, "whole": True}, "exact"),
        ({**EXACT, "whole": True, "finish": OFF}, "mismatch"),
        ({**apart(0.05), "whole": True, "finish": OFF}, "doubtful"),
        ({**UNMADE, "whole": True}, "unverifiable"),
        (None, "doubtful"),
    ],
)
async def test_who_dies_as_he_makes_the_picture_makes_it_of_a_frame_of_his_own(
    report: dict[str, Any] | None, verdict: str
) -> None:
    """If he dies of that, too, it is the scene; if not, it was what was delivered. Where his bits
    are others his picture is another, too.
    """
    async with verifying(own=frozenset({OWN}), least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        job, checker = await play.delivered(), own(play)
        crops = await play.checks(checker, UNMADE)
        order = await play.asked(checker)
        assert (order.whole, order.draws) == (True, crops.draws)
        play.says(checker, order, report, "it crashed")
        await play.ends(job, "COMPLETED" if verdict in ("exact", "unverifiable") else "QUEUED")
        assert play.verdict(job) == verdict


@simulated
@pytest.mark.parametrize("whole", [LIE, apart(0.3)])
async def test_what_the_whole_frame_is_not_either_is_a_strike(whole: dict[str, Any]) -> None:
    async with verifying(own=frozenset({OWN})) as play:
        job, checker = await play.delivered(), own(play)
        await play.checks(checker, LIE)
        await play.renders_whole(checker, whole)
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), play.charged()) == ("mismatch", 0)
        assert (await play.store.records([NODE]))[0].reputation.strikes == 1
        assert play.store.uncut_scenes == {}


@simulated
@pytest.mark.parametrize(
    "report", [{"fault": "the picture is none"}, {**LIE, "finish": {"equal": False, "off": 9.0}}]
)
async def test_what_parts_have_nothing_to_do_with_needs_no_whole_frame(
    report: dict[str, Any],
) -> None:
    async with verifying(own=frozenset({OWN})) as play:
        job = await play.delivered()
        await play.checks(own(play), report)
        await play.ends(job, "QUEUED")
        assert play.verdict(job) == "mismatch"


@simulated
async def test_a_frame_that_takes_too_long_condemns_nobody() -> None:
    """And keeps its verifier from nothing else for longer."""
    async with verifying(own=frozenset({OWN}), whole_seconds=30.0) as play:
        job, checker = await play.delivered(), own(play)
        await play.checks(checker, LIE)
        order = await play.asked(checker)
        begun = play.clock.monotonic()
        await play.dropped(checker, order)
        assert 30 <= play.clock.monotonic() - begun < 35
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), await play.store.records([NODE])) == ("doubtful", [])


@simulated
@pytest.mark.parametrize("report", [None, EXACT, {"looked": True}, {"unable": "it is odd"}])
async def test_no_word_on_the_whole_frame_condemns_nobody(report: dict[str, Any] | None) -> None:
    """As of an agent of a release before, which does not know what it was asked for."""
    async with verifying(own=frozenset({OWN})) as play:
        job, checker = await play.delivered(), own(play)
        await play.checks(checker, LIE)
        play.says(checker, await play.asked(checker), report, "it crashed")
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), await play.store.records([NODE])) == ("doubtful", [])


@simulated
async def test_a_creator_whose_frames_take_long_keeps_the_verifier_from_nobody() -> None:
    """One whole frame at a time, as long a pause after it, and for him nine times as long."""
    async with verifying(own=frozenset({OWN, OTHER}), whole_seconds=30.0) as play:
        jobs = [await play.delivered() for _ in range(2)]
        checkers = own(play), own(play, 21)
        for checker in checkers:
            await play.checks(checker, LIE)
        order = await play.asked(checkers[0])
        later = await play.delivered()
        looked = await play.checks(checkers[1], EXACT)
        assert (looked.unit.job, looked.whole) == (later, False), "others are checked meanwhile"
        await play.dropped(checkers[0], order)
        ended = play.clock.monotonic()
        await until(lambda: checkers[0].probe.ref.depth, within=600)
        again = await play.asked(checkers[0])
        assert again.whole
        assert {order.unit.job, again.unit.job} == {*jobs}
        assert 270 <= play.clock.monotonic() - ended < 280


@simulated
async def test_who_calls_parts_of_such_a_scene_wrong_is_not_refuted() -> None:
    """The gateway's own looks where the stranger did: it sees what he saw."""
    async with verifying(own=frozenset({OWN}), least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        job, stranger = await play.delivered(), play.checker(30, 3)
        seen = await play.checks(stranger, LIE)
        await play.restarts()
        checker = own(play)
        order = await play.asked(checker)
        assert {*seen.draws} < {*order.draws}
        play.says(checker, order, {**LIE, "crops": [*LIE["crops"], *LIE["crops"]]})
        whole = await play.renders_whole(checker, {**EXACT, "crops": [*EXACT["crops"]] * 2})
        assert whole.draws == order.draws
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "exact"
        assert play.store.verifier_tests == {}
